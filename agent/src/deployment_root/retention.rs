//! Which old deployments of a group go before a download.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use failpoints::Failpoint;
use fs_err as fs;

use super::layout::DeploymentDirectory;
use super::removal::{is_aside, left_aside, set_deployment_aside};
use crate::files::{Lock, remove_tree};

/// Old deployments could not be looked through.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The group's directory cannot be listed.
    #[error("cannot look for old deployments to remove")]
    List(#[source] io::Error),
    /// Somebody did not want to wait for the end.
    #[error("the removal of old deployments was stopped; the next download goes on with it")]
    Interrupted,
}

/// One old deployment that was to go and did not.
#[derive(Debug)]
pub struct Stuck {
    /// Its directory.
    pub path: PathBuf,
    /// Why it is still there.
    pub error: io::Error,
}

/// The deployments of a group that may go, and how many of them are too many.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Surplus {
    /// Oldest first, by modification time.
    pub candidates: Vec<PathBuf>,
    /// How many of them are to go.
    pub count: usize,
}

impl Surplus {
    /// Those that go: the oldest that nobody is at work on.
    #[must_use]
    pub fn going(self) -> Vec<PathBuf> {
        let in_use = |path: &PathBuf| DeploymentDirectory::from_pointer(path.clone()).in_use();
        let free = self.candidates.into_iter();
        free.filter(|path| !Lock::is_held(&in_use(path)))
            .take(self.count)
            .collect()
    }
}

/// What is too much when no more than `max_revisions` entries of the directory `group` are to be
/// left. What is in `keep` is no candidate. Every entry counts, as it does for AWS's agents.
///
/// # Errors
/// When the group's directory cannot be listed.
pub fn surplus(
    group: &Path,
    max_revisions: usize,
    keep: &[&Path],
) -> Result<Surplus, RetentionError> {
    let mut candidates = Vec::new();
    let mut kept = 0_usize;
    for entry in fs::read_dir(group).map_err(RetentionError::List)? {
        let path = entry.map_err(RetentionError::List)?.path();
        if is_aside(&path) {
            continue;
        }
        // By name: a pointer may spell the directories above in another way.
        if keep.iter().any(|kept| kept.file_name() == path.file_name()) {
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
    let count = (candidates.len() + kept).saturating_sub(max_revisions);
    Ok(Surplus {
        count: count.min(candidates.len()),
        candidates: candidates.into_iter().map(|(_, path)| path).collect(),
    })
}

/// Removes the oldest deployments (by modification time) in `group` until, with the current one,
/// no more than `max_revisions` are left. What is in `keep` never goes: the current deployment,
/// the last successful one, one whose archive is about to be used again; nor does one that is
/// running.
///
/// What cannot be removed is returned and is no reason to fail a deployment. Blocks for as long as
/// the files are many.
///
/// # Errors
/// When the group's directory cannot be listed, and once `interrupted` is true: the next removal
/// goes on with what is left.
pub fn remove_old_deployments(
    group: &Path,
    max_revisions: usize,
    keep: &[&Path],
    interrupted: &AtomicBool,
) -> Result<Vec<Stuck>, RetentionError> {
    let mut stuck = Vec::new();
    let mut remove = |path: PathBuf| {
        let removed = Failpoint::RetentionRemove
            .pass()
            .and_then(|()| remove_tree(&path, interrupted));
        match removed {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Err(RetentionError::Interrupted);
            }
            Err(error) => stuck.push(Stuck { path, error }),
            Ok(()) => {}
        }
        Ok(())
    };
    for left in left_aside(group).map_err(RetentionError::List)? {
        remove(left)?;
    }
    let Surplus {
        candidates,
        mut count,
    } = {
        let _turn = turn();
        surplus(group, max_revisions, keep)?
    };
    let mut immovable = Vec::new();
    for path in candidates {
        if count == 0 {
            break;
        }
        let set_aside = {
            let _turn = turn();
            set_deployment_aside(&path)
        };
        match set_aside {
            Ok(None) => continue,
            Ok(Some(aside)) => remove(aside)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => immovable.push(Stuck { path, error }),
        }
        count -= 1;
    }
    stuck.extend(immovable);
    Ok(stuck)
}

/// For a look at a group, or for moving one deployment aside: what another thread is just moving
/// looks as if it were in use, and its time of modification is new, so that one more would go in
/// its place.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::deployment_root::DeploymentDirectory;
    use crate::files::Lock;

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

    fn remove(
        group: &Path,
        max_revisions: usize,
        keep: &[&Path],
    ) -> Result<Vec<Stuck>, RetentionError> {
        remove_old_deployments(group, max_revisions, keep, &AtomicBool::new(false))
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
        assert!(remove(group.path(), 3, &[&current]).unwrap().is_empty());
        assert_eq!(left(group.path()), ["d-3", "d-4", "d-5"]);
    }

    #[test]
    fn the_last_successful_and_the_current_one_never_go() {
        let group = group(6);
        let (current, successful) = (group.path().join("d-5"), group.path().join("d-0"));
        remove(group.path(), 1, &[&current, &successful]).unwrap();
        assert_eq!(left(group.path()), ["d-0", "d-5"]);
    }

    #[test]
    fn one_that_is_running_never_goes() {
        let group = group(3);
        let running = DeploymentDirectory::from_pointer(group.path().join("d-0"));
        let _held = Lock::try_acquire(&running.in_use()).unwrap().unwrap();
        let current = group.path().join("d-2");
        remove(group.path(), 1, &[&current]).unwrap();
        assert_eq!(left(group.path()), ["d-0", "d-2"]);
    }

    #[test]
    fn what_a_killed_removal_left_goes_and_does_not_count() {
        let group = group(3);
        let left = group.path().join(".removed-d-9");
        fs::create_dir_all(left.join("deployment-archive")).unwrap();
        remove(group.path(), 3, &[]).unwrap();
        assert_eq!(self::left(group.path()), ["d-0", "d-1", "d-2"]);
    }

    #[test]
    fn what_is_interrupted_goes_with_the_next() {
        let group = group(3);
        let current = group.path().join("d-2");
        let keep: &[&Path] = &[&current];
        let stopped = remove_old_deployments(group.path(), 1, keep, &AtomicBool::new(true));
        assert!(matches!(stopped, Err(RetentionError::Interrupted)));
        // Nobody takes half of it for a deployment.
        assert_eq!(left(group.path()), [".removed-d-0", "d-1", "d-2"]);
        remove(group.path(), 1, keep).unwrap();
        assert_eq!(left(group.path()), ["d-2"]);
    }

    #[test]
    fn several_at_once_leave_as_many_as_one() {
        let group = group(60);
        let current = group.path().join("d-59");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(remove(group.path(), 30, &[&current]).unwrap().is_empty()));
            }
        });
        assert_eq!(left(group.path()).len(), 30);
    }

    #[test]
    fn a_link_among_them_goes_and_what_it_leads_to_stays() {
        let group = group(1);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("precious"), "x").unwrap();
        fs_err::os::unix::fs::symlink(elsewhere.path(), group.path().join("d-link")).unwrap();
        let current = group.path().join("d-0");
        remove(group.path(), 1, &[&current]).unwrap();
        assert_eq!(left(group.path()), ["d-0"]);
        assert!(elsewhere.path().join("precious").exists());
    }
}
