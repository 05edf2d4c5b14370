//! What became of a script: plain data, written by the runner into the run directory.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::format::{self, FormatError};

/// How one script went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The result.
    pub result: ScriptResult,
    /// From the start of the script to its result; 0 when it was not started.
    pub duration_ms: u64,
    /// The newest log entries, the preamble's among them, each with its newline: whole entries
    /// that together have at most [`crate::Request::tail_characters`]. A newest entry that is
    /// longer than that alone keeps its end.
    pub tail: Vec<String>,
    /// What the operator should know besides the result.
    pub warnings: Vec<String>,
}

/// The result of one script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScriptResult {
    /// Exit code 0 and all output read (or released).
    Succeeded,
    /// There is no such file.
    Missing,
    /// It was not executable and could not be made so.
    NotExecutable {
        /// The cause, for people.
        reason: String,
    },
    /// It never ran: unknown user, missing interpreter, a directory, no permission...
    CouldNotStart {
        /// The cause and the remedy, for people.
        reason: String,
    },
    /// It ended with another code than 0.
    Failed {
        /// The exit code.
        exit_code: i32,
    },
    /// It was ended by a signal that the runner did not send.
    Killed {
        /// The signal.
        signal: Signal,
    },
    /// It was ended, with everything it had started, because its time was over.
    TimedOut {
        /// The time it had.
        seconds: u64,
    },
    /// It exited 0, but its output was still held open when its time was over.
    OutputLeftOpen {
        /// The time it had.
        seconds: u64,
        /// The streams that are open.
        streams: Vec<Stream>,
        /// Who holds them, as far as could be seen.
        holders: Vec<Holder>,
        /// Whether every process could be looked at.
        all_visible: bool,
    },
    /// The host (or the service manager) told the runner to stop; the script was ended.
    HostShutdown,
    /// The operator told the runner to stop; the script was ended.
    Cancelled,
    /// The runner itself could not do its work. The script did not run, unless the message
    /// says otherwise.
    RunnerFailed {
        /// The cause, for people.
        message: String,
    },
}

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// `SIGKILL`; `signal 35` when it has no name.
    pub name: String,
    /// 9.
    pub number: i32,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.number)
    }
}

/// One of a script's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// A process that holds a script's output open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its pid.
    pub pid: i32,
    /// Its program, and the file that it interprets; never its other arguments, which may be
    /// secrets.
    pub command: String,
    /// What it holds.
    pub streams: Vec<Stream>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)
    }
}

impl Outcome {
    /// An outcome of a script that never started.
    pub(crate) fn not_started(result: ScriptResult, warnings: Vec<String>) -> Self {
        Self {
            result,
            duration_ms: 0,
            tail: Vec::new(),
            warnings,
        }
    }

    /// The bytes of `outcome.json`.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        format::encode(self)
    }

    /// Reads `outcome.json`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        format::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(ScriptResult::Succeeded)]
    #[case(ScriptResult::Missing)]
    #[case(ScriptResult::Failed { exit_code: 3 })]
    #[case(ScriptResult::Killed { signal: Signal { name: "SIGKILL".to_owned(), number: 9 } })]
    #[case(ScriptResult::TimedOut { seconds: 1 })]
    #[case(ScriptResult::OutputLeftOpen {
        seconds: 1,
        streams: vec![Stream::Stdout, Stream::Stderr],
        holders: vec![Holder { pid: 7, command: "sh".to_owned(), streams: vec![Stream::Stdout] }],
        all_visible: false,
    })]
    #[case(ScriptResult::RunnerFailed { message: "no".to_owned() })]
    fn what_is_written_is_read_back(#[case] result: ScriptResult) {
        let outcome = Outcome {
            result,
            duration_ms: 12,
            tail: vec!["[stdout]\u{0}\u{fffd}ü\n".to_owned()],
            warnings: vec!["w".to_owned()],
        };
        assert_eq!(
            Outcome::decode(&outcome.encode().unwrap()).unwrap(),
            outcome
        );
    }

    #[test]
    fn another_version_is_refused() {
        assert!(Outcome::decode(br#"{"version":7,"content":{}}"#).is_err());
    }
}
