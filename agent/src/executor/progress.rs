//! What is worth showing while a command is carried out.

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
    /// A script printed a line.
    Output {
        /// Where to.
        stream: Stream,
        /// Without its newline; escape sequences are already removed.
        line: String,
    },
    /// Something that the operator should know.
    Warning(String),
    /// What is going on, such as waiting for another deployment.
    Note(String),
}
