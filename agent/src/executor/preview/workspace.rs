//! A private directory for what a preview fetches, that leaves nothing behind.
//!
//! It is removed when dropped; whoever is told to end by a signal drops it. One whose process was
//! killed is removed by the next preview with the same base: a workspace is locked as long as its
//! process lives, so what can be locked is nobody's.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::geteuid;

use crate::files::remove_tree;

const PREFIX: &str = "codedeploy-plan-";

/// The workspace is of no use.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// It cannot be made.
    #[error(
        "cannot make a temporary directory in {}; set TMPDIR to a directory that can be written to",
        base.display()
    )]
    Make {
        /// Where.
        base: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The bundle does not fit.
    #[error(
        "the bundle does not fit into {}: {reason}; set TMPDIR to a directory with more room",
        path.display()
    )]
    Full {
        /// The workspace.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// A directory of mode 0700 that nobody else uses, made when it is first asked for, removed when
/// dropped.
#[derive(Debug)]
pub struct Workspace {
    base: PathBuf,
    made: OnceCell<Made>,
}

#[derive(Debug)]
struct Made {
    path: PathBuf,
    _held: Flock<File>,
}

impl Workspace {
    /// A workspace in the directory `base`. Those that killed processes of this user have left
    /// there are removed.
    #[must_use]
    pub fn below(base: &Path) -> Self {
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        sweep(&base);
        Self {
            base,
            made: OnceCell::new(),
        }
    }

    /// The directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn directory(&self) -> Result<&Path, WorkspaceError> {
        let made = match self.made.get() {
            Some(made) => made,
            None => {
                let made = make(&self.base).map_err(|source| WorkspaceError::Make {
                    base: self.base.clone(),
                    source,
                })?;
                self.made.get_or_init(|| made)
            }
        };
        Ok(&made.path)
    }

    /// The directory, if it has been asked for.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.made.get().map(|made| &*made.path)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path, &AtomicBool::new(false)) {
            // Where standard error takes nothing, there is nobody to tell.
            let _ = writeln!(
                io::stderr(),
                "warning: cannot remove {}: {}; remove it by hand",
                self.path.display(),
                error
            );
        }
    }
}

fn make(base: &Path) -> io::Result<Made> {
    loop {
        let made = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(base)?;
        // From here on a sweep can see it, and may have the lock first: then it is gone.
        let path = made.path().to_owned();
        match hold(base, &path, FlockArg::LockExclusive) {
            Ok(held) => {
                return Ok(Made {
                    path: made.keep(),
                    _held: held,
                });
            }
            Err(Errno::ENOENT | Errno::ESTALE) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Locks a workspace of ours, which must still be under its name once it is locked.
fn hold(base: &Path, path: &Path, how: FlockArg) -> Result<Flock<File>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let base = nix::fcntl::open(
        base,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let name = path.file_name().ok_or(Errno::EINVAL)?;
    let opened = openat(&base, name, flags, Mode::empty())?;
    let status = fstat(&opened)?;
    if !is_ours(&status) {
        return Err(Errno::EPERM);
    }
    let held = Flock::lock(File::from(opened), how).map_err(|(_, error)| error)?;
    let now = fstat(openat(&base, name, flags, Mode::empty())?.as_fd())?;
    if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino) {
        return Err(Errno::ESTALE);
    }
    Ok(held)
}

fn is_ours(status: &FileStat) -> bool {
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    kind == SFlag::S_IFDIR
        && status.st_mode & 0o7777 == 0o700
        && status.st_uid == geteuid().as_raw()
}

/// Removes what killed processes have left. What cannot be removed stays: it is not this preview's.
fn sweep(base: &Path) {
    let Ok(listed) = fs_err::read_dir(base) else {
        return;
    };
    for entry in listed.flatten() {
        let path = entry.path();
        if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())
            && let Ok(_held) = hold(base, &path, FlockArg::LockExclusiveNonblock)
        {
            let _ = remove_tree(&path, &AtomicBool::new(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(base: &Path) -> usize {
        fs_err::read_dir(base).unwrap().count()
    }

    #[test]
    fn it_is_private_and_goes() {
        let base = tempfile::tempdir().unwrap();
        let workspace = Workspace::below(base.path());
        assert_eq!((names(base.path()), workspace.path()), (0, None));
        let directory = workspace.directory().unwrap().to_owned();
        let mode = fs_err::metadata(&directory).unwrap().permissions();
        assert_eq!(mode.mode() & 0o7777, 0o700);
        let closed = directory.join("closed");
        fs_err::create_dir(&closed).unwrap();
        fs_err::write(closed.join("file"), "").unwrap();
        let none = std::fs::Permissions::from_mode(0o000);
        fs_err::set_permissions(&closed, none).unwrap();
        drop(workspace);
        assert_eq!(names(base.path()), 0);
    }

    #[test]
    fn only_those_that_nobody_uses_are_swept() {
        let base = tempfile::tempdir().unwrap();
        let used = Workspace::below(base.path());
        used.directory().unwrap();
        let left = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(base.path())
            .unwrap()
            .keep();
        fs_err::write(left.join("bundle.tar"), "x").unwrap();
        let file = base.path().join(format!("{PREFIX}file"));
        fs_err::write(&file, "").unwrap();
        let link = base.path().join(format!("{PREFIX}link"));
        std::os::unix::fs::symlink(base.path(), &link).unwrap();
        let _new = Workspace::below(base.path());
        assert!(used.path().unwrap().is_dir() && !left.exists());
        assert!(file.exists() && link.symlink_metadata().is_ok());
    }
}
