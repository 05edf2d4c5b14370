//! The journal of commands: what was at work, how far it had come, and what the service has
//! settled, so that the next agent goes on where this one was stopped or killed.
//!
//! Invariants: a state is durable before the action that it demands is carried out; a record is
//! used as it was written or not at all (each line has a checksum); a damaged record takes none of
//! the others with it. Losing one is safe, because each step is decided again from what is on disk,
//! and never one invented. No secret is in the file: the specification goes in without its GitHub
//! token.
//!
//! ```text
//! <root>/commands.journal      one line a record: <CRC-32 of the JSON> <JSON>
//!     header                   what this file is, and its format
//!     closed ...               commands that are over, for people and against being run again
//!     taken, state ...         commands at work
//! ```
//!
//! Only the process that holds the pid file's lock opens the journal to write: so there is no lock
//! of its own. [`read_history`] only reads.

mod compaction;
mod entry;
mod error;
mod file;
mod history;
mod ledger;
pub(crate) mod milliseconds;
mod opening;
mod reading;
mod record;
pub(crate) mod shortened;
#[cfg(test)]
mod tests;
mod writer;

pub use entry::{Entry, Settlement, TakenCommand};
pub use error::JournalError;
pub use history::{PastCommand, read_history};
pub use opening::Opened;
pub use writer::Journal;
