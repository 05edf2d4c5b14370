//! What deployments leave below the root directory: their directories, and the two pointers of a
//! group (contract: deployment, "Directories"). AWS's agents leave the same.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::error::HistoryError;
use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::deployment_root::{DeploymentDirectory, DeploymentRoot, read_pointer};
use crate::error::chain;

/// No host keeps nearly as many deployments; more are not looked at.
const MOST_ENTRIES: usize = 20_000;

/// Directories beside those of groups.
const NO_GROUPS: [&str; 3] = [
    "deployment-instructions",
    "deployment-logs",
    "ongoing-deployment",
];

/// All that is there.
#[derive(Debug, Default)]
pub(super) struct Directories {
    pub(super) deployments: Vec<Found>,
    pub(super) groups: BTreeSet<DeploymentGroupId>,
    pub(super) complaints: Vec<String>,
}

/// A deployment's directory.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) group: DeploymentGroupId,
    pub(super) id: DeploymentId,
    pub(super) path: PathBuf,
    pub(super) changed: SystemTime,
    pub(super) has_archive: bool,
}

/// The deployments that a group's two pointers name, by their names.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    pub(super) most_recent: Option<DeploymentId>,
    pub(super) last_successful: Option<DeploymentId>,
}

/// Looks through `root`. No root directory: nothing was deployed.
///
/// # Errors
/// When a directory cannot be listed.
pub(super) fn scan(root: &DeploymentRoot) -> Result<Directories, HistoryError> {
    let mut found = Directories::default();
    let mut room = MOST_ENTRIES;
    for name in names(root.path(), &mut room)? {
        if NO_GROUPS.contains(&name.as_str()) {
            continue;
        }
        let Ok(group) = DeploymentGroupId::new(&name) else {
            continue;
        };
        let directory = root.group(&group);
        if !is_directory(&directory) {
            continue;
        }
        for name in names(&directory, &mut room)? {
            let Some(id) = DeploymentId::new(&name)
                .ok()
                .filter(|id| id.as_str() == name)
            else {
                continue;
            };
            let directory = root.deployment(&group, &id);
            // Not through a link: what it leads to is nobody's deployment.
            let Ok(metadata) = fs::symlink_metadata(directory.path()) else {
                continue;
            };
            if !metadata.is_dir() {
                continue;
            }
            found.deployments.push(Found {
                group: group.clone(),
                id,
                has_archive: is_directory(&directory.archive()),
                path: directory.path().to_owned(),
                changed: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            });
        }
        found.groups.insert(group);
    }
    if room == 0 {
        found.complaints.push(format!(
            "{} has more than {MOST_ENTRIES} entries, and not all of them are looked at",
            root.path().display()
        ));
    }
    Ok(found)
}

/// The two pointers of `group`; what is wrong with them goes to `complaints`.
pub(super) fn pointers(
    root: &DeploymentRoot,
    group: &DeploymentGroupId,
    complaints: &mut Vec<String>,
) -> Pointers {
    let files = root.instructions(group);
    let mut read = |path: &Path| match read_pointer(path) {
        Ok(directory) => directory.as_ref().and_then(id_of),
        Err(error) => {
            complaints.push(chain(&error));
            None
        }
    };
    Pointers {
        most_recent: read(&files.most_recent()),
        last_successful: read(&files.last_successful()),
    }
}

/// By name: a pointer may spell the directories above in another way.
fn id_of(directory: &DeploymentDirectory) -> Option<DeploymentId> {
    DeploymentId::new(directory.path().file_name()?.to_str()?).ok()
}

/// The names in a directory that are text and not hidden.
fn names(directory: &Path, room: &mut usize) -> Result<Vec<String>, HistoryError> {
    let failed = |source| HistoryError::of(directory, source);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries.take(*room) {
        *room -= 1;
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    Ok(names)
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
