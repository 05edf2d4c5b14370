//! A deployment as people look back at it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::diagnostics::{Code, Diagnostics, SuccessMessage};
use crate::journal::Settlement;

/// A deployment that is or was on this host. What is none is not known any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDeployment {
    /// The deployment's id.
    pub id: DeploymentId,
    /// The deployment group's id.
    pub group_id: Option<DeploymentGroupId>,
    /// The deployment group's name.
    pub group_name: Option<String>,
    /// The application's name.
    pub application: Option<String>,
    /// What was deployed, in words.
    pub revision: Option<String>,
    /// Who asked for it.
    pub requester: Requester,
    /// When its first event began; of one that is known from its directory only, when that was last
    /// changed.
    pub began: SystemTime,
    /// When its last event ended.
    pub ended: Option<SystemTime>,
    /// What it came to.
    pub result: DeploymentResult,
    /// What of it is still on this host.
    pub held: Option<Held>,
    /// The group's most recent revision: its last DownloadBundle was this deployment's.
    pub is_most_recent: bool,
    /// The group's last successful revision: its last Install was this deployment's.
    pub is_last_successful: bool,
    /// Its events, oldest first; none when only its directory is known.
    pub events: Vec<PastEvent>,
}

/// What of a deployment is still on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its directory.
    pub directory: PathBuf,
    /// Whether its unpacked revision is there.
    pub has_archive: bool,
}

/// Who asked for a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    /// The CodeDeploy service.
    Service,
    /// `agent run-bundle`, or AWS's `codedeploy-local`.
    Local,
}

impl Requester {
    /// Whose a deployment is of which only the id is known: local tools end their ids with
    /// `-local`, and the service has no such ids.
    pub(super) fn of_id(id: &DeploymentId) -> Self {
        if id.as_str().ends_with("-local") {
            Self::Local
        } else {
            Self::Service
        }
    }
}

/// What a deployment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentResult {
    /// Its last event has succeeded.
    Succeeded,
    /// An event has failed, and no other came after it.
    Failed {
        /// The event's name.
        event: String,
        /// The code of its diagnostics.
        code: Option<Code>,
        /// The message of its diagnostics, its beginning.
        message: String,
    },
    /// It is at work, or the service's next command for it is on its way.
    Running {
        /// The event that is at work; none between two.
        event: Option<String>,
    },
    /// The operator has ended it.
    Cancelled,
    /// Its process is gone and has left no result: it was killed, or the host went down.
    Killed {
        /// The event that was at work.
        event: Option<String>,
    },
    /// Nobody knows: only its directory is there, or the service sent no more commands for it.
    Unknown,
}

impl DeploymentResult {
    /// The word for programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::Running { .. } => "running",
            Self::Cancelled => "cancelled",
            Self::Killed { .. } => "killed",
            Self::Unknown => "unknown",
        }
    }
}

/// A lifecycle event of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// Its name.
    pub name: String,
    /// When it began on this host.
    pub began: SystemTime,
    /// When its result was known; none while it is at work, and when it was killed.
    pub ended: Option<SystemTime>,
    /// The code of its result; none when it has none.
    pub code: Option<Code>,
    /// The message of its result, its beginning.
    pub message: String,
    /// What became of its result with the service; none while that is open, and for local
    /// deployments.
    pub settlement: Option<Settlement>,
}

impl PastEvent {
    /// Whether it succeeded because there was nothing to run.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        self.code == Some(Code::Succeeded)
            && self.message == Diagnostics::succeeded(SuccessMessage::Noop).message()
    }

    /// Whether it has failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.code.is_some_and(|code| code != Code::Succeeded)
    }

    /// How long it took; none while it has not ended.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.ended
            .map(|ended| ended.duration_since(self.began).unwrap_or_default())
    }
}
