//! Which old deployments of a group go before a download.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;

use super::DeploymentDirectory;
use crate::files::Lock;

/// Old deployments could not be looked through.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The group's directory cannot be listed.
    #[error("cannot look for old deployments to remove")]
    List(#[source] io::Error),
}

/// One old deployment that was to go and did not.
#[derive(Debug)]
pub struct Stuck {
    /// Its directory.
    pub path: PathBuf,
    /// Why it is still there.
    pub error: io::Error,
}

/// The oldest deployments (by modification time) in `group`, as many as must go that with the
/// current one no more than `max_revisions` are left; oldest first. What is in `keep` never goes:
/// the current deployment, the last successful one, one whose archive is about to be used again;
/// nor does one that is running. Every entry counts, as it does for AWS's agents. `to_come` entries
/// are not there yet and count, too.
///
/// # Errors
/// When the group's directory cannot be listed.
pub fn surplus_deployments(
    group: &Path,
    max_revisions: usize,
    keep: &[&Path],
    to_come: usize,
) -> Result<Vec<PathBuf>, RetentionError> {
    let mut candidates = Vec::new();
    let mut kept = to_come;
    for entry in fs::read_dir(group).map_err(RetentionError::List)? {
        let entry = entry.map_err(RetentionError::List)?;
        let path = entry.path();
        // By name: a pointer may spell the directories above in another way.
        let named = keep.iter().any(|kept| kept.file_name() == path.file_name());
        if named || Lock::is_held(&DeploymentDirectory::from_pointer(path.clone()).in_use()) {
            kept += 1;
            continue;
        }
        // One that vanishes meanwhile, or cannot be read, is taken for the oldest.
        let modified = fs::symlink_metadata(&path)
            .and_then(|metadata| metadata.modified())
            .unwrap_or(SystemTime::UNIX_EPOCH);
        candidates.push((modified, path));
    }
    candidates.sort();
    let surplus = (candidates.len() + kept).saturating_sub(max_revisions);
    candidates.truncate(surplus);
    Ok(candidates.into_iter().map(|(_, path)| path).collect())
}

/// Removes the [`surplus_deployments`] of `group`.
///
/// What cannot be removed is returned and is no reason to fail a deployment.
///
/// # Errors
/// When the group's directory cannot be listed.
pub fn remove_old_deployments(
    group: &Path,
    max_revisions: usize,
    keep: &[&Path],
) -> Result<Vec<Stuck>, RetentionError> {
    let mut stuck = Vec::new();
    for path in surplus_deployments(group, max_revisions, keep, 0)? {
        if let Err(error) = remove(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            stuck.push(Stuck { path, error });
        }
    }
    Ok(stuck)
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        // Walks by descriptors and never through links.
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A group with deployments `d-0` (oldest) to `d-<count - 1>`.
    fn group(count: u64) -> tempfile::TempDir {
        let group = tempfile::tempdir().unwrap();
        for number in 0..count {
            let path = group.path().join(format!("d-{number}"));
            fs::create_dir_all(path.join("deployment-archive/deep")).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + number);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        group
    }

    fn left(group: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(group)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_beyond_max_revisions_go() {
        let group = group(6);
        let current = group.path().join("d-5");
        assert!(
            remove_old_deployments(group.path(), 3, &[&current])
                .unwrap()
                .is_empty()
        );
        assert_eq!(left(group.path()), ["d-3", "d-4", "d-5"]);
    }

    #[test]
    fn the_last_successful_and_the_current_one_never_go() {
        let group = group(6);
        let (current, successful) = (group.path().join("d-5"), group.path().join("d-0"));
        remove_old_deployments(group.path(), 1, &[&current, &successful]).unwrap();
        assert_eq!(left(group.path()), ["d-0", "d-5"]);
    }

    #[test]
    fn one_that_is_running_never_goes() {
        let group = group(3);
        let running = DeploymentDirectory::from_pointer(group.path().join("d-0"));
        let _held = Lock::try_acquire(&running.in_use()).unwrap().unwrap();
        let current = group.path().join("d-2");
        remove_old_deployments(group.path(), 1, &[&current]).unwrap();
        assert_eq!(left(group.path()), ["d-0", "d-2"]);
    }

    #[test]
    fn a_link_among_them_goes_and_what_it_leads_to_stays() {
        let group = group(1);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("precious"), "x").unwrap();
        fs_err::os::unix::fs::symlink(elsewhere.path(), group.path().join("d-link")).unwrap();
        let current = group.path().join("d-0");
        remove_old_deployments(group.path(), 1, &[&current]).unwrap();
        assert_eq!(left(group.path()), ["d-0"]);
        assert!(elsewhere.path().join("precious").exists());
    }
}
