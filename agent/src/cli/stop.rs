//! `agent stop`: asks the daemon to end, and waits for it.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::arguments::StopArguments;
use super::configuration::Configuration;
use super::status::{running, within};
use super::terminal::{say, say_aside};
use super::{Exit, complain, systemd};
use crate::config::Config;
use crate::daemon::PidFile;
use crate::error::chain;

/// How long a daemon may take to hand over: it is gone much sooner, unless it puts files in place.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &StopArguments) -> Exit {
    match Configuration::load(named) {
        Ok(configuration) => stop(&configuration, arguments.wait),
        Err(error) => complain(&chain(&error), Exit::Configuration),
    }
}

/// Stops the daemon of this configuration: what it has at work is taken up by the next one, or,
/// with `wait`, comes to its end first.
pub(super) fn stop(configuration: &Configuration, wait: bool) -> Exit {
    let config = &configuration.loaded.config;
    let daemon = match Daemon::find(configuration) {
        Ok(daemon) => daemon,
        Err(exit) => return exit,
    };
    if wait && let Some(pid) = daemon.pid {
        let limit = config.kill_agent_max_wait_time_seconds;
        if let Err(exit) = daemon.drain(pid) {
            return exit;
        }
        if !within(limit, || daemon.is_over(pid)) {
            say_aside(&format!(
                "process {pid} is still at work after {} seconds \
                 (kill_agent_max_wait_time_seconds) and is stopped; hooks go on, and the next \
                 agent takes them up",
                limit.as_secs_f64()
            ));
        }
    }
    // Also a drained one: a unit that does not know its exit status would start it again.
    if let Err(exit) = daemon.hand_over() {
        return exit;
    }
    let Some(pid) = daemon.pid else {
        say("The CodeDeploy host agent is not running");
        return Exit::Success;
    };
    let mut is_over = false;
    let _ = within(PATIENCE, || {
        is_over = daemon.is_over(pid);
        is_over || is_halted(pid)
    });
    if is_over {
        say("The CodeDeploy host agent has stopped");
        return Exit::Success;
    }
    let why = if is_halted(pid) {
        format!(
            "is halted, as by SIGSTOP or a debugger; let it go on, to its end, with kill -CONT {pid}"
        )
    } else {
        format!(
            "still runs after {} seconds; an Install that is putting files in place ends first: \
             agent status tells of one. Without one, end it with kill -KILL {pid}: the next agent \
             takes up what is at work",
            PATIENCE.as_secs()
        )
    };
    let message = format!("process {pid} has been told to stop and {why}");
    complain(&message, Exit::Failed)
}

/// Whether a process does nothing until it is let go on.
fn is_halted(pid: i32) -> bool {
    let status = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Its name, in parentheses, may hold anything.
    let state = status.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| state.starts_with(['T', 't']))
}

/// The daemon of a configuration.
struct Daemon<'a> {
    config: &'a Config,
    /// Whether systemd has its unit.
    has_unit: bool,
    /// Whether it is the unit's process.
    is_units: bool,
    /// When it runs.
    pid: Option<i32>,
}

impl<'a> Daemon<'a> {
    fn find(configuration: &'a Configuration) -> Result<Self, Exit> {
        let config = &configuration.loaded.config;
        let has_unit = systemd::manages(configuration.path());
        let pid = running(config).map_err(|error| complain(&chain(&error), Exit::Failed))?;
        Ok(Self {
            config,
            has_unit,
            is_units: has_unit && pid.is_some() && systemd::main_pid() == pid,
            pid,
        })
    }

    /// Has it come to its end with what it has at work.
    fn drain(&self, pid: i32) -> Result<(), Exit> {
        if self.is_units {
            return match systemd::signal_main("SIGQUIT") {
                Ok(true) => Ok(()),
                Ok(false) => Err(complain(
                    "systemctl could not signal the agent",
                    Exit::Failed,
                )),
                Err(error) => Err(no_systemctl(&error)),
            };
        }
        self.signal(pid, Signal::QUIT)
            .map_err(|error| complain(&format!("cannot stop process {pid}: {error}"), Exit::Failed))
    }

    /// Has it end now.
    fn hand_over(&self) -> Result<(), Exit> {
        // Also when nothing runs: systemd may be about to start it again. Waiting is ours.
        if self.has_unit {
            match systemd::systemctl(&["--no-block", "stop"]) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(complain("systemctl could not stop the agent", Exit::Failed));
                }
                Err(error) => return Err(no_systemctl(&error)),
            }
        }
        match self.pid {
            Some(pid) if !self.is_units => self.signal(pid, Signal::TERM).map_err(|error| {
                complain(&format!("cannot stop process {pid}: {error}"), Exit::Failed)
            }),
            _ => Ok(()),
        }
    }

    /// Whether process `pid` is no longer the daemon.
    fn is_over(&self, pid: i32) -> bool {
        match PidFile::running(&self.config.pid_dir, self.config.program_name.as_str()) {
            Ok(now) => now != Some(pid),
            // It holds the lock still, without its pid file: about to end.
            Err(_) => false,
        }
    }

    fn signal(&self, pid: i32, signal: Signal) -> io::Result<()> {
        let Some(number) = Pid::from_raw(pid) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let sent = match pidfd_open(number, PidfdFlags::empty()) {
            // Looked at again with the handle in hand: from here on it cannot become another
            // process.
            Ok(_) if self.is_over(pid) => Ok(()),
            Ok(process) => pidfd_send_signal(process, signal),
            // A kernel before 5.3, or a filter for system calls.
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) if !self.is_over(pid) => {
                kill_process(number, signal)
            }
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => Ok(()),
            Err(error) => Err(error),
        };
        match sent {
            // It has just ended by itself.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn no_systemctl(error: &io::Error) -> Exit {
    complain(&format!("cannot run systemctl: {error}"), Exit::Failed)
}
