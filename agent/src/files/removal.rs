//! Removing whole directories.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::directory::{list, open_here};

/// So many names of a directory are in memory at once: there may be millions.
const AT_ONCE: usize = 4096;

/// Removes a file, a link or a whole directory; walks by descriptors and never through links. What
/// is gone already, also by somebody else meanwhile, is no error. Unlike the standard library's,
/// this also gets into directories that an archive made unreadable, which an unprivileged owner
/// must open first.
///
/// Once `interrupted` is true, the rest stays, and the error is of the kind `Interrupted`.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove_tree(path: &Path, interrupted: &AtomicBool) -> io::Result<()> {
    let Some(name) = path.file_name() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match open(parent, flags, Mode::empty()) {
        Ok(parent) => remove_at(parent.as_fd(), name, interrupted),
        Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn remove_at(parent: BorrowedFd<'_>, name: &OsStr, interrupted: &AtomicBool) -> io::Result<()> {
    if interrupted.load(Ordering::Relaxed) {
        return Err(io::Error::new(
            io::ErrorKind::Interrupted,
            "the removal was stopped",
        ));
    }
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    let directory = match open_to_remove(parent, name) {
        Ok(directory) => directory,
        Err(Errno::ENOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    loop {
        let names = list_to_remove(&directory)?;
        for inner in &names {
            match remove_at(directory.as_fd(), inner, interrupted) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    fchmod(&directory, Mode::S_IRWXU)?;
                    remove_at(directory.as_fd(), inner, interrupted)?;
                }
                other => other?,
            }
        }
        if names.len() < AT_ONCE {
            break;
        }
    }
    drop(directory);
    match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open_to_remove(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    match open_here(parent, name) {
        // Root is not kept out by a mode, and must not change that of whatever a link leads to
        // that takes the directory's place meanwhile.
        Err(Errno::EACCES) if !geteuid().is_root() => {
            let there = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            let kind = SFlag::from_bits_truncate(there.st_mode) & SFlag::S_IFMT;
            if kind != SFlag::S_IFDIR {
                return Err(Errno::EACCES);
            }
            fchmodat(parent, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
            open_here(parent, name)
        }
        other => other,
    }
}

/// Names, [`AT_ONCE`] at most, in a directory that may lack the search permission that listing it
/// needs, or be gone by now.
fn list_to_remove(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    match list(directory.as_fd(), AT_ONCE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fchmod(directory, Mode::S_IRWXU)?;
            list(directory.as_fd(), AT_ONCE)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_lead_to_stays() {
        let place = tempfile::tempdir().unwrap();
        let (tree, kept) = (place.path().join("tree"), place.path().join("kept"));
        fs_err::create_dir_all(tree.join("a/b/c")).unwrap();
        fs_err::create_dir(&kept).unwrap();
        fs_err::write(kept.join("file"), "x").unwrap();
        for number in 0..=AT_ONCE {
            fs_err::write(tree.join(format!("a/b/{number}")), "").unwrap();
        }
        std::os::unix::fs::symlink(&kept, tree.join("a/link")).unwrap();
        let never = AtomicBool::new(false);
        remove_tree(&tree, &never).unwrap();
        assert!(!tree.exists() && kept.join("file").exists());
        // Gone already.
        remove_tree(&tree, &never).unwrap();
        remove_tree(&tree.join("below"), &never).unwrap();
    }

    #[test]
    fn a_directory_that_somebody_else_has_removed_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directory");
        fs_err::create_dir(&path).unwrap();
        let opened = OwnedFd::from(fs_err::File::open(&path).unwrap().into_file());
        fs_err::remove_dir(&path).unwrap();
        assert_eq!(list_to_remove(&opened).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_interrupted_leaves_the_rest() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs_err::create_dir_all(tree.join("a")).unwrap();
        let error = remove_tree(&tree, &AtomicBool::new(true)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        assert!(tree.join("a").exists());
    }
}
