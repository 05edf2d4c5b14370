//! Advisory locks between processes (`flock`), released when dropped or when the process ends.

use std::io;
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
    _held: Flock<std::fs::File>,
}

impl Lock {
    /// Waits for the lock at `path` (created, 0600, when absent). `waiting` is called once, before
    /// waiting, when somebody else holds it.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn acquire(path: &Path, waiting: impl FnOnce()) -> Result<Self, LockError> {
        let failed = |source: io::Error| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(failed)?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => return Ok(Self { _held: held }),
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, error)) => return Err(failed(error.into())),
        };
        waiting();
        let mut file = file;
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(held) => return Ok(Self { _held: held }),
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
    fn a_held_lock_makes_the_next_one_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::acquire(&path, || panic!("nobody holds it")).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _second = Lock::acquire(&path, || sender.send("waiting").unwrap()).unwrap();
                sender.send("held").unwrap();
            });
            assert_eq!(receiver.recv().unwrap(), "waiting");
            drop(first);
            assert_eq!(receiver.recv().unwrap(), "held");
        });
    }
}
