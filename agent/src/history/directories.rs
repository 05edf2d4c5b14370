//! What deployments leave below the root directory: their directories, and the two pointers of a
//! group (contract: deployment, "Directories"). AWS's agents leave the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::error::HistoryError;
use crate::deployment::{DeploymentGroupId, DeploymentId};
use crate::deployment_root::{
    DeploymentDirectory, DeploymentRoot, list_group, list_groups, read_pointer,
};
use crate::error::chain;

/// All that is there.
#[derive(Debug, Default)]
pub(super) struct Directories {
    pub(super) deployments: Vec<Found>,
    pub(super) groups: BTreeSet<DeploymentGroupId>,
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
    let failed = HistoryError::of;
    for group in list_groups(root).map_err(|source| failed(root.path(), source))? {
        let listing =
            list_group(root, &group).map_err(|source| failed(&root.group(&group), source))?;
        for deployment in listing.deployments {
            let directory = deployment.directory;
            found.deployments.push(Found {
                group: group.clone(),
                id: deployment.id,
                has_archive: is_directory(&directory.archive()),
                path: directory.path().to_owned(),
                changed: deployment.modified,
            });
        }
        found.groups.insert(group);
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

/// Not through a link: what it leads to is nobody's archive.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}
