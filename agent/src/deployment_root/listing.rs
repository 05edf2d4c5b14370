//! Which directories below the root are groups', and what in them is a deployment.
//!
//! By names and types alone; no link is followed. What an agent has put beside the groups (tracking
//! files, instructions, logs) is none, nor is what nobody of CodeDeploy has made.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use fs_err as fs;

use super::layout::{DeploymentDirectory, DeploymentRoot};
use super::removal::is_aside;
use crate::deployment::{DeploymentGroupId, DeploymentId};

/// What is in a group's directory.
#[derive(Debug, Default)]
pub struct GroupListing {
    /// Oldest first, by modification time.
    pub deployments: Vec<ListedDeployment>,
    /// What removals that were killed have left.
    pub left_aside: Vec<PathBuf>,
    /// What no agent of CodeDeploy makes.
    pub foreign: Vec<PathBuf>,
}

/// A deployment that has a directory.
#[derive(Debug)]
pub struct ListedDeployment {
    /// The directory's name.
    pub id: DeploymentId,
    /// Where it is.
    pub directory: DeploymentDirectory,
    /// When its entries last changed.
    pub modified: SystemTime,
}

enum Entry {
    Deployment(ListedDeployment),
    LeftAside(PathBuf),
    Foreign(PathBuf),
}

/// The groups that have anything below `root`, by their ids; none when it is not there. A directory
/// that cannot be looked into may be a group's: [`list_group`] tells why it cannot.
///
/// # Errors
/// When the root directory cannot be listed.
pub fn list_groups(root: &DeploymentRoot) -> io::Result<Vec<DeploymentGroupId>> {
    let not_groups = root.own_directories();
    let mut groups = Vec::new();
    for entry in present(fs::read_dir(root.path()))?.into_iter().flatten() {
        let entry = entry?;
        let Some(group) = group_id(&entry.file_name()) else {
            continue;
        };
        if not_groups.contains(&entry.path()) {
            continue;
        }
        let is_of_agents = |entry| !matches!(entry, Ok(Entry::Foreign(_)));
        if entries(root, &group).map_or(true, |mut entries| entries.any(is_of_agents)) {
            groups.push(group);
        }
    }
    groups.sort();
    Ok(groups)
}

/// What is in the directory of `group`; nothing when it is not there, or is no directory.
///
/// # Errors
/// When it cannot be listed.
pub fn list_group(root: &DeploymentRoot, group: &DeploymentGroupId) -> io::Result<GroupListing> {
    let mut listing = GroupListing::default();
    for entry in entries(root, group)? {
        match entry? {
            Entry::Deployment(deployment) => listing.deployments.push(deployment),
            Entry::LeftAside(path) => listing.left_aside.push(path),
            Entry::Foreign(path) => listing.foreign.push(path),
        }
    }
    let by_age = |one: &ListedDeployment| (one.modified, one.id.clone());
    listing.deployments.sort_by_cached_key(by_age);
    listing.left_aside.sort();
    listing.foreign.sort();
    Ok(listing)
}

/// One after the other, because a directory that is no group's may hold any number.
fn entries(
    root: &DeploymentRoot,
    group: &DeploymentGroupId,
) -> io::Result<impl Iterator<Item = io::Result<Entry>>> {
    let path = root.group(group);
    let is_directory = present(fs::symlink_metadata(&path))?.is_some_and(|found| found.is_dir());
    let listed = if is_directory {
        present(fs::read_dir(&path))?
    } else {
        None
    };
    let classified = move |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let path = entry.path();
        if is_aside(&path) {
            return Ok(Some(Entry::LeftAside(path)));
        }
        let Some(id) = deployment_id(&entry.file_name()) else {
            return Ok(Some(Entry::Foreign(path)));
        };
        let Some(metadata) = present(entry.metadata())? else {
            return Ok(None);
        };
        if !metadata.is_dir() {
            return Ok(Some(Entry::Foreign(path)));
        }
        Ok(Some(Entry::Deployment(ListedDeployment {
            id,
            directory: DeploymentDirectory::from_pointer(path),
            modified: metadata.modified()?,
        })))
    };
    let listed = listed.into_iter().flatten();
    Ok(listed.filter_map(move |entry| classified(entry).transpose()))
}

/// A name that a group's directory may have.
fn group_id(name: &OsStr) -> Option<DeploymentGroupId> {
    let name = name.to_str().filter(|name| !name.starts_with('.'))?;
    DeploymentGroupId::new(name).ok()
}

/// A name such as the service and the local tools give.
fn deployment_id(name: &OsStr) -> Option<DeploymentId> {
    let name = name.to_str().filter(|name| name.starts_with("d-"))?;
    DeploymentId::new(name).ok()
}

/// What goes meanwhile was not there.
fn present<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn make(root: &Path, directories: &[&str]) {
        for directory in directories {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
    }

    fn groups(root: &DeploymentRoot) -> Vec<String> {
        let groups = list_groups(root).unwrap();
        groups.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn groups_are_directories_with_something_of_an_agent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let root = DeploymentRoot::new(path).with_tracking_directory("at-work");
        assert_eq!(groups(&DeploymentRoot::new("/nonexistent")), [""; 0]);
        make(
            path,
            &[
                "g-2/d-1",
                "g-1/.removed-d-1",
                // With another name for the tracking directory this one is nothing special.
                "ongoing-deployment/d-1",
                "at-work/d-1",
                "deployment-logs/d-1",
                "deployment-instructions/d-1",
                ".g-1-install/d-1",
                "not a group/d-1",
                "empty",
                "backup/old",
            ],
        );
        fs::write(path.join("backup/d-file"), "").unwrap();
        fs_err::os::unix::fs::symlink(path.join("g-2"), path.join("linked")).unwrap();
        assert_eq!(groups(&root), ["g-1", "g-2", "ongoing-deployment"]);
    }

    #[test]
    fn entries_of_a_group_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let root = DeploymentRoot::new(path);
        let group = DeploymentGroupId::new("g").unwrap();
        assert!(list_group(&root, &group).unwrap().deployments.is_empty());
        make(path, &["g/d-1", "g/d-2-local", "g/.removed-d-3", "g/notes"]);
        fs::write(path.join("g/d-file"), "").unwrap();
        make(path, &["g/d-\u{1b}[2J"]);
        fs_err::os::unix::fs::symlink(path.join("g/d-1"), path.join("g/d-linked")).unwrap();
        for (name, seconds) in [("d-1", 2), ("d-2-local", 1)] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let deployment = fs::File::open(path.join("g").join(name)).unwrap();
            deployment.set_modified(time).unwrap();
        }
        let listing = list_group(&root, &group).unwrap();
        let deployments = listing.deployments.iter();
        let ids: Vec<&str> = deployments.map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["d-2-local", "d-1"]);
        let oldest = &listing.deployments[0];
        assert_eq!(oldest.directory.path(), path.join("g/d-2-local"));
        assert_eq!(listing.left_aside, [path.join("g/.removed-d-3")]);
        let foreign = ["d-\u{1b}[2J", "d-file", "d-linked", "notes"];
        assert_eq!(
            listing.foreign,
            foreign.map(|name| path.join("g").join(name))
        );
    }

    #[test]
    fn a_group_that_is_a_link_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path(), &["elsewhere/d-1"]);
        let link = directory.path().join("g");
        fs_err::os::unix::fs::symlink(directory.path().join("elsewhere"), link).unwrap();
        let group = DeploymentGroupId::new("g").unwrap();
        let listing = list_group(&DeploymentRoot::new(directory.path()), &group).unwrap();
        assert!(listing.deployments.is_empty());
    }
}
