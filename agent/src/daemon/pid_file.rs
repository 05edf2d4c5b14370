//! One daemon a host: v1's lock, so that AWS's agent and ours never poll together, and the pid
//! file that its tools read.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::files::{Lock, LockError, write_atomically};

/// The daemon cannot be the only one.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// The directory or the pid file cannot be written.
    #[error("cannot write the pid file; correct pid_dir or its permissions")]
    Write(#[source] io::Error),
    /// The lock cannot be used.
    #[error("cannot tell whether another agent runs")]
    Lock(#[source] LockError),
    /// Another daemon, ours or AWS's, is running.
    #[error(
        "another agent is running{}; stop it first (it holds {})",
        pid.map(|pid| format!(" as process {pid}")).unwrap_or_default(),
        lock.display()
    )]
    Running {
        /// Its process id, when the pid file tells.
        pid: Option<i32>,
        /// The lock that it holds.
        lock: PathBuf,
    },
}

/// The lock and the pid file of a running daemon; both go when dropped. The lock is what counts:
/// a pid may be used again by another process.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _lock: Lock,
}

impl PidFile {
    /// Takes the lock `<directory>/<program>.pid.lock` and writes `<directory>/<program>.pid`.
    ///
    /// # Errors
    /// When another agent runs, or the files cannot be written.
    pub fn take(directory: &Path, program: &str) -> Result<Self, PidFileError> {
        fs::create_dir_all(directory).map_err(PidFileError::Write)?;
        let path = pid_path(directory, program);
        let lock_path = lock_path(directory, program);
        let lock = Lock::try_acquire(&lock_path).map_err(PidFileError::Lock)?;
        let Some(lock) = lock else {
            return Err(PidFileError::Running {
                pid: read(&path),
                lock: lock_path,
            });
        };
        let content = format!("{}\n", std::process::id());
        write_atomically(&path, content.as_bytes(), 0o644).map_err(PidFileError::Write)?;
        Ok(Self { path, _lock: lock })
    }

    /// The process id of the daemon that runs now, if one does. A pid file alone, without the
    /// lock, was left by a daemon that is gone.
    #[must_use]
    pub fn running(directory: &Path, program: &str) -> Option<i32> {
        if Lock::is_held(&lock_path(directory, program)) {
            read(&pid_path(directory, program))
        } else {
            None
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // One that stays is recognised by the lock that nobody holds.
        let _ = fs::remove_file(&self.path);
    }
}

fn pid_path(directory: &Path, program: &str) -> PathBuf {
    directory.join(format!("{program}.pid"))
}

fn lock_path(directory: &Path, program: &str) -> PathBuf {
    directory.join(format!("{program}.pid.lock"))
}

fn read(path: &Path) -> Option<i32> {
    fs::read_to_string(path)
        .ok()?
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = PidFile::take(directory.path(), "agent").unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(PidFile::running(directory.path(), "agent"), Some(own));
        let refused = PidFile::take(directory.path(), "agent").unwrap_err();
        assert!(matches!(refused, PidFileError::Running { pid: Some(pid), .. } if pid == own));
        assert!(refused.to_string().contains(&own.to_string()));
        drop(first);
        assert_eq!(PidFile::running(directory.path(), "agent"), None);
        drop(PidFile::take(directory.path(), "agent").unwrap());
    }

    #[test]
    fn a_pid_file_without_its_lock_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        // Process 1 lives, but it is no agent: the number was used again.
        fs::write(directory.path().join("agent.pid"), "1\n").unwrap();
        assert_eq!(PidFile::running(directory.path(), "agent"), None);
        drop(PidFile::take(directory.path(), "agent").unwrap());
    }
}
