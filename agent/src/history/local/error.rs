//! What goes wrong with recording a local deployment.

use std::io;
use std::path::PathBuf;

use crate::files::LockError;

/// A local deployment cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum LocalRecordError {
    /// The lock cannot be used.
    #[error("cannot record this deployment for agent deployments")]
    Lock(#[source] LockError),
    /// The lock is not to be had.
    #[error(
        "cannot record this deployment for agent deployments: another process keeps {} locked",
        lock.display()
    )]
    Busy {
        /// The lock.
        lock: PathBuf,
    },
    /// What has the file's name must not be written.
    #[error(
        "cannot record this deployment for agent deployments in {}: {reason}; move it away",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The record cannot be written.
    #[error("cannot record this deployment for agent deployments in {}", path.display())]
    Append {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}
