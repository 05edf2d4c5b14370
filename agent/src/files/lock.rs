//! Advisory locks between processes (`flock`), released when dropped or when the process ends.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// A lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock file could not be opened or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// An exclusive lock on a file, held until dropped.
#[derive(Debug)]
pub struct Lock {
    held: Flock<std::fs::File>,
}

impl Lock {
    /// Takes the lock at `path` (created, 0600, when absent) if nobody holds it.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |source: io::Error| LockError::Io {
            path: path.to_owned(),
            source,
        };
        match Flock::lock(open(path).map_err(failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Some(Self { held })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(failed(error.into())),
        }
    }

    /// Whether the lock's file still has the name `path`: somebody may have moved it away between
    /// the moment it was opened and the one it was locked.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let of = |found: std::fs::Metadata| (found.dev(), found.ino());
        match (self.held.metadata(), fs::symlink_metadata(path)) {
            (Ok(held), Ok(named)) => of(held) == of(named),
            _ => false,
        }
    }

    /// Whether somebody holds the lock at `path`. Makes nothing; what is not there, or cannot be
    /// opened, is held by nobody.
    #[must_use]
    pub fn is_held(path: &Path) -> bool {
        Self::look(path).unwrap_or(false)
    }

    /// Whether somebody holds the lock at `path`; what is not there is held by nobody. Makes
    /// nothing, but holds the lock, shared, for the moment of the look.
    ///
    /// # Errors
    /// When the file is there and cannot be opened or locked, so that nobody can tell.
    pub fn look(path: &Path) -> Result<bool, LockError> {
        let failed = |source: io::Error| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
            .open(path);
        let file = match opened {
            Ok(file) => file.into_file(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        // Shared, so that two that only look never see each other.
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, error)) => Err(failed(error.into())),
        }
    }

    /// Waits for the lock at `path` (created, 0600, when absent).
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |source: io::Error| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = open(path).map_err(failed)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(held) => return Ok(Self { held }),
                Err((again, Errno::EINTR)) => file = again,
                Err((_, error)) => return Err(failed(error.into())),
            }
        }
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)?;
    Ok(file.into_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_not_to_be_had_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::try_acquire(&path).unwrap().unwrap();
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        assert!(Lock::is_held(&path));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::acquire(&path).unwrap());
            drop(first);
            drop(second.join().unwrap());
        });
        assert!(!Lock::is_held(&path));
        assert!(Lock::try_acquire(&path).unwrap().is_some());
        assert!(!Lock::is_held(&directory.path().join("absent")));
        assert!(!directory.path().join("absent").exists());
    }
}
