//! `codedeployagent.yml`: read once at start, checked whole, typed (contract: host).
//!
//! Invariant: a [`Config`] holds only values that were understood. What cannot be understood
//! stops the agent with every problem listed at once; what AWS's agents took but meant loosely
//! (a quoted number, a number out of range) is taken with a warning. Nothing that a file says is
//! dropped without a word, because a security setting that is silently ignored is worse than an
//! agent that does not start.
//!
//! The file goes through three forms: bytes, a document (keys in either style with
//! the text of their values and their lines), and [`Config`]. The middle form keeps the text as
//! written, so that a name such as `0123` or a version such as `2.10` is never taken for a number
//! on the way. Nothing here reads the process's environment.

mod choices;
pub(crate) mod document;
mod endpoint;
mod error;
mod file_name;
mod fips;
mod keys;
mod load;
mod proxy;
mod settings;
#[cfg(test)]
mod tests;
mod values;
mod warning;

pub use choices::{LogFormat, OutputsLeftOpen, RunAsVia};
pub use document::DocumentError;
pub use endpoint::Endpoint;
pub use error::{ConfigError, Problem};
pub use file_name::FileName;
pub use load::{Entry, Loaded, Origin, default_path};
pub use proxy::{ProxyFor, ProxyUri};
pub use settings::{Config, Purpose};
pub use warning::{ConfigWarning, WarningKind};
