//! The records as they lie in the file.

use serde::{Deserialize, Serialize};

use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::diagnostics::Code;
use crate::files::Header;

/// The first record.
pub(super) const HEADER: Header = Header {
    key: "history",
    name: "codedeploy-host-agent local deployments",
    format: 1,
};

/// A later record. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// A deployment began.
    Began {
        at: u64,
        deployment: DeploymentId,
        group: DeploymentGroupId,
        group_name: String,
        application: String,
        revision: String,
    },
    /// An event of it began.
    EventBegan {
        at: u64,
        deployment: DeploymentId,
        event: String,
    },
    /// It ended; complete without the record of its beginning.
    EventEnded {
        began: u64,
        at: u64,
        deployment: DeploymentId,
        event: String,
        code: Code,
        message: String,
    },
    /// The deployment ended.
    Ended {
        at: u64,
        deployment: DeploymentId,
        ending: LocalEnding,
    },
}

impl Record {
    pub(super) fn deployment(&self) -> &DeploymentId {
        match self {
            Self::Began { deployment, .. }
            | Self::EventBegan { deployment, .. }
            | Self::EventEnded { deployment, .. }
            | Self::Ended { deployment, .. } => deployment,
        }
    }
}

/// How a local deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalEnding {
    /// All events have succeeded.
    Succeeded,
    /// One has failed.
    Failed,
    /// The operator has ended it.
    Cancelled,
}
