//! The daemon's side of `metrics`: what counts the calls, and the two ways of the text to its
//! readers: a file for node_exporter (`metrics_file`), and a socket for `agent metrics`.

mod counting;
mod exposed;
mod exposition;
mod file;
mod socket;

pub(super) use counting::Counting;
pub(super) use exposed::Exposed;
pub use socket::{AskError, ask};
