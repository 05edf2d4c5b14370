//! The deployment specification, typed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DeploymentGroupId, DeploymentId, Revision};

/// Who or what created the deployment; only a rollback changes what the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentCreator {
    /// The service's own rollback (`codeDeployRollback`).
    Rollback,
    /// A user, autoscaling and everything else.
    Other,
}

/// The deployment's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentType {
    /// `IN_PLACE`.
    InPlace,
    /// `BLUE_GREEN`.
    BlueGreen,
}

/// What Install does with a destination that exists and is not ours to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum FileExistsBehavior {
    /// Fail the deployment.
    Disallow,
    /// Replace the file.
    Overwrite,
    /// Leave the file as it is.
    Retain,
    /// A value that means nothing: an error, but only when a conflict exists (contract:
    /// install).
    Invalid(String),
}

impl FromStr for FileExistsBehavior {
    type Err = std::convert::Infallible;

    /// Exact upper-case names, as an AppSpec has them.
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Ok(match value {
            "DISALLOW" => Self::Disallow,
            "OVERWRITE" => Self::Overwrite,
            "RETAIN" => Self::Retain,
            other => Self::Invalid(other.to_owned()),
        })
    }
}

impl From<String> for FileExistsBehavior {
    fn from(value: String) -> Self {
        let Ok(behavior) = value.parse();
        behavior
    }
}

impl From<FileExistsBehavior> for String {
    fn from(behavior: FileExistsBehavior) -> Self {
        behavior.to_string()
    }
}

impl fmt::Display for FileExistsBehavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disallow => "DISALLOW",
            Self::Overwrite => "OVERWRITE",
            Self::Retain => "RETAIN",
            Self::Invalid(value) => value,
        })
    }
}

/// One deployment as the agent runs it (contract: protocol, deployment specification).
///
/// The serialized form is the journal's; the GitHub token is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// The deployment's id; names its directory.
    pub deployment_id: DeploymentId,
    /// The deployment group's id; names the directory above.
    pub deployment_group_id: DeploymentGroupId,
    /// The deployment group's name, for hooks.
    pub deployment_group_name: String,
    /// The application's name, for hooks.
    pub application_name: String,
    /// Who created the deployment.
    pub creator: DeploymentCreator,
    /// In place or blue/green.
    pub deployment_type: DeploymentType,
    /// The AppSpec's file name inside the archive.
    pub appspec_filename: String,
    /// The deployment's behaviour; an AppSpec's own beats it.
    pub file_exists_behavior: FileExistsBehavior,
    /// Every event that this deployment may run, when the service says.
    pub all_possible_lifecycle_events: Option<Vec<String>>,
    /// What is deployed.
    pub revision: Revision,
    /// A RESTART deployment: the deployment of the same group whose unpacked revision is used
    /// instead of a download, when it is still there. Never this deployment itself.
    pub reuse_archive_from: Option<DeploymentId>,
}
