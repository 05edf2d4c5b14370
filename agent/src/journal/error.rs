//! What goes wrong with the journal.

use std::io;
use std::path::PathBuf;

/// The journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It could not be opened or read, for a reason that may pass.
    #[error("cannot open the journal of commands {}", path.display())]
    Open {
        /// The journal.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Something unusable has the journal's name and cannot be moved out of the way.
    #[error(
        "{} cannot be used as the journal of commands ({reason}), and cannot be set aside; move it \
         away",
        path.display()
    )]
    SetAside {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A history was asked for, and this user may not read it.
    #[error("the journal of commands {} may not be read; look as root", path.display())]
    Denied {
        /// The journal.
        path: PathBuf,
    },
    /// A history was asked for and this file has none.
    #[error("{} cannot be read as a journal of commands: {reason}", path.display())]
    Unusable {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A record has no form on disk, such as a path that is not UTF-8.
    #[error("cannot write command {command} down in the journal of commands")]
    Encode {
        /// The host command identifier.
        command: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A record could not be written or made durable; the journal is as it was before.
    #[error("cannot append to the journal of commands {}", path.display())]
    Append {
        /// The journal.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The journal could not be written anew; the old one is still there.
    #[error("cannot write the journal of commands {} anew", path.display())]
    Replace {
        /// The journal.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A record about a command that was never taken: a defect in the caller.
    #[error(
        "command {command} is not in the journal of commands; this is a defect of the agent, \
         please report it"
    )]
    NotTaken {
        /// The host command identifier.
        command: String,
    },
}
