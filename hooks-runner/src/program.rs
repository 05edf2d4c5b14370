//! The `hooks-runner` program: takes the run directory over, runs its script, leaves an outcome.
//!
//! It has one thread, so that it may fork the process that reads on when output is left open.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use failpoints::Failpoint;
use fs_err as fs;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};

use crate::account::Account;
use crate::capture::Capture;
use crate::environment;
use crate::error::chain;
use crate::outcome::{Outcome, ScriptResult, Stream};
use crate::processes;
use crate::request::Request;
use crate::run_dir::{OUTCOME, REQUEST, RunDir, RunDirError, Started};
use crate::script::Script;
use crate::start::{self, Start};
use crate::supervise::{self, Family, Supervisor};
use crate::sys::{self, ExecError, Spawn, Step};

/// The runner's own work failed; the script was not started, or its result is lost.
#[derive(Debug, thiserror::Error)]
enum ProgramError {
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    #[error("cannot set up the runner ({what})")]
    SetUp {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot watch the script, which may still be running")]
    Watch {
        #[source]
        source: Errno,
    },
    #[error("there is no request")]
    NoRequest,
}

fn set_up<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> ProgramError {
    move |source| ProgramError::SetUp {
        what,
        source: source.into(),
    }
}

/// The program `hooks-runner RUN_DIR`. Exit code 0: there is an outcome (whatever it says), 1:
/// there is none, 2: bad usage.
#[must_use]
pub fn main() -> ExitCode {
    sys::close_inherited_descriptors();
    let mut arguments = std::env::args_os().skip(1);
    let (Some(run_dir), None) = (arguments.next(), arguments.next()) else {
        complain("usage: hooks-runner RUN_DIR");
        return ExitCode::from(2);
    };
    match run(PathBuf::from(run_dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// For people who run it by hand, and for the agent where there is no outcome.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "hooks-runner: {text}");
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the caller has no use for it, and what is left here lives as long as the program"
)]
fn run(path: PathBuf) -> Result<(), ProgramError> {
    let run_dir = RunDir::open(&path)?;
    part_from_caller();
    let lock = run_dir.claim(take_stdin()?)?;
    let mut place = run_dir.prepare_outcome()?;
    // From here on, whatever fails is said in the outcome.
    let (mut outcome, capture) = match execute(&run_dir) {
        Ok(finished) => finished,
        Err(error) => {
            let message = chain(&error);
            let result = ScriptResult::RunnerFailed { message };
            (Outcome::not_started(result, Vec::new()), None)
        }
    };
    if let Some(capture) = capture {
        match sys::fork_single_threaded() {
            Ok(None) => {
                drop((lock, place));
                read_on(capture);
                return Ok(());
            }
            Ok(Some(_)) => {}
            Err(error) => outcome.warnings.push(format!(
                "no process could be started to read on what background processes print, so \
                 they will get SIGPIPE: {error}"
            )),
        }
    }
    let mut commit = |outcome: &Outcome| -> Result<(), ProgramError> {
        let bytes = outcome
            .encode()
            .map_err(|error| run_dir.format_error(OUTCOME, error))?;
        Failpoint::RunnerOutcome.pass().map_err(set_up("outcome"))?;
        Ok(place.commit(&bytes)?)
    };
    if commit(&outcome).is_err() {
        // Perhaps there is room for the result alone.
        outcome.tail.clear();
        outcome.warnings.clear();
        commit(&outcome)?;
    }
    Failpoint::RunnerUnlock.pass().map_err(set_up("lock"))?;
    drop(lock);
    Ok(())
}

/// A process of its own session, with nothing of the caller's but the environment.
fn part_from_caller() {
    // Names in ps: the program may have been started through /proc/self/fd.
    let _ = nix::sys::prctl::set_name(c"hooks-runner");
    // Fails when we lead a group already, as under a shell; then Ctrl-C there reaches us.
    let _ = nix::unistd::setsid();
    umask(Mode::from_bits_truncate(0o022));
}

/// The signals that are watched, and why orphans are not left to us, if they are not.
fn prepare_to_watch() -> Result<(SignalFd, Result<(), Errno>), ProgramError> {
    let mut watched = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD] {
        watched.add(signal);
    }
    let mut blocked = watched;
    // Held back for good: neither a hang-up nor a quit ends a script.
    blocked.add(Signal::SIGHUP);
    blocked.add(Signal::SIGQUIT);
    blocked.thread_block().map_err(set_up("signals"))?;
    let signals = SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(set_up("signals"))?;
    nix::unistd::chdir("/").map_err(set_up("working directory"))?;
    Ok((signals, nix::sys::prctl::set_child_subreaper(true)))
}

/// Moves what came as standard input out of the way, close-on-exec.
fn take_stdin() -> Result<OwnedFd, ProgramError> {
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(set_up("standard input"))?;
    let null = fs::File::open("/dev/null").map_err(set_up("/dev/null"))?;
    nix::unistd::dup2_stdin(&null).map_err(set_up("standard input"))?;
    Ok(stdin)
}

/// Runs the script. The capture comes back when its output is still open.
fn execute(run_dir: &RunDir) -> Result<(Outcome, Option<Capture>), ProgramError> {
    let (signals, adoption) = prepare_to_watch()?;
    let bytes = run_dir.read(REQUEST)?.ok_or(ProgramError::NoRequest)?;
    let request = Request::decode(&bytes).map_err(|error| run_dir.format_error(REQUEST, error))?;
    let mut capture = Capture::new(&request);
    let mut warnings = Vec::new();
    let (result, duration_ms) = match start(
        run_dir,
        &request,
        &mut capture,
        &signals,
        adoption,
        &mut warnings,
    )? {
        Ok(ran) => ran,
        Err(result) => (result, 0),
    };
    warnings.extend(capture.warnings());
    let outcome = Outcome {
        result,
        duration_ms,
        tail: capture.tail(),
        warnings,
    };
    Ok((outcome, (!capture.is_closed()).then_some(capture)))
}

/// The inner error is a script that did not start.
fn start(
    run_dir: &RunDir,
    request: &Request,
    capture: &mut Capture,
    signals: &SignalFd,
    adoption: Result<(), Errno>,
    warnings: &mut Vec<String>,
) -> Result<Result<(ScriptResult, u64), ScriptResult>, ProgramError> {
    let script = match Script::examine(&request.script) {
        Ok(script) => script,
        Err(result) => return Ok(Err(result)),
    };
    warnings.extend_from_slice(&script.warnings);
    let start = match start::plan(request) {
        Ok(start) => start,
        Err(error) => {
            let reason = chain(&error);
            return Ok(Err(ScriptResult::CouldNotStart { reason }));
        }
    };
    if let Some(result) = supervise::told(signals).before_start() {
        return Ok(Err(result));
    }
    let (held, pipes) = fork_script(&start, &script, request.umask)?;
    let recorded = Failpoint::RunnerStarted
        .pass()
        .map_err(set_up("start of the script"))
        .and_then(|()| record_start(run_dir, held.pid().as_raw()))
        .and_then(|started| {
            Failpoint::RunnerRelease
                .pass()
                .map_err(set_up("start of the script"))?;
            Ok(started)
        });
    let started = match recorded {
        Ok(started) => started,
        Err(error) => {
            held.abandon();
            return Err(error);
        }
    };
    let pid = held.pid();
    let [stdout, stderr] = pipes;
    for (pipe, stream) in [(stdout, Stream::Stdout), (stderr, Stream::Stderr)] {
        capture
            .add(pipe, stream, request.tail_characters)
            .map_err(set_up("pipes"))?;
    }
    let begin = Instant::now();
    if let Err(error) = held.release().map_err(set_up("start of the script"))? {
        capture.read_available(2);
        let reason = explain(error, &start, &script);
        return Ok(Err(ScriptResult::CouldNotStart { reason }));
    }
    let family = match adoption {
        Ok(()) => Family::Descendants,
        Err(refused) => Family::Kin { started, refused },
    };
    let (result, more) = Supervisor::new(request, capture, signals, pid, family, begin)
        .run()
        .map_err(|source| ProgramError::Watch { source })?;
    warnings.extend(more);
    if matches!(result, ScriptResult::Failed { .. }) {
        warnings.extend(script.suspicion());
    }
    let duration = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Ok((result, duration)))
}

fn fork_script(
    start: &Start,
    script: &Script,
    umask: u32,
) -> Result<(sys::HeldChild, [OwnedFd; 2]), ProgramError> {
    let null = fs::File::open("/dev/null").map_err(set_up("/dev/null"))?;
    let pipe = || nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(set_up("pipes"));
    let (stdout, script_stdout) = pipe()?;
    let (stderr, script_stderr) = pipe()?;
    let environment = environment::build(std::env::vars_os(), start.account.as_ref());
    let arguments = environment::arguments(&start.arguments).map_err(set_up("arguments"))?;
    let program = environment::argument(start.program.as_os_str()).map_err(set_up("arguments"))?;
    let held = sys::spawn(&Spawn {
        program: &program,
        arguments: &arguments,
        environment: &environment,
        switch: start.switch.as_ref(),
        umask,
        stdin: null.as_fd(),
        stdout: script_stdout.as_fd(),
        stderr: script_stderr.as_fd(),
        shell_fallback: start.direct && script.shell_fallback(),
    })
    .map_err(set_up("fork"))?;
    Ok((held, [stdout, stderr]))
}

fn record_start(run_dir: &RunDir, script: i32) -> Result<Started, ProgramError> {
    let identity = |pid| processes::process(pid).map_err(set_up("/proc"));
    let own = identity(std::process::id().cast_signed())?;
    let script = identity(script)?;
    let boot_id = processes::boot_id().map_err(set_up("boot id"))?;
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let started = Started {
        pid: own.pid,
        start_time: own.start_time,
        script_pid: script.pid,
        script_start_time: script.start_time,
        boot_id,
        marks: environment::marks(|name| std::env::var(name).ok()),
        time_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
    };
    run_dir.write_started(&started)?;
    Ok(started)
}

fn explain(error: ExecError, start: &Start, script: &Script) -> String {
    let account: Option<&Account> = start.account.as_ref();
    let name = account.map_or("", |account| account.name.as_str());
    let why = error.errno.desc();
    match error.step {
        Step::Exec if start.direct => script.explain(error.errno, account),
        Step::Exec => format!("{} cannot be executed: {why}", start.program.display()),
        Step::Groups => format!("the groups of user {name:?} cannot be taken: {why}"),
        Step::Group => format!("the group of user {name:?} cannot be taken: {why}"),
        Step::User => format!("the identity of user {name:?} cannot be taken: {why}"),
        Step::Directory => format!("the directory / cannot be entered: {why}"),
        Step::Session => format!("a session of its own cannot be made: {why}"),
        Step::Streams => format!("its output cannot be connected: {why}"),
    }
}

/// Reads on until everybody has closed the pipes, holding nothing but them and the logs.
fn read_on(mut capture: Capture) {
    // SIGTERM is to end this process as it does any other.
    let _ = nix::sys::signal::sigprocmask(
        SigmaskHow::SIG_UNBLOCK,
        Some(&SigSet::from(Signal::SIGTERM)),
        None,
    );
    if let Ok(null) = fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
        let _ = nix::unistd::dup2_stderr(&null);
    }
    while !capture.is_closed() {
        let mut descriptors: Vec<PollFd<'_>> = capture
            .descriptors()
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        match poll(&mut descriptors, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
        capture.read();
    }
}

/// What `agent` looks for in its own name to become this program.
pub const PROGRAM_NAME: &str = "hooks-runner";

/// Whether a program that was called `name` (argv\[0\]) is to be [`main`].
#[must_use]
pub fn is_called_as_runner(name: Option<&OsString>) -> bool {
    name.is_some_and(|name| {
        std::path::Path::new(name).file_name() == Some(std::ffi::OsStr::new(PROGRAM_NAME))
    })
}
