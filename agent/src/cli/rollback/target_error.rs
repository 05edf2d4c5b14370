//! Why there is nothing to go back to, and what to do.

use crate::cli::groups::GroupError;
use crate::deployment::{DeploymentGroupId, DeploymentId};

/// There is no revision to deploy again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    #[error(
        "no deployment on this host has the id {id:?}{}", offering(" these can be gone back to:", .others)
    )]
    UnknownId {
        id: String,
        others: Vec<DeploymentId>,
    },
    #[error(
        "{count} deployments have an id that begins with {id:?}; write more of it:{}{}",
        list(.newest), if .newest.len() < *.count { ", ..." } else { "" }
    )]
    AmbiguousId {
        id: String,
        count: usize,
        /// Some of them.
        newest: Vec<DeploymentId>,
    },
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("there are several local deployment groups; name one with --group:{}", list(.groups))]
    SeveralLocalGroups { groups: Vec<DeploymentGroupId> },
    #[error(
        "no local deployment group has a deployment on this host{}; deploy with agent run-bundle",
        offering(" the service manages", .managed)
    )]
    NoLocalGroup { managed: Vec<DeploymentGroupId> },
    #[error(
        "the deployment {id} belongs to the group {group} and not to {wanted:?}; leave --group out"
    )]
    OtherGroup {
        id: DeploymentId,
        group: DeploymentGroupId,
        wanted: String,
    },
    #[error(
        "the CodeDeploy service manages the group {group}: it would not know of this deployment, \
         and its next one replaces it; deploy the earlier revision with the service, or go on all \
         the same with --force"
    )]
    Managed { group: DeploymentGroupId },
    #[error("the deployment {id} of the group {group} is at work; wait for its end")]
    AtWork {
        id: DeploymentId,
        group: DeploymentGroupId,
    },
    #[error(
        "the group {group} has nothing to go back to: no deployment before the current one \
         has succeeded; deploy a revision with agent run-bundle"
    )]
    Nothing { group: DeploymentGroupId },
    #[error(
        "the result of the deployment {id} is {result:?} and not \"succeeded\"{}; go back to it all \
         the same with --force", offering(" these can be gone back to with --to:", .others)
    )]
    NotSuccessful {
        id: DeploymentId,
        result: &'static str,
        others: Vec<DeploymentId>,
    },
    #[error(
        "the archive of the deployment {id} is no longer on this host{}; deploy its revision again \
         with agent run-bundle, and raise max_revisions to keep more",
        offering(" these can be gone back to with --to:", .others)
    )]
    ArchiveGone {
        id: DeploymentId,
        others: Vec<DeploymentId>,
    },
}

/// ` a, b`.
fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!(" {}", items.join(", "))
}

/// The list behind its lead-in, unless it is empty.
fn offering<T: ToString>(lead: &str, items: &[T]) -> String {
    match items {
        [] => String::new(),
        items => format!(";{lead}{}", list(items)),
    }
}
