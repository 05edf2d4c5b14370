//! Removing deployments, whole or in part, beside agents that are at work.
//!
//! What goes is first moved to another name, while the deployment's lock is held and for no longer
//! than a rename takes: so nobody finds half of it under its own name, neither a deployment that
//! begins meanwhile nor anybody after a kill. Only then is it taken apart. Nothing is followed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::DeploymentDirectory;
use crate::files::{Lock, LockError};

/// Names, in a group's directory, what was moved aside to be removed. AWS's agents take it for an
/// old deployment and remove it as well.
const ASIDE: &str = ".removed-";

/// Moves a whole deployment aside; none when it is in use. The next step is [`remove_tree`](crate::files::remove_tree). On a
/// full disk, where nothing can be moved, it is left where it is.
///
/// # Errors
/// When it cannot be locked or moved.
pub fn set_deployment_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    let aside = aside(path, None)?;
    if !fs::symlink_metadata(path)?.is_dir() {
        // Something else that stands among the deployments: nobody can be at work in it.
        return rename(path, aside).map(Some);
    }
    match lock(path)? {
        Held::BySomebody => Ok(None),
        Held::Here(_lock) => rename(path, aside).map(Some),
    }
}

/// Moves files and directories of a deployment aside, as far as they are there, as
/// [`set_deployment_aside`] does with all of it; none when it is in use. Its time of modification,
/// by which retention goes, stays what it was.
///
/// # Errors
/// When it cannot be locked, or one of them cannot be moved.
pub fn set_parts_aside(
    deployment: &DeploymentDirectory,
    parts: &[PathBuf],
) -> io::Result<Option<Vec<PathBuf>>> {
    let path = deployment.path();
    let directory = fs::File::open(path)?;
    let modified = directory.metadata()?.modified()?;
    let moved = (|| {
        let Held::Here(_lock) = lock(path)? else {
            return Ok(None);
        };
        let mut moved = Vec::new();
        for part in parts {
            match rename(part, aside(path, part.file_name())?) {
                Ok(aside) => moved.push(aside),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(moved))
    })();
    directory.set_modified(modified)?;
    moved
}

/// What removals that were killed have left in a group's directory.
///
/// # Errors
/// When the directory cannot be listed.
pub(super) fn left_aside(group: &Path) -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(group)? {
        let path = entry?.path();
        if is_aside(&path) {
            left.push(path);
        }
    }
    Ok(left)
}

/// Whether it is something that was moved aside.
pub(super) fn is_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(ASIDE.as_bytes())
}

/// Who has a deployment's lock.
enum Held {
    /// This process; or, on a full disk where it cannot be made, nobody.
    Here(Option<Lock>),
    BySomebody,
}

/// Takes the lock of a deployment that is still where it was.
fn lock(deployment: &Path) -> io::Result<Held> {
    let path = DeploymentDirectory::from_pointer(deployment.to_owned()).in_use();
    match Lock::try_acquire(&path) {
        Ok(Some(lock)) if lock.is_at(&path) => Ok(Held::Here(Some(lock))),
        Ok(_) => Ok(Held::BySomebody),
        // Removing is what makes room again.
        Err(LockError::Io { source, .. }) if has_no_room(&source) && !Lock::is_held(&path) => {
            Ok(Held::Here(None))
        }
        Err(LockError::Io { source, .. }) => Err(source),
    }
}

/// Where it is afterwards: where it was, when there is no room for another name.
fn rename(path: &Path, aside: PathBuf) -> io::Result<PathBuf> {
    match fs::rename(path, &aside) {
        Ok(()) => Ok(aside),
        Err(error) if has_no_room(&error) => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

fn has_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// The name beside a deployment for it, or for a part of it.
fn aside(deployment: &Path, part: Option<&OsStr>) -> io::Result<PathBuf> {
    let own = deployment.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = OsString::from(ASIDE);
    name.push(own);
    if let Some(part) = part {
        name.push(".");
        name.push(part);
    }
    Ok(deployment.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::files::remove_tree;

    fn deployment(group: &Path) -> DeploymentDirectory {
        let made = DeploymentDirectory::from_pointer(group.join("d-1"));
        fs::create_dir_all(made.archive()).unwrap();
        fs::write(made.bundle(), "bundle").unwrap();
        made
    }

    #[test]
    fn a_deployment_in_use_stays_whole_and_another_goes_whole() {
        let group = tempfile::tempdir().unwrap();
        let made = deployment(group.path());
        let held = Lock::try_acquire(&made.in_use()).unwrap().unwrap();
        assert!(set_deployment_aside(made.path()).unwrap().is_none());
        assert!(set_parts_aside(&made, &[made.bundle()]).unwrap().is_none());
        assert!(made.bundle().exists());
        drop(held);
        let aside = set_deployment_aside(made.path()).unwrap().unwrap();
        assert!(!made.path().exists() && aside.join("bundle.tar").exists());
        assert_eq!(
            left_aside(group.path()).unwrap(),
            std::slice::from_ref(&aside)
        );
        remove_tree(&aside, &AtomicBool::new(false)).unwrap();
        remove_tree(&aside, &AtomicBool::new(false)).unwrap();
        assert_eq!(fs::read_dir(group.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_deployment_keeps_its_time_when_a_part_goes() {
        let group = tempfile::tempdir().unwrap();
        let made = deployment(group.path());
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let directory = fs::File::open(made.path()).unwrap();
        directory.set_modified(time).unwrap();
        let parts = [made.bundle(), made.partial_archive()];
        let moved = set_parts_aside(&made, &parts).unwrap().unwrap();
        assert_eq!(moved, [group.path().join(".removed-d-1.bundle.tar")]);
        let modified = fs::metadata(made.path()).unwrap().modified().unwrap();
        assert_eq!(modified, time);
    }

    /// A file system on which no more files can be made; unmounted when dropped.
    struct Full(tempfile::TempDir);

    impl Full {
        fn mount() -> Option<Self> {
            if !integration_tests::running_as_root("removing on a full disk") {
                return None;
            }
            let at = tempfile::tempdir().unwrap();
            let none = None::<&str>;
            let options = Some("nr_inodes=8");
            let flags = nix::mount::MsFlags::empty();
            let mounted = nix::mount::mount(none, at.path(), Some("tmpfs"), flags, options);
            assert!(
                mounted.is_ok() || std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
                "cannot mount"
            );
            mounted.is_ok().then_some(Self(at))
        }
    }

    impl Drop for Full {
        fn drop(&mut self) {
            let _ = nix::mount::umount(self.0.path());
        }
    }

    #[test]
    fn a_full_disk_keeps_nothing_from_being_removed() {
        let Some(full) = Full::mount() else { return };
        let made = deployment(full.0.path());
        for number in 0.. {
            if fs::write(made.path().join(format!("{number}")), "").is_err() {
                break;
            }
        }
        assert!(Lock::try_acquire(&made.in_use()).is_err());
        let parts = set_parts_aside(&made, &[made.bundle()]).unwrap().unwrap();
        assert_eq!(parts.len(), 1);
        let aside = set_deployment_aside(made.path()).unwrap().unwrap();
        remove_tree(&aside, &AtomicBool::new(false)).unwrap();
        assert!(!made.path().exists());
    }
}
