//! The codes of a completion.

use serde::{Deserialize, Serialize};

/// Why a command ended as it did; the numbers are part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Code {
    /// 0
    Succeeded,
    /// 1
    ScriptMissing,
    /// 2
    ScriptNotExecutable,
    /// 3
    ScriptTimedOut,
    /// 4: non-zero exit, signal, could not be started.
    ScriptFailed,
    /// 5: anything else.
    Other,
    /// 6
    OutputLeftOpen,
    /// 7
    AgentRestarted,
}

impl Code {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Succeeded,
        Self::ScriptMissing,
        Self::ScriptNotExecutable,
        Self::ScriptTimedOut,
        Self::ScriptFailed,
        Self::Other,
        Self::OutputLeftOpen,
        Self::AgentRestarted,
    ];

    /// Whether a completion with it names the script (contract: protocol, "Diagnostics of a
    /// completion"): the others are not failures of a script.
    #[must_use]
    pub fn names_its_script(self) -> bool {
        match self {
            Self::ScriptMissing
            | Self::ScriptNotExecutable
            | Self::ScriptTimedOut
            | Self::ScriptFailed
            | Self::OutputLeftOpen => true,
            Self::Succeeded | Self::Other | Self::AgentRestarted => false,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::ScriptMissing => 1,
            Self::ScriptNotExecutable => 2,
            Self::ScriptTimedOut => 3,
            Self::ScriptFailed => 4,
            Self::Other => 5,
            Self::OutputLeftOpen => 6,
            Self::AgentRestarted => 7,
        }
    }
}

impl From<Code> for u8 {
    fn from(code: Code) -> Self {
        code.number()
    }
}

impl TryFrom<u8> for Code {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|code| code.number() == number)
            .ok_or_else(|| format!("{number} is no diagnostics code"))
    }
}
