//! The run directory: the files that agent and runner talk through, and how they are written.
//!
//! Every file but `lock` appears whole or not at all: temporary file, rename. The outcome is
//! durable, too: fsync before the rename, and of the directory after it. See the crate's
//! documentation for why the others need not be.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use serde::{Deserialize, Serialize};

use crate::format::{self, FormatError};

pub(crate) const REQUEST: &str = "request.json";
pub(crate) const LOCK: &str = "lock";
pub(crate) const STARTED: &str = "started";
pub(crate) const OUTCOME: &str = "outcome.json";

/// Disk space kept for the outcome while the script runs, in bytes: a script that fills the disk
/// must not cost its own result.
const OUTCOME_BYTES: i64 = 32 * 1024;

/// How long a lock is tried for that should be free: a fork by another thread of the agent can
/// hold a copy of its descriptor until it execs.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// What is recorded before the script begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The runner.
    pub pid: i32,
    /// Its start in clock ticks since boot, from /proc: unique together with pid and boot.
    pub start_time: u64,
    /// The script: leader of a session and process group of the same number.
    pub script_pid: i32,
    /// As [`Started::start_time`].
    pub script_start_time: u64,
    /// The kernel's id of this boot.
    pub boot_id: String,
    /// Entries of the script's environment (`NAME=value`) that its processes have and those of
    /// other hooks have not; empty when it has none.
    pub marks: Vec<String>,
    /// Wall-clock time, in milliseconds since 1970.
    pub time_ms: u64,
}

/// The run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It is not there, or is something else.
    #[error("cannot use the run directory {}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Others could have put files into it.
    #[error(
        "the run directory {} is not safe: {reason}; it must be a directory of our own with \
         mode 0700", path.display()
    )]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A runner has it.
    #[error("another process holds {}", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// Its script was started before; a script is never started twice.
    #[error("the script of {} was started before", path.display())]
    AlreadyStarted {
        /// The directory.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file cannot be understood.
    #[error("cannot understand {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: FormatError,
    },
}

/// A run directory that has been checked.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Opens an existing directory and checks that nobody else can write to it.
    pub(crate) fn open(path: &Path) -> Result<Self, RunDirError> {
        let failed = |source| RunDirError::Open {
            path: path.to_owned(),
            source,
        };
        let path = std::path::absolute(path).map_err(failed)?;
        let metadata = fs::symlink_metadata(&path).map_err(failed)?;
        let reason = if !metadata.is_dir() {
            Some("it is not a directory".to_owned())
        } else if metadata.uid() != nix::unistd::geteuid().as_raw() {
            Some(format!("it belongs to uid {}", metadata.uid()))
        } else if metadata.mode() & 0o022 != 0 {
            Some(format!("it has mode {:04o}", metadata.mode() & 0o7777))
        } else {
            None
        };
        match reason {
            Some(reason) => Err(RunDirError::Unsafe { path, reason }),
            None => Ok(Self { path }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        // What cannot be looked at may be there: never start a script on a doubt.
        !matches!(fs::symlink_metadata(self.file(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// The content of `name`; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, RunDirError> {
        let path = self.file(name);
        match read_no_follow(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunDirError::Read { path, source }),
        }
    }

    pub(crate) fn format_error(&self, name: &str, source: FormatError) -> RunDirError {
        RunDirError::Format {
            path: self.file(name),
            source,
        }
    }

    /// What `started` says, if it is there.
    pub(crate) fn read_started(&self) -> Result<Option<Started>, RunDirError> {
        self.read(STARTED)?
            .map(|bytes| format::decode(&bytes).map_err(|e| self.format_error(STARTED, e)))
            .transpose()
    }

    /// Records that the script begins now.
    pub(crate) fn write_started(&self, started: &Started) -> Result<(), RunDirError> {
        let bytes = format::encode(started).map_err(|e| self.format_error(STARTED, e))?;
        self.write(STARTED, &bytes)
    }

    /// Puts `content` under `name`, for as long as the host is up.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), RunDirError> {
        PreparedFile::new(self, name, false)?.commit(content)
    }

    /// Opens the lock file, made when absent. Whoever holds an exclusive lock on it runs.
    pub(crate) fn open_lock(&self) -> Result<File, RunDirError> {
        let path = self.file(LOCK);
        lock_options()
            .create(true)
            .mode(0o600)
            .open(&path)
            .map(fs::File::into_file)
            .map_err(|source| RunDirError::Write { path, source })
    }

    /// Opens the lock file for one who only looks; `None` when it is not there.
    pub(crate) fn open_existing_lock(&self) -> Result<Option<File>, RunDirError> {
        let path = self.file(LOCK);
        match lock_options().open(&path) {
            Ok(file) => Ok(Some(file.into_file())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RunDirError::Read { path, source }),
        }
    }

    /// Takes the lock, see [`LOCK_PATIENCE`].
    pub(crate) fn lock(&self, file: &File) -> Result<(), RunDirError> {
        let path = self.file(LOCK);
        let patience = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(LOCK_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => return Err(RunDirError::Held { path }),
                Err(TryLockError::Error(source)) => {
                    return Err(RunDirError::Write { path, source });
                }
            }
        }
    }

    /// The lock for the runner: `handed_over` when that is the lock file of this directory,
    /// else taken here.
    pub(crate) fn claim(&self, handed_over: OwnedFd) -> Result<File, RunDirError> {
        let own = self.open_lock()?;
        let handed_over = File::from(handed_over);
        let identity = |file: &File| file.metadata().ok().map(|m| (m.dev(), m.ino()));
        let file = if identity(&handed_over) == identity(&own) {
            handed_over
        } else {
            own
        };
        self.lock(&file)?;
        if self.has(STARTED) || self.has(OUTCOME) {
            return Err(RunDirError::AlreadyStarted {
                path: self.path.clone(),
            });
        }
        Ok(file)
    }

    /// A durable place for the outcome, with room on the disk where the file system can do that.
    pub(crate) fn prepare_outcome(&self) -> Result<PreparedFile, RunDirError> {
        let prepared = PreparedFile::new(self, OUTCOME, true)?;
        // Not every file system can; then the outcome takes its chance.
        let _ = fallocate(&prepared.file, FallocateFlags::empty(), 0, OUTCOME_BYTES);
        Ok(prepared)
    }
}

fn lock_options() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .truncate(false)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits());
    options
}

fn read_no_follow(path: &Path) -> io::Result<Vec<u8>> {
    // Room for an ordinary one in one read.
    let mut content = Vec::with_capacity(8 * 1024);
    io::Read::read_to_end(
        &mut fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(path)?,
        &mut content,
    )?;
    Ok(content)
}

/// A temporary file that becomes `path` when committed.
#[derive(Debug)]
pub(crate) struct PreparedFile {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    durable: bool,
}

impl PreparedFile {
    fn new(run_dir: &RunDir, name: &str, durable: bool) -> Result<Self, RunDirError> {
        let path = run_dir.file(name);
        let temporary = run_dir.file(&format!(".{name}.tmp"));
        let open = || {
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(OFlag::O_CLOEXEC.bits())
                .open(&temporary)
        };
        let file = open()
            .map_err(|source| RunDirError::Write {
                path: path.clone(),
                source,
            })?
            .into_file();
        Ok(Self {
            path,
            temporary,
            file,
            durable,
        })
    }

    /// Writes `content` and gives it its name; may be tried again after a failure.
    pub(crate) fn commit(&mut self, content: &[u8]) -> Result<(), RunDirError> {
        let mut write = || {
            self.file.rewind()?;
            self.file.write_all(content)?;
            self.file.set_len(content.len() as u64)?;
            if !self.durable {
                return fs::rename(&self.temporary, &self.path);
            }
            self.file.sync_all()?;
            fs::rename(&self.temporary, &self.path)?;
            match self.path.parent() {
                Some(directory) => fs::File::open(directory)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|source| RunDirError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn run_dir() -> (tempfile::TempDir, RunDir) {
        let directory = tempfile::tempdir().unwrap();
        let run_dir = RunDir::open(directory.path()).unwrap();
        (directory, run_dir)
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let (directory, _) = run_dir();
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o770)).unwrap();
        let error = RunDir::open(directory.path()).unwrap_err();
        assert!(matches!(error, RunDirError::Unsafe { .. }), "{error}");
        let link = directory.path().join("link");
        fs_err::os::unix::fs::symlink("/", &link).unwrap();
        assert!(RunDir::open(&link).is_err());
    }

    #[test]
    fn a_prepared_outcome_replaces_nothing_until_committed() {
        let (_directory, run_dir) = run_dir();
        let mut prepared = run_dir.prepare_outcome().unwrap();
        assert_eq!(run_dir.read(OUTCOME).unwrap(), None);
        prepared.commit(b"{}").unwrap();
        assert_eq!(run_dir.read(OUTCOME).unwrap().unwrap(), b"{}");
    }

    #[test]
    fn what_was_started_is_read_back() {
        let (_directory, run_dir) = run_dir();
        assert_eq!(run_dir.read_started().unwrap(), None);
        let started = Started {
            pid: 1,
            start_time: 2,
            script_pid: 3,
            script_start_time: 4,
            boot_id: "b".to_owned(),
            marks: vec!["A=b".to_owned()],
            time_ms: 5,
        };
        run_dir.write_started(&started).unwrap();
        assert_eq!(run_dir.read_started().unwrap(), Some(started));
        fs::write(run_dir.file(STARTED), "{\"version\":9}").unwrap();
        assert!(run_dir.read_started().is_err());
    }

    #[test]
    fn the_lock_is_had_once_and_never_after_a_start() {
        let (_directory, run_dir) = run_dir();
        let null = || OwnedFd::from(fs::File::open("/dev/null").unwrap().into_file());
        let held = run_dir.claim(null()).unwrap();
        assert!(matches!(
            run_dir.claim(null()),
            Err(RunDirError::Held { .. })
        ));
        drop(held);
        fs::write(run_dir.file(STARTED), "").unwrap();
        assert!(matches!(
            run_dir.claim(null()),
            Err(RunDirError::AlreadyStarted { .. })
        ));
    }
}
