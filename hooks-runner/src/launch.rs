//! The agent's side: start a runner, wait for its outcome, find it again after a restart.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::outcome::Outcome;
use crate::processes::{self, Process};
use crate::program::PROGRAM_NAME;
use crate::request::Request;
use crate::run_dir::{OUTCOME, REQUEST, RunDir, RunDirError, STARTED, Started};
use crate::sys;

/// The most that is read of what a runner has said that left no outcome, in bytes.
const LAST_WORDS_BYTES: u64 = 1000;

/// A script cannot be launched, or its outcome cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The run directory or a file in it.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The run directory cannot be made.
    #[error("cannot create the run directory {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The runner cannot be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The runner cannot be waited for.
    #[error("cannot wait for the runner of {}", run_dir.display())]
    Wait {
        /// The run directory.
        run_dir: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The runner cannot be sent a signal.
    #[error("cannot interrupt the runner of {}", run_dir.display())]
    Interrupt {
        /// The run directory.
        run_dir: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What is left of a script cannot be looked for.
    #[error(
        "cannot look for processes that the script of {} has left behind",
        run_dir.display()
    )]
    Sweep {
        /// The run directory.
        run_dir: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The runner has gone without an outcome.
    #[error(
        "the runner of {} has left no outcome ({ended}); {}",
        run_dir.display(),
        if *started { "how its script went is unknown" } else { "its script was never started" }
    )]
    NoOutcome {
        /// The run directory.
        run_dir: PathBuf,
        /// How the runner ended, and what it has said, as far as known.
        ended: String,
        /// Whether the script had begun.
        started: bool,
    },
}

/// What a run directory tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// The script was not started, and nobody is about to.
    NeverRan,
    /// A runner is at work; without [`Started`] it has not begun the script yet, or `started`
    /// cannot be understood, which changes nothing about the runner.
    Alive(Option<Started>),
    /// There is an outcome.
    Finished(Outcome),
    /// The script was started, and how it went can never be known.
    Unknown,
}

/// Looks at the run directory of a script; one that does not exist is [`RunState::NeverRan`].
///
/// # Errors
/// When it cannot be read, is not safe, or was written by another release.
pub fn inspect(run_dir: &Path) -> Result<RunState, LaunchError> {
    let run_dir = match RunDir::open(run_dir) {
        Err(RunDirError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(RunState::NeverRan);
        }
        other => other?,
    };
    if let Some(outcome) = read_outcome(&run_dir)? {
        return Ok(RunState::Finished(outcome));
    }
    if is_locked(&run_dir)? {
        return Ok(RunState::Alive(run_dir.read_started().unwrap_or_default()));
    }
    // It may have finished between the two looks.
    if let Some(outcome) = read_outcome(&run_dir)? {
        return Ok(RunState::Finished(outcome));
    }
    Ok(if run_dir.has(STARTED) {
        RunState::Unknown
    } else {
        RunState::NeverRan
    })
}

/// What was asked for in a run directory; `None` when there is no request in it.
///
/// # Errors
/// As [`inspect`].
pub fn requested(run_dir: &Path) -> Result<Option<Request>, LaunchError> {
    let run_dir = RunDir::open(run_dir)?;
    let Some(bytes) = run_dir.read(REQUEST)? else {
        return Ok(None);
    };
    let request = Request::decode(&bytes).map_err(|e| run_dir.format_error(REQUEST, e))?;
    Ok(Some(request))
}

fn read_outcome(run_dir: &RunDir) -> Result<Option<Outcome>, RunDirError> {
    run_dir
        .read(OUTCOME)?
        .map(|bytes| Outcome::decode(&bytes).map_err(|e| run_dir.format_error(OUTCOME, e)))
        .transpose()
}

/// A shared lock, so that two who look do not take each other for a runner.
fn is_locked(run_dir: &RunDir) -> Result<bool, RunDirError> {
    let Some(lock) = run_dir.open_existing_lock()? else {
        return Ok(false);
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(source)) => Err(RunDirError::Read {
            path: run_dir.file(crate::run_dir::LOCK),
            source,
        }),
    }
}

/// The program that runs scripts.
///
/// The file is opened when this is made and stays the one that is executed, so that an upgrade
/// on disk does not change the runner of a running agent.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    opened: Option<Arc<File>>,
}

impl Program {
    /// The `hooks-runner` program at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_PATH | OFlag::O_CLOEXEC).bits())
            .open(&path)
            .ok()
            .map(|file| Arc::new(file.into_file()));
        Self { path, opened }
    }

    /// The agent itself, which calls [`crate::main`] when it finds itself called `hooks-runner`.
    #[must_use]
    pub fn reexec(agent: impl Into<PathBuf>) -> Self {
        // Both are called by the same name: nothing else tells them apart.
        Self::new(agent)
    }

    fn spawn(
        &self,
        run_dir: &RunDir,
        lock: &File,
        environment: &[(OsString, OsString)],
    ) -> io::Result<Child> {
        let opened = self.opened.as_deref().map(AsRawFd::as_raw_fd);
        let attempt = |path: &Path, passed: Option<RawFd>| {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the launch module, the one place that starts the runner"
            )]
            let mut command = Command::new(path);
            command
                .arg0(PROGRAM_NAME)
                .arg(run_dir.path())
                .env_clear()
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::from(lock.try_clone()?))
                .stdout(Stdio::null())
                // What the runner has to say is in its outcome. This is for one that cannot write
                // one, or that the loader or an interpreter does not let begin; nobody may be left
                // to read it.
                .stderr(Stdio::piped());
            sys::detach(&mut command, passed);
            command.spawn()
        };
        // Not close-on-exec: an emulator of its processor or another interpreter that the kernel
        // starts instead opens it once more. The runner closes it.
        let by_descriptor = opened.map(|descriptor| {
            let path = PathBuf::from(format!("/proc/self/fd/{descriptor}"));
            attempt(&path, Some(descriptor))
        });
        match by_descriptor {
            Some(Ok(child)) => Ok(child),
            // No /proc, or the file could not be opened: by name.
            Some(Err(_)) | None => attempt(&self.path, None),
        }
    }
}

/// Starts a runner for `request` in `run_dir`, which is created (0700) when absent. One whose
/// script never ran is used again.
///
/// `environment` is the script's whole environment; it is never written to a disk.
///
/// # Errors
/// When the script of `run_dir` was started before or a runner has it, when files cannot be
/// written, or the program cannot be executed. The script then has not run.
pub fn launch(
    program: &Program,
    run_dir: &Path,
    request: &Request,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Running, LaunchError> {
    create(run_dir)?;
    let run_dir = RunDir::open(run_dir)?;
    let lock = run_dir.open_lock()?;
    run_dir.lock(&lock)?;
    if run_dir.has(STARTED) || run_dir.has(OUTCOME) {
        return Err(RunDirError::AlreadyStarted {
            path: run_dir.path().to_owned(),
        }
        .into());
    }
    let bytes = request
        .encode()
        .map_err(|error| run_dir.format_error(REQUEST, error))?;
    run_dir.write(REQUEST, &bytes)?;
    let environment: Vec<(OsString, OsString)> = environment.into_iter().collect();
    let child = program
        .spawn(&run_dir, &lock, &environment)
        .map_err(|source| LaunchError::Spawn {
            program: program.path.clone(),
            source,
        })?;
    // From here on the runner alone holds it.
    drop(lock);
    let pid = Pid::from_raw(child.id().cast_signed());
    Ok(Running {
        run_dir,
        child: Some((child, Arc::new(Mutex::new(Some(pid))))),
    })
}

fn create(run_dir: &Path) -> Result<(), LaunchError> {
    match DirBuilder::new().mode(0o700).create(run_dir) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(LaunchError::Create {
            path: run_dir.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// The runner that is at work in `run_dir`, started by an agent that is gone; `None` when there
/// is none (see [`inspect`] for why).
///
/// # Errors
/// As [`inspect`].
pub fn adopt(run_dir: &Path) -> Result<Option<Running>, LaunchError> {
    match inspect(run_dir)? {
        RunState::Alive(_) => Ok(Some(Running {
            run_dir: RunDir::open(run_dir)?,
            child: None,
        })),
        _ => Ok(None),
    }
}

/// A runner at work. Dropped, it goes on; only its exit status is lost.
#[derive(Debug)]
pub struct Running {
    run_dir: RunDir,
    /// When it is our child; the pid is there for as long as it is not reaped.
    child: Option<(Child, Arc<Mutex<Option<Pid>>>)>,
}

impl Running {
    /// Blocks until the runner has ended, and returns what it left.
    ///
    /// # Errors
    /// [`LaunchError::NoOutcome`] when it left nothing; others when that cannot be read.
    pub fn wait(self) -> Result<Outcome, LaunchError> {
        let failed = |source| LaunchError::Wait {
            run_dir: self.run_dir.path().to_owned(),
            source,
        };
        let (status, errors) = match self.child {
            Some((mut child, pid)) => {
                let errors = child.stderr.take();
                (wait_for_child(child, &pid).map_err(failed)?, errors)
            }
            None => (None, None),
        };
        if status.is_none()
            && let Some(lock) = self.run_dir.open_existing_lock()?
        {
            loop {
                match lock.lock_shared() {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        read_outcome(&self.run_dir)?.ok_or_else(|| LaunchError::NoOutcome {
            run_dir: self.run_dir.path().to_owned(),
            ended: describe(status, errors.map(last_words).as_deref()),
            started: self.run_dir.has(STARTED),
        })
    }

    /// A handle that asks the runner to end its script, from any thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter {
            run_dir: self.run_dir.clone(),
            child: self.child.as_ref().map(|(_, pid)| Arc::clone(pid)),
        }
    }
}

/// `None` when somebody else has reaped the child.
fn wait_for_child(mut child: Child, pid: &Mutex<Option<Pid>>) -> io::Result<Option<ExitStatus>> {
    let own = Pid::from_raw(child.id().cast_signed());
    // First without reaping, so that an interrupter never has a pid that means another process.
    let ended = loop {
        match waitid(Id::Pid(own), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            other => break other,
        }
    };
    let mut pid = pid.lock().unwrap_or_else(PoisonError::into_inner);
    *pid = None;
    match ended {
        Err(Errno::ECHILD) => Ok(None),
        // Whatever nix makes of the status: it has ended.
        _ => child.wait().map(Some),
    }
}

fn describe(status: Option<ExitStatus>, said: Option<&str>) -> String {
    let ended = match status {
        None => "it is gone".to_owned(),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (_, Some(signal)) => format!("killed by signal {signal}"),
            _ => "it is gone".to_owned(),
        },
    };
    match said {
        None | Some("") => ended,
        Some(said) => format!("{ended}: {said}"),
    }
}

/// What a runner that has ended has written to its standard error, on one line.
fn last_words(errors: ChildStderr) -> String {
    let mut bytes = Vec::new();
    // All of it is there by now; a process that the runner has forked may hold the pipe open.
    if fcntl(errors.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_ok() {
        let _ = errors.take(LAST_WORDS_BYTES).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim().replace(char::is_control, " ");
    let own = text.strip_prefix(PROGRAM_NAME);
    let own = own.and_then(|text| text.strip_prefix(": "));
    own.unwrap_or(&text).to_owned()
}

/// Asks a runner to end its script, as Ctrl-C would: the outcome is then
/// [`crate::ScriptResult::Cancelled`]. A second time it does so at once.
#[derive(Debug, Clone)]
pub struct Interrupter {
    run_dir: RunDir,
    child: Option<Arc<Mutex<Option<Pid>>>>,
}

impl Interrupter {
    /// Sends the request. A runner that has ended is left alone, which is no error.
    ///
    /// # Errors
    /// When the runner is not our child and has not recorded its start yet (try again), or
    /// cannot be signalled.
    pub fn interrupt(&self) -> Result<(), LaunchError> {
        let failed = |source| LaunchError::Interrupt {
            run_dir: self.run_dir.path().to_owned(),
            source,
        };
        let result = match &self.child {
            Some(pid) => {
                let pid = pid.lock().unwrap_or_else(PoisonError::into_inner);
                pid.map_or(Ok(()), |pid| kill(pid, Signal::SIGINT))
            }
            None => {
                let Some(started) = self.run_dir.read_started()? else {
                    return Err(failed(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        "it has not recorded its start yet",
                    )));
                };
                if processes::boot_id().map_err(failed)? != started.boot_id {
                    return Ok(());
                }
                let runner = Process {
                    pid: started.pid,
                    parent: 0,
                    session: started.pid,
                    start_time: started.start_time,
                    ended: false,
                    headless: false,
                };
                processes::signal(&runner, Signal::SIGINT)
            }
        };
        match result {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(failed(error.into())),
        }
    }
}
