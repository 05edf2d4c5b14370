//! The records as they lie in the file.

use serde::{Deserialize, Serialize};

use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::diagnostics::Code;

/// The format that this version writes, and the only one that it reads.
pub(super) const FORMAT: u64 = 1;

/// What the header calls the file.
const NAME: &str = "codedeploy-host-agent local deployments";

/// The first record. Every format has one of this form, so that other versions can refuse it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    history: String,
    pub(super) format: u64,
}

impl Header {
    pub(super) fn ours() -> Self {
        Self {
            history: NAME.to_owned(),
            format: FORMAT,
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        *self == Self::ours()
    }
}

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
