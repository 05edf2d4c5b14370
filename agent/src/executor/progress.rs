//! What is worth showing, or counting, while a command is carried out.

use std::time::Duration;

use crate::diagnostics::Code;

/// Which of a script's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that happened on the way; none of it changes the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A script is about to run.
    ScriptStarted {
        /// As the AppSpec has it.
        location: String,
    },
    /// A script printed a line; only of an executor that follows the output.
    Output {
        /// Where to.
        stream: Stream,
        /// Without its newline; escape sequences are already removed.
        line: String,
    },
    /// A script has ended, or its end can never be known.
    ScriptEnded {
        /// How.
        code: Code,
    },
    /// The revision has come from afar and is unpacked.
    Downloaded {
        /// Size of the bundle.
        bytes: u64,
        /// How long both took.
        took: Duration,
    },
    /// Something that the operator should know.
    Warning(String),
    /// What is going on, such as waiting for another deployment.
    Note(String),
}
