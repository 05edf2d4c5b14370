//! What there is: the groups of a deployment root, their deployments, and why each stays.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use hooks_runner::RunState;

use super::at_work::AtWork;
use crate::config::Config;
use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::deployment_root::{
    DeploymentDirectory, DeploymentRoot, PointerError, is_aside, left_aside, read_pointer,
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
    pub(super) strangers: Vec<PathBuf>,
    /// What removals that were killed have left.
    pub(super) left_aside: Vec<PathBuf>,
    /// An Install of it was killed, and is recovered by the next one.
    pub(super) unrecovered: bool,
}

/// The ids of all groups: directories of `root_dir` that hold deployments.
pub(super) fn group_ids(
    root: &DeploymentRoot,
    config: &Config,
) -> Result<Vec<DeploymentGroupId>, SurveyError> {
    let entries = match fs::read_dir(root.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(SurveyError::List)?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let entry = entry.map_err(SurveyError::List)?;
        let path = entry.path();
        let is_ours = path == root.instructions_directory()
            || path == root.logs_directory()
            || entry.file_name() == config.ongoing_deployment_tracking.as_str();
        // A link leads to what is not ours to remove.
        if is_ours || !entry.file_type().map_err(SurveyError::List)?.is_dir() {
            continue;
        }
        let id = entry.file_name().to_str().map(DeploymentGroupId::new);
        let Some(Ok(id)) = id else { continue };
        let mut inside = fs::read_dir(&path).map_err(SurveyError::List)?;
        if inside.any(|inner| {
            inner.is_ok_and(|inner| is_deployment(&inner.path()) || is_aside(&inner.path()))
        }) {
            ids.push(id);
        }
    }
    ids.sort();
    Ok(ids)
}

/// Whether it is a deployment's directory: a real one, with a name such as the service and the
/// local tools give.
fn is_deployment(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("d-") && DeploymentId::new(name).is_ok())
        && fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
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
    let path = root.group(id);
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    let mut strangers = Vec::new();
    for entry in fs::read_dir(&path).map_err(SurveyError::List)? {
        let path = entry.map_err(SurveyError::List)?.path();
        if is_deployment(&path) {
            let modified = fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
            found.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), path));
        } else if !is_aside(&path) {
            strangers.push(path);
        }
    }
    found.sort();
    strangers.sort();
    let newest = found.last().map(|(_, path)| path.clone());
    let mut names = Vec::new();
    let mut deployments = Vec::new();
    for (_, path) in found {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(group) = at_work.group_names.get(&name)
            && !names.contains(group)
        {
            names.push(group.clone());
        }
        let directory = DeploymentDirectory::from_pointer(path);
        let stays = if at_work.deployments.contains(&name) {
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
            let is_newest = newest.as_deref() == Some(directory.path());
            is_newest.then_some(Stays::Newest)
        };
        deployments.push(Deployment { directory, stays });
    }
    Ok(Group {
        id: id.clone(),
        left_aside: left_aside(&path).map_err(SurveyError::List)?,
        path,
        names,
        deployments,
        strangers,
        unrecovered: records.installing().exists(),
    })
}

/// An agent that was killed leaves its hooks running.
fn has_running_hook(directory: &DeploymentDirectory) -> bool {
    let runs = fs::read_dir(directory.hook_runs()).into_iter().flatten();
    runs.filter_map(|run| Some(run.ok()?.path()))
        .any(|run| matches!(hooks_runner::inspect(&run), Ok(RunState::Alive(_))))
}
