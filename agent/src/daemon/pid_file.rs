//! One daemon a host: v1's lock, so that AWS's agent and ours never poll together, and the pid
//! file that its tools read.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;

use crate::files::{Lock, LockError, make_directory, write_for_this_boot};

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
    /// The lock is held, but not by the process of the pid file.
    #[error(
        "an agent holds {}, but the pid file beside it does not tell which process it is",
        lock.display()
    )]
    Unnamed {
        /// The lock.
        lock: PathBuf,
    },
}

/// Somebody who only looks (`agent status`) holds the lock for a moment; a daemon that starts
/// just then waits this long before it takes that for another daemon.
const LOOKS_TAKE_AT_MOST: Duration = Duration::from_millis(100);

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
        make_directory(directory, 0o755).map_err(PidFileError::Write)?;
        let path = pid_path(directory, program);
        let lock_path = lock_path(directory, program);
        let began = Instant::now();
        let lock = loop {
            match Lock::try_acquire(&lock_path).map_err(PidFileError::Lock)? {
                Some(lock) => break lock,
                None if began.elapsed() < LOOKS_TAKE_AT_MOST => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                None => {
                    return Err(PidFileError::Running {
                        pid: read(&path),
                        lock: lock_path,
                    });
                }
            }
        };
        let content = format!("{}\n", std::process::id());
        write_for_this_boot(&path, content.as_bytes(), 0o644).map_err(PidFileError::Write)?;
        Ok(Self { path, _lock: lock })
    }

    /// Removes the pid file, and holds the lock until this process has ended: threads that block
    /// may be at work until then, and the next daemon is not to begin beside them.
    pub fn keep_locked(self) {
        let _ = fs::remove_file(&self.path);
        std::mem::forget(self);
    }

    /// The process id of the daemon that runs now, if one does. A pid file alone, without the
    /// lock, was left by a daemon that is gone; and a pid whose process does not have the lock
    /// open is not the daemon's, although somebody holds it.
    ///
    /// # Errors
    /// When the lock cannot be looked at, or is held by a process that the pid file does not name
    /// (for a moment at a daemon's start and end).
    pub fn running(directory: &Path, program: &str) -> Result<Option<i32>, PidFileError> {
        let lock = lock_path(directory, program);
        if !Lock::look(&lock).map_err(PidFileError::Lock)? {
            return Ok(None);
        }
        match Self::named(directory, program) {
            Some(pid) if has_open(pid, &lock) => Ok(Some(pid)),
            _ => Err(PidFileError::Unnamed { lock }),
        }
    }

    /// When the pid file was written, which a daemon does once, at its start.
    #[must_use]
    pub fn written(directory: &Path, program: &str) -> Option<SystemTime> {
        let path = pid_path(directory, program);
        fs::symlink_metadata(path).ok()?.modified().ok()
    }

    /// The process id in the pid file, without a look at the lock.
    #[must_use]
    pub fn named(directory: &Path, program: &str) -> Option<i32> {
        read(&pid_path(directory, program))
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

/// Whether the process `pid` has `file` open. Where its descriptors may not be looked at (another
/// user's process), the pid file is believed.
fn has_open(pid: i32, file: &Path) -> bool {
    let Ok(wanted) = fs::metadata(file) else {
        return false;
    };
    match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors.flatten().any(|descriptor| {
            // Through the link, to the open file itself.
            fs::metadata(descriptor.path())
                .is_ok_and(|open| (open.dev(), open.ino()) == (wanted.dev(), wanted.ino()))
        }),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
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
        let running = || PidFile::running(directory.path(), "agent").unwrap();
        assert_eq!(running(), Some(own));
        let refused = PidFile::take(directory.path(), "agent").unwrap_err();
        assert!(matches!(refused, PidFileError::Running { pid: Some(pid), .. } if pid == own));
        assert!(refused.to_string().contains(&own.to_string()));
        drop(first);
        assert_eq!(running(), None);
        drop(PidFile::take(directory.path(), "agent").unwrap());
    }

    #[test]
    fn the_lock_may_outlive_the_pid_file() {
        let directory = tempfile::tempdir().unwrap();
        PidFile::take(directory.path(), "agent")
            .unwrap()
            .keep_locked();
        assert!(!pid_path(directory.path(), "agent").exists());
        let refused = PidFile::take(directory.path(), "agent").unwrap_err();
        assert!(
            matches!(refused, PidFileError::Running { pid: None, .. }),
            "{refused}"
        );
    }

    #[test]
    fn a_pid_file_without_its_lock_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        // Process 1 lives, but it is no agent: the number was used again.
        fs::write(directory.path().join("agent.pid"), "1\n").unwrap();
        let running = PidFile::running(directory.path(), "agent").unwrap();
        assert_eq!(running, None);
        drop(PidFile::take(directory.path(), "agent").unwrap());
    }

    #[test]
    fn a_held_lock_beside_a_pid_of_another_process_is_not_that_process() {
        let directory = tempfile::tempdir().unwrap();
        let _held = PidFile::take(directory.path(), "agent").unwrap();
        let parent = nix::unistd::getppid();
        fs::write(directory.path().join("agent.pid"), format!("{parent}\n")).unwrap();
        let refused = PidFile::running(directory.path(), "agent").unwrap_err();
        assert!(matches!(refused, PidFileError::Unnamed { .. }), "{refused}");
    }

    #[test]
    fn a_daemon_that_starts_while_somebody_looks_is_not_refused() {
        let directory = tempfile::tempdir().unwrap();
        let lock = lock_path(directory.path(), "agent");
        let looking = Lock::try_acquire(&lock).unwrap().unwrap();
        std::thread::scope(|scope| {
            let daemon = scope.spawn(|| PidFile::take(directory.path(), "agent"));
            drop(looking);
            drop(daemon.join().unwrap().unwrap());
        });
    }
}
