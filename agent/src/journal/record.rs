//! The records as they lie in the file.

use serde::{Deserialize, Serialize};

use super::entry::{Settlement, TakenCommand};
use crate::deployment::DeploymentType;
use crate::diagnostics::Code;
use crate::files::Header;
use crate::lifecycle::State;

/// The first record.
pub(super) const HEADER: Header = Header {
    key: "journal",
    name: "codedeploy-host-agent",
    format: 1,
};

/// A later record. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// A command was taken.
    Taken {
        at: u64,
        boot_id: String,
        command: Box<TakenCommand>,
    },
    /// It has come to this state.
    State {
        at: u64,
        command: String,
        boot_id: String,
        state: State,
    },
    /// A try to report it was made whose answer never came.
    Uncertain { at: u64, command: String },
    /// It is over.
    Settled {
        at: u64,
        command: String,
        settlement: Settlement,
    },
    /// It is over; all that is kept of its records.
    Closed(Closed),
}

/// What is kept of a command that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Closed {
    pub(super) command: String,
    pub(super) name: String,
    pub(super) deployment: Option<String>,
    /// Absent in what earlier versions wrote; they pass it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group_id: Option<String>,
    /// As `group_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deployment_type: Option<DeploymentType>,
    pub(super) group: Option<String>,
    pub(super) application: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) code: Option<Code>,
    pub(super) message: String,
    pub(super) settlement: Settlement,
    /// As `group_id`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) noop: bool,
}
