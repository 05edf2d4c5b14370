//! What keeps a history from being read.

use std::io;
use std::path::{Path, PathBuf};

/// Nothing, or not enough, can be told about what this host has deployed.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// This user may not look.
    #[error("{} may not be read; look as root, or as the user that deploys", path.display())]
    Denied {
        /// What may not be read.
        path: PathBuf,
    },
    /// A directory or file cannot be read, for a reason that may pass.
    #[error("cannot look for deployments in {}", path.display())]
    Read {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl HistoryError {
    pub(super) fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            _ => Self::Read { path, source },
        }
    }
}
