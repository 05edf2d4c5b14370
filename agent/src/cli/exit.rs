//! Exit codes.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Success,
    /// 0: the deployment succeeded, whatever became of what was said about it.
    Deployed,
    /// 1: the deployment, or what else was asked for, failed.
    Failed,
    /// 2: the command line, or what it names, cannot be used.
    Usage,
    /// 3: the agent is not running (as the LSB has it for `status`).
    NotRunning,
    /// 3: what was asked about would fail.
    WouldFail,
    /// 4: it cannot be told whether the agent runs.
    Unknown,
    /// 78: the configuration cannot be used (`EX_CONFIG` of sysexits.h).
    Configuration,
    /// 79: the daemon has ended because it was told to drain, and is not to be started again by the
    /// service manager.
    Drained,
    /// 128 and the signal's number, as shells report it: 130 for Ctrl-C.
    Signal(i32),
}

impl Exit {
    /// The exit status.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Success | Self::Deployed => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning | Self::WouldFail => 3,
            Self::Unknown => 4,
            Self::Configuration => 78,
            Self::Drained => 79,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
