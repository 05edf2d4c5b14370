//! Signals to what runs under `sudo`, which belongs to root and not to an unprivileged runner.
//!
//! Only used to end a hook; whether sudo's policy allows it is for the host to say.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fs_err as fs;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::environment;
use crate::request::Request;
use crate::start;
use crate::sys::{self, Spawn};

/// The longest that sudo may take: it may ask a directory service.
const PATIENCE: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_millis(5);

/// The way to signal processes of a script that was started under sudo.
#[derive(Debug)]
pub(crate) struct Elevation {
    sudo: PathBuf,
}

impl Elevation {
    /// `None` when the script runs with our own rights, or root's.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        if !request.sudo || nix::unistd::geteuid().is_root() {
            return None;
        }
        start::find_program("sudo").map(|sudo| Self { sudo })
    }

    /// Sends `signal` to `targets`: pids, or process groups as negative numbers.
    pub(crate) fn kill(&self, signal: Signal, targets: &[i32]) {
        if targets.is_empty() {
            return;
        }
        // What could not be reached shows in the next look for survivors.
        let _ = self.try_kill(signal, targets);
    }

    fn try_kill(&self, signal: Signal, targets: &[i32]) -> io::Result<()> {
        let name = signal.as_str().trim_start_matches("SIG");
        let mut words: Vec<std::ffi::OsString> = vec![
            self.sudo.clone().into_os_string(),
            "-n".into(),
            "--".into(),
            // Every host has its shell's kill; numbers are all that is passed to it.
            "/bin/sh".into(),
            "-c".into(),
            r#"kill -s "$0" -- "$@""#.into(),
            name.into(),
        ];
        words.extend(targets.iter().map(|target| target.to_string().into()));
        let null = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        let program = environment::argument(self.sudo.as_os_str())?;
        let arguments = environment::arguments(&words)?;
        let environment: Vec<CString> = environment::build(std::env::vars_os(), None);
        let held = sys::spawn(&Spawn {
            program: &program,
            arguments: &arguments,
            environment: &environment,
            switch: None,
            umask: 0o022,
            stdin: null.as_fd(),
            stdout: null.as_fd(),
            stderr: null.as_fd(),
            shell_fallback: false,
        })?;
        let pid = held.pid();
        if held.release()?.is_err() {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(
            waitpid(pid, Some(WaitPidFlag::WNOHANG)),
            Ok(WaitStatus::StillAlive)
        ) && Instant::now() < deadline
        {
            std::thread::sleep(INTERVAL);
        }
        Ok(())
    }
}
