//! `agent stop`: asks the daemon to end, and waits for it.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::arguments::StopArguments;
use super::configuration::Configuration;
use super::status::{running, within};
use super::{Exit, complain, systemd};
use crate::config::Config;
use crate::daemon::PidFile;
use crate::error::chain;

/// How long a stop without `--wait` waits: an idle daemon is gone much sooner.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &StopArguments) -> Exit {
    match Configuration::load(named) {
        Ok(configuration) => stop(&configuration, arguments.wait),
        Err(error) => complain(&chain(&error), Exit::Configuration),
    }
}

/// Stops the daemon of this configuration; `wait` for the commands at work, too.
pub(super) fn stop(configuration: &Configuration, wait: bool) -> Exit {
    let config = &configuration.loaded.config;
    let managed = systemd::manages(configuration.path.as_deref());
    let main_pid = if managed { systemd::main_pid() } else { None };
    // Also when nothing runs: systemd may be about to start it again. Waiting is ours.
    if managed {
        match systemd::systemctl(&["--no-block", "stop"]) {
            Ok(true) => {}
            Ok(false) => return complain("systemctl could not stop the agent", Exit::Failed),
            Err(error) => return complain(&format!("cannot run systemctl: {error}"), Exit::Failed),
        }
    }
    let pid = match running(config) {
        Ok(Some(pid)) => pid,
        Ok(None) => {
            println!("The CodeDeploy host agent is not running");
            return Exit::Success;
        }
        Err(error) => return complain(&chain(&error), Exit::Failed),
    };
    if main_pid != Some(pid)
        && let Err(error) = terminate(config, pid)
    {
        return complain(&format!("cannot stop process {pid}: {error}"), Exit::Failed);
    }
    let limit = if wait {
        config.kill_agent_max_wait_time_seconds
    } else {
        PATIENCE
    };
    if within(limit, || is_over(config, pid)) {
        println!("The CodeDeploy host agent has stopped");
        Exit::Success
    } else if wait {
        complain(
            &format!(
                "process {pid} is still at work after {} seconds \
                 (kill_agent_max_wait_time_seconds); it ends when its commands are over",
                limit.as_secs_f64()
            ),
            Exit::Failed,
        )
    } else {
        println!(
            "The CodeDeploy host agent, PID {pid}, takes no new commands and ends when those at \
             work are over"
        );
        Exit::Success
    }
}

/// Whether process `pid` is no longer the daemon.
fn is_over(config: &Config, pid: i32) -> bool {
    match PidFile::running(&config.pid_dir, config.program_name.as_str()) {
        Ok(now) => now != Some(pid),
        // It holds the lock still, without its pid file: about to end.
        Err(_) => false,
    }
}

/// Sends SIGTERM to the daemon.
fn terminate(config: &Config, pid: i32) -> io::Result<()> {
    let Some(number) = Pid::from_raw(pid) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let sent = match pidfd_open(number, PidfdFlags::empty()) {
        // Looked at again with the handle in hand: from here on it cannot become another process.
        Ok(_) if is_over(config, pid) => Ok(()),
        Ok(process) => pidfd_send_signal(process, Signal::TERM),
        // A kernel before 5.3, or a filter for system calls.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            kill_process(number, Signal::TERM)
        }
        Err(error) => Err(error),
    };
    match sent {
        // It has just ended by itself.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
