//! What there is: a group's deployments, and why each stays.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use hooks_runner::RunState;

use super::at_work::AtWork;
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::{
    DeploymentDirectory, DeploymentRoot, GroupListing, ListedDeployment, PointerError, list_group,
    read_pointer,
};
use crate::files::Lock;

/// A group could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurveyError {
    #[error("cannot look at the deployments")]
    List(#[source] io::Error),
    #[error("cannot tell which revisions must stay")]
    Pointer(#[source] PointerError),
}

/// Why something stays whatever else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stays {
    LastSuccessful,
    MostRecent,
    Newest,
    AtWork,
    InUse,
    HookRuns,
}

impl Stays {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::LastSuccessful => "the last successful revision",
            Self::MostRecent => "the most recent revision",
            Self::Newest => "the newest deployment",
            Self::AtWork => "a command of it is at work",
            Self::InUse => "it is in use",
            Self::HookRuns => "a hook of it is running",
        }
    }

    /// Whether nothing of it may go, not even what it does not need.
    pub(super) fn is_whole(self) -> bool {
        match self {
            Self::AtWork | Self::InUse | Self::HookRuns => true,
            Self::LastSuccessful | Self::MostRecent | Self::Newest => false,
        }
    }
}

/// One deployment.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) directory: DeploymentDirectory,
    pub(super) stays: Option<Stays>,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: DeploymentGroupId,
    pub(super) path: PathBuf,
    /// As the service has called it, as far as the journal knows.
    pub(super) names: Vec<String>,
    /// Oldest first.
    pub(super) deployments: Vec<Deployment>,
    /// What is no deployment: never touched.
    pub(super) foreign: Vec<PathBuf>,
    /// What removals that were killed have left.
    pub(super) left_aside: Vec<PathBuf>,
    /// An Install of it was killed, and is recovered by the next one.
    pub(super) unrecovered: bool,
}

/// Looks at one group.
pub(super) fn survey(
    root: &DeploymentRoot,
    id: &DeploymentGroupId,
    at_work: &AtWork,
) -> Result<Group, SurveyError> {
    let records = root.instructions(id);
    let pointer = |path: PathBuf| read_pointer(&path).map_err(SurveyError::Pointer);
    let successful = pointer(records.last_successful())?;
    let recent = pointer(records.most_recent())?;
    let is = |pointer: &Option<DeploymentDirectory>, path: &Path| {
        // By name: a pointer may spell the directories above in another way.
        let named = pointer.as_ref().map(|pointer| pointer.path().file_name());
        named == Some(path.file_name())
    };
    let GroupListing {
        deployments: found,
        left_aside,
        foreign,
    } = list_group(root, id).map_err(SurveyError::List)?;
    let newest = found.last().map(|newest| newest.id.clone());
    let mut names = Vec::new();
    let mut deployments = Vec::new();
    for ListedDeployment { id, directory, .. } in found {
        if let Some(group) = at_work.group_names.get(id.as_str())
            && !names.contains(group)
        {
            names.push(group.clone());
        }
        let stays = if at_work.deployments.contains(id.as_str()) {
            Some(Stays::AtWork)
        } else if Lock::is_held(&directory.in_use()) {
            Some(Stays::InUse)
        } else if has_running_hook(&directory) {
            Some(Stays::HookRuns)
        } else if is(&successful, directory.path()) {
            Some(Stays::LastSuccessful)
        } else if is(&recent, directory.path()) {
            Some(Stays::MostRecent)
        } else {
            (newest.as_ref() == Some(&id)).then_some(Stays::Newest)
        };
        deployments.push(Deployment { directory, stays });
    }
    Ok(Group {
        id: id.clone(),
        path: root.group(id),
        names,
        deployments,
        foreign,
        left_aside,
        unrecovered: records.installing().exists(),
    })
}

/// An agent that was killed leaves its hooks running.
fn has_running_hook(directory: &DeploymentDirectory) -> bool {
    let runs = fs::read_dir(directory.hook_runs()).into_iter().flatten();
    runs.filter_map(|run| Some(run.ok()?.path()))
        .any(|run| matches!(hooks_runner::inspect(&run), Ok(RunState::Alive(_))))
}
