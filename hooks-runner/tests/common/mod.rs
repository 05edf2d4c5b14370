//! A script in a directory of its own, and a request for it that tests change as they need.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test binary uses a part of this, and helpers of tests are tests, too"
)]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use hooks_runner::{
    DeploymentsLog, Outcome, OutputsLeftOpen, Program, Request, RunState, RunasVia, Running,
    Started,
};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Fixture {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) request: Request,
    pub(crate) environment: Vec<(OsString, OsString)>,
    daemons: Vec<String>,
}

impl Fixture {
    /// A script with this content, executable.
    pub(crate) fn new(content: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Other users run scripts here.
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let script = directory.path().join("the script.sh");
        fs::write(&script, content).unwrap();
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        let request = Request {
            script,
            location: "the script.sh".to_owned(),
            preamble: vec!["LifecycleEvent - AfterInstall".to_owned()],
            runas: None,
            sudo: false,
            runas_via: RunasVia::Native,
            keep_under_sudo: Vec::new(),
            umask: 0o022,
            timeout_seconds: 60,
            outputs_left_open: OutputsLeftOpen::Wait,
            scripts_log: directory.path().join("logs/scripts.log"),
            deployments_log: Some(DeploymentsLog {
                path: directory.path().join("all/deployments.log"),
                deployment_id: "d-TEST".to_owned(),
            }),
            tail_characters: 2047,
            restrict_log_permissions: false,
        };
        let environment = vec![
            ("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into()),
            ("DIR".into(), directory.path().as_os_str().to_owned()),
        ];
        Self {
            directory,
            request,
            environment,
            daemons: Vec::new(),
        }
    }

    pub(crate) fn sh(body: &str) -> Self {
        Self::new(format!("#!/bin/sh\n{body}\n"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run")
    }

    /// A file with the pid of a process that the test must end whatever happens.
    pub(crate) fn ends(mut self, pid_file: &str) -> Self {
        self.daemons.push(pid_file.to_owned());
        self
    }

    pub(crate) fn launch(&self) -> Running {
        hooks_runner::launch(
            &program(),
            &self.run_dir(),
            &self.request,
            self.environment.clone(),
        )
        .unwrap()
    }

    pub(crate) fn run(&self) -> Outcome {
        self.launch().wait().unwrap()
    }

    pub(crate) fn state(&self) -> RunState {
        hooks_runner::inspect(&self.run_dir()).unwrap()
    }

    /// Waits until the script has begun.
    pub(crate) fn started(&self) -> Started {
        wait_for("the start", || match self.state() {
            RunState::Alive(started) => started,
            state => panic!("not alive: {state:?}"),
        })
    }

    pub(crate) fn scripts_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.request.scripts_log).unwrap()).into_owned()
    }

    /// The entries of scripts.log without their stamps.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.scripts_log()
            .lines()
            .map(|line| line.get(20..).unwrap_or_default().to_owned())
            .collect()
    }

    pub(crate) fn stdout_entries(&self) -> Vec<String> {
        self.entries()
            .into_iter()
            .filter_map(|entry| Some(entry.strip_prefix("[stdout]")?.to_owned()))
            .collect()
    }

    /// Changes a file of the run directory as another writer would have written it: with a
    /// checksum that is right.
    pub(crate) fn rewrite(&self, name: &str, from: &str, to: &str) {
        let path = self.run_dir().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replace(from, to);
        assert_ne!(text, changed, "{from} is not in {name}");
        let content = changed.split_once("\"content\":").unwrap().1;
        let content = content.strip_suffix('}').unwrap();
        let checksum = format!("{:08x}", crc32fast::hash(content.as_bytes()));
        let old = text.split('"').nth(5).unwrap();
        fs::write(&path, changed.replacen(old, &checksum, 1)).unwrap();
    }

    /// The pid that a script wrote into `name`.
    pub(crate) fn pid(&self, name: &str) -> Pid {
        let path = self.path(name);
        Pid::from_raw(wait_for("a pid file", || {
            let text = fs::read_to_string(&path).ok()?;
            text.ends_with('\n').then(|| text.trim().parse().ok())?
        }))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for daemon in &self.daemons {
            if let Ok(text) = fs::read_to_string(self.path(daemon))
                && let Ok(pid) = text.trim().parse()
            {
                let pid = Pid::from_raw(pid);
                let _ = killpg(pid, Signal::SIGKILL);
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

/// Copies a program to be executed. Another process writes it: a descriptor of ours, open for
/// writing, could be inherited by what another test starts just then, and the program be busy.
pub(crate) fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    #[expect(clippy::disallowed_methods, reason = "tests start programs")]
    let status = std::process::Command::new("cp")
        .args([from.as_ref(), to.as_ref()])
        .status()
        .unwrap();
    assert!(status.success());
}

pub(crate) fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_hooks-runner"))
}

/// Waits for a condition, with a deadline.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process is there and has not ended, nor only its main thread.
pub(crate) fn is_alive(pid: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let threads: u32 = fields[17].parse().unwrap();
    !matches!(fields[0], "Z" | "X") || threads > 1
}

/// For scripts, with [`Fixture::headless`]: starts a daemon whose main thread has ended, in a
/// session of its own. Its pid file is there once that has ended.
pub(crate) const HEADLESS: &str = r#""$TEST" --exact headless > /dev/null 2>&1"#;

impl Fixture {
    /// Tells the script of [`HEADLESS`], and ends its daemon.
    pub(crate) fn headless(mut self) -> Self {
        let program = std::env::current_exe().unwrap();
        self.environment.push(("TEST".into(), program.into()));
        self.ends("headless")
    }
}

/// Starts the daemon of [`HEADLESS`]: to be called by a test of the name `headless`, which does
/// nothing when nobody has started it so.
#[expect(unsafe_code, reason = "no library ends a main thread alone")]
pub(crate) fn start_headless() {
    let (Some(directory), Some(_)) = (std::env::var_os("DIR"), std::env::var_os("TEST")) else {
        return;
    };
    // A test's thread is none's main thread; that of a child is.
    // SAFETY: the child takes no lock that another thread of this process may have held.
    if let nix::unistd::ForkResult::Parent { .. } = unsafe { nix::unistd::fork() }.unwrap() {
        return;
    }
    let own = nix::unistd::setsid().unwrap();
    std::thread::spawn(move || {
        wait_for("the main thread's end", || {
            let stat = fs::read_to_string(format!("/proc/{own}/stat")).unwrap();
            stat.contains(") Z ").then_some(())
        });
        fs::write(Path::new(&directory).join("headless"), format!("{own}\n")).unwrap();
        loop {
            std::thread::sleep(PATIENCE);
        }
    });
    // SAFETY: the call takes a number and ends this thread; what it owns is never freed.
    unsafe {
        nix::libc::syscall(nix::libc::SYS_exit, 0);
    }
}

/// True when the test must be skipped for want of root; never in CI.
pub(crate) fn lacks_root() -> bool {
    if nix::unistd::geteuid().is_root() {
        return false;
    }
    assert!(
        std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
        "this test needs root"
    );
    eprintln!("skipped: needs root");
    true
}

pub(crate) fn exists(path: &Path) -> Option<()> {
    path.exists().then_some(())
}
