//! Runs a script to its end: start, wait, time out, terminate, judge output that is left open.
//!
//! ```text
//!            exit 0, output open                 closed / released / time over
//! Running ───────────────────────▶ LeftOpen ──────────────────────────────────▶ result
//!    │ failed      ┌──────────────────────▲ nothing is ever signalled after a good end
//!    ├────────▶ Draining ──────────────────────────────────────────────────────▶ result
//!    │ time over, told to stop                              ▲
//!    └────────▶ Terminating ── TERM, 10 s ──▶ Killing ──────┘
//! ```
//!
//! Invariants: output is read in every phase. Each wait has one deadline, fixed when it begins.
//! The script's process stays unreaped for as long as its group may be signalled, so that the
//! number can never mean another group.

mod ending;

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use crate::capture::Capture;
use crate::elevation::Elevation;
use crate::outcome::{self, ScriptResult};
use crate::processes;
use crate::request::{OutputsLeftOpen, Request};
use crate::run_dir::Started;
use crate::sys::{self, Exit};

/// From SIGTERM to SIGKILL (contract: hooks, differences).
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// Output that is open this long after a good end is worth a warning.
const WARN_LEFT_OPEN: Duration = Duration::from_secs(2);
/// With `release`, output that is open this long after a good end is let go.
const RELEASE: Duration = Duration::from_secs(10);
/// How long the rest of the output is read after the script failed or was ended.
const DRAIN: Duration = Duration::from_millis(500);
/// How long a death by one of the signals of a shutdown waits for our own SIGTERM: the service
/// manager signals everybody at once, in any order.
const SHUTDOWN_WINDOW: Duration = Duration::from_millis(250);
/// How long output that is still open may take to close once the host goes down.
const SHUTDOWN_DRAIN: Duration = Duration::from_secs(1);
/// How long processes may take to go after SIGKILL (one may hang in the kernel).
pub(crate) const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks for survivors after SIGKILL.
const KILL_INTERVAL: Duration = Duration::from_millis(10);
/// Between two looks for processes of a script that is being ended and that are not our children:
/// nothing wakes us at their end.
const ORPHANS_INTERVAL: Duration = Duration::from_millis(100);
/// Between two tries when the kernel cannot wait for us.
const POLL_PAUSE: Duration = Duration::from_millis(50);
/// The most processes that a warning names.
const NAMED_HOLDERS: usize = 8;
/// Reads at once at the script's end: enough for two full pipes.
const READS_AT_END: u32 = 64;

/// What the operator or the host asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    /// SIGINT.
    pub(crate) cancel: bool,
    /// SIGTERM.
    pub(crate) shutdown: bool,
    /// SIGCHLD.
    child: bool,
}

impl Told {
    /// What a script that has not begun comes to.
    pub(crate) fn before_start(self) -> Option<ScriptResult> {
        if self.cancel {
            Some(ScriptResult::Cancelled)
        } else if self.shutdown {
            Some(ScriptResult::HostShutdown)
        } else {
            None
        }
    }
}

/// Takes all signals that have come.
pub(crate) fn told(signals: &SignalFd) -> Told {
    let mut told = Told::default();
    while let Ok(Some(info)) = signals.read_signal() {
        match Signal::try_from(info.ssi_signo.cast_signed()) {
            Ok(Signal::SIGINT) => told.cancel = true,
            Ok(Signal::SIGTERM) => told.shutdown = true,
            Ok(Signal::SIGCHLD) => told.child = true,
            _ => {}
        }
    }
    told
}

#[derive(Debug)]
enum Phase {
    Running,
    LeftOpen {
        since: Instant,
        warned: bool,
        /// The host goes down: then this is the limit.
        shutdown: Option<Instant>,
    },
    Draining {
        result: ScriptResult,
        until: Instant,
        /// Until then a SIGTERM means that it was not the script's own end.
        window: Option<Instant>,
    },
    Terminating {
        result: ScriptResult,
        kill_at: Instant,
    },
    Killing {
        result: ScriptResult,
        give_up: Instant,
    },
}

/// By what the processes of a script are known when they have to be ended.
#[derive(Debug)]
pub(crate) enum Family {
    /// By descent: orphans among them become our children.
    Descendants,
    /// As after the death of a runner, see [`crate::kin`]: the kernel, an emulation of it or a
    /// filter of system calls does not let us have the orphans.
    Kin {
        /// What the script is recognised by.
        started: Started,
        /// Why orphans are not left to us.
        refused: Errno,
    },
}

/// A running script.
pub(crate) struct Supervisor<'a> {
    request: &'a Request,
    capture: &'a mut Capture,
    signals: &'a SignalFd,
    script: Pid,
    family: Family,
    reaped: bool,
    elevation: Option<Elevation>,
    deadline: Option<Instant>,
    warnings: Vec<String>,
}

impl<'a> Supervisor<'a> {
    /// Watches `script`, which has just been started and whose output `capture` reads.
    pub(crate) fn new(
        request: &'a Request,
        capture: &'a mut Capture,
        signals: &'a SignalFd,
        script: Pid,
        family: Family,
        start: Instant,
    ) -> Self {
        Self {
            request,
            capture,
            signals,
            script,
            family,
            reaped: false,
            elevation: Elevation::of(request),
            deadline: start.checked_add(Duration::from_secs(request.timeout_seconds)),
            warnings: Vec::new(),
        }
    }

    /// Waits for the result. The second value are warnings. Output may still be open then.
    pub(crate) fn run(mut self) -> Result<(ScriptResult, Vec<String>), Errno> {
        let mut phase = Phase::Running;
        let result = loop {
            let told = self.wait(self.next_deadline(&phase));
            self.capture.read();
            if told.child {
                self.reap_orphans();
            }
            phase = match self.step(phase, told, Instant::now())? {
                Ok(phase) => phase,
                Err(result) => break result,
            };
        };
        self.reap_script();
        Ok((result, self.warnings))
    }

    /// One round of the state machine; `Err` is the end.
    fn step(
        &mut self,
        phase: Phase,
        told: Told,
        now: Instant,
    ) -> Result<Result<Phase, ScriptResult>, Errno> {
        let timed_out = self.deadline.is_some_and(|deadline| now >= deadline);
        Ok(match phase {
            Phase::Running => {
                if let Some((_, exit)) = sys::peek_ended(Some(self.script))? {
                    self.capture.read_available(READS_AT_END);
                    self.ended(exit, told, now)
                } else if told.cancel {
                    Ok(self.terminate(ScriptResult::Cancelled, now))
                } else if told.shutdown {
                    Ok(self.terminate(ScriptResult::HostShutdown, now))
                } else if timed_out {
                    let seconds = self.request.timeout_seconds;
                    Ok(self.terminate(ScriptResult::TimedOut { seconds }, now))
                } else {
                    Ok(Phase::Running)
                }
            }
            Phase::LeftOpen {
                since,
                warned,
                shutdown,
            } => self.left_open(since, warned, shutdown, told, now),
            Phase::Draining {
                result: _,
                until: _,
                window: Some(_),
            } if told.shutdown => Ok(self.terminate(ScriptResult::HostShutdown, now)),
            Phase::Draining {
                result,
                until,
                window,
            } => {
                let settled = window.is_none_or(|window| now >= window);
                if settled && self.capture.is_closed() {
                    Err(result)
                } else if now >= until {
                    self.warn_about_holders("its output is still held open");
                    Err(result)
                } else {
                    Ok(Phase::Draining {
                        result,
                        until,
                        window,
                    })
                }
            }
            Phase::Terminating { result, kill_at } => {
                // Where orphans are left to us, every last process is our child in the end.
                let look = told.child || matches!(self.family, Family::Kin { .. });
                if look && self.is_all_over() {
                    Ok(drain(result, now))
                } else if now >= kill_at || told.cancel {
                    // A second request to cancel is final.
                    Ok(Phase::Killing {
                        result,
                        give_up: now + KILL_LIMIT,
                    })
                } else {
                    Ok(Phase::Terminating { result, kill_at })
                }
            }
            Phase::Killing { result, give_up } => {
                let alive = self.kill_all();
                if alive.is_empty() {
                    Ok(drain(result, now))
                } else if now >= give_up {
                    let pids: Vec<String> = alive.iter().map(|p| p.pid.to_string()).collect();
                    self.warnings.push(format!(
                        "processes that the script started could not be ended: pid {}",
                        pids.join(", ")
                    ));
                    Ok(drain(result, now))
                } else {
                    Ok(Phase::Killing { result, give_up })
                }
            }
        })
    }

    /// The script has ended by itself.
    fn ended(&mut self, exit: Exit, told: Told, now: Instant) -> Result<Phase, ScriptResult> {
        let (result, by_shutdown) = match exit {
            Exit::Code(0) => {
                // Nothing is signalled from here on, so its number may go.
                self.reap_script();
                return if self.capture.is_closed() {
                    Err(ScriptResult::Succeeded)
                } else {
                    Ok(Phase::LeftOpen {
                        since: now,
                        warned: false,
                        shutdown: told.shutdown.then(|| now + SHUTDOWN_DRAIN),
                    })
                };
            }
            Exit::Code(exit_code) => (
                ScriptResult::Failed { exit_code },
                // What shells make of a child's death by SIGHUP, SIGKILL, SIGTERM.
                [129, 137, 143].contains(&exit_code),
            ),
            Exit::Signal(number) => (
                ScriptResult::Killed {
                    signal: describe(number),
                },
                [Signal::SIGHUP, Signal::SIGKILL, Signal::SIGTERM]
                    .map(|signal| signal as i32)
                    .contains(&number),
            ),
        };
        if told.shutdown {
            return Ok(self.terminate(ScriptResult::HostShutdown, now));
        }
        Ok(Phase::Draining {
            result,
            until: now + DRAIN,
            window: by_shutdown.then(|| now + SHUTDOWN_WINDOW),
        })
    }

    fn left_open(
        &mut self,
        since: Instant,
        mut warned: bool,
        mut shutdown: Option<Instant>,
        told: Told,
        now: Instant,
    ) -> Result<Phase, ScriptResult> {
        let released = self.request.outputs_left_open == OutputsLeftOpen::Release;
        let timed_out = self.deadline.is_some_and(|deadline| now >= deadline);
        if self.capture.is_closed() {
            return Err(ScriptResult::Succeeded);
        }
        if told.cancel {
            return Err(ScriptResult::Cancelled);
        }
        if told.shutdown {
            shutdown = shutdown.or(Some(now + SHUTDOWN_DRAIN));
        }
        if shutdown.is_some_and(|limit| now >= limit) {
            return Err(ScriptResult::HostShutdown);
        }
        let release = self
            .deadline
            .map_or(since + RELEASE, |deadline| deadline.min(since + RELEASE));
        let over = timed_out || (released && now >= release);
        if !warned && (over || now >= since + WARN_LEFT_OPEN) {
            warned = true;
            let then = if released {
                let after = release.saturating_duration_since(since).as_secs_f64();
                format!("it counts as succeeded after {} s", after.round())
            } else {
                format!(
                    "it fails if they are not closed within its timeout of {} s; start daemons \
                     with their output redirected",
                    self.request.timeout_seconds
                )
            };
            self.warn_about_holders(&format!(
                "the script has ended with exit code 0 and its output is held open ({then})"
            ));
        }
        if !over {
            return Ok(Phase::LeftOpen {
                since,
                warned,
                shutdown,
            });
        }
        if released {
            return Err(ScriptResult::Succeeded);
        }
        let open = self.capture.open_streams();
        let (holders, all_visible) = processes::holders(&open);
        Err(ScriptResult::OutputLeftOpen {
            seconds: self.request.timeout_seconds,
            streams: open.into_iter().map(|(stream, _)| stream).collect(),
            holders,
            all_visible,
        })
    }

    fn terminate(&mut self, result: ScriptResult, now: Instant) -> Phase {
        if let Family::Kin { refused, .. } = &self.family {
            self.warnings.push(format!(
                "this host does not leave orphaned processes to the runner \
                 (PR_SET_CHILD_SUBREAPER: {}), so those of the script were recognised by their \
                 session and environment; one that has left its session with another environment, \
                 or whose environment cannot be read, goes on",
                refused.desc()
            ));
        }
        self.signal_group(Signal::SIGTERM);
        if self.is_all_over() {
            return drain(result, now);
        }
        Phase::Terminating {
            result,
            kill_at: now + GRACE,
        }
    }

    fn warn_about_holders(&mut self, what: &str) {
        let open = self.capture.open_streams();
        let (holders, all_visible) = processes::holders(&open);
        let streams: Vec<String> = open.iter().map(|(stream, _)| stream.to_string()).collect();
        let mut text = format!("{what}: {}", streams.join(" and "));
        if !holders.is_empty() {
            let names: Vec<String> = holders
                .iter()
                .take(NAMED_HOLDERS)
                .map(ToString::to_string)
                .collect();
            text.push_str(" by ");
            text.push_str(&names.join(", "));
            if holders.len() > NAMED_HOLDERS {
                text.push_str(&format!(" and {} more", holders.len() - NAMED_HOLDERS));
            }
        }
        if !all_visible {
            text.push_str(" (not all processes of this host could be looked at)");
        }
        self.capture.warn(&text);
        self.warnings.push(text);
    }

    fn next_deadline(&self, phase: &Phase) -> Option<Instant> {
        match phase {
            Phase::Running => self.deadline,
            Phase::LeftOpen {
                since,
                warned,
                shutdown,
            } => {
                let warn = (!warned).then(|| *since + WARN_LEFT_OPEN);
                let release = (self.request.outputs_left_open == OutputsLeftOpen::Release)
                    .then(|| *since + RELEASE);
                [self.deadline, *shutdown, warn, release]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Phase::Draining { until, window, .. } => {
                // With nothing left to read, nothing would wake us before the limit.
                if self.capture.is_closed() {
                    Some(window.unwrap_or_else(Instant::now))
                } else {
                    Some(*until)
                }
            }
            Phase::Terminating { kill_at, .. } => Some(match self.family {
                Family::Descendants => *kill_at,
                Family::Kin { .. } => (*kill_at).min(Instant::now() + ORPHANS_INTERVAL),
            }),
            Phase::Killing { .. } => Some(Instant::now() + KILL_INTERVAL),
        }
    }

    /// Sleeps until there is output, a signal, or `deadline` has come.
    fn wait(&self, deadline: Option<Instant>) -> Told {
        let mut descriptors = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        for descriptor in self.capture.descriptors() {
            descriptors.push(PollFd::new(descriptor, PollFlags::POLLIN));
        }
        let timeout = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                // Rounded up, or the last millisecond would be spent spinning.
                let milliseconds = left.as_nanos().div_ceil(1_000_000);
                PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
            }
        };
        if let Err(error) = poll(&mut descriptors, timeout)
            && error != Errno::EINTR
        {
            // The kernel is short of memory; the script must not be left alone for that.
            std::thread::sleep(POLL_PAUSE);
        }
        told(self.signals)
    }
}

fn drain(result: ScriptResult, now: Instant) -> Phase {
    Phase::Draining {
        result,
        until: now + DRAIN,
        window: None,
    }
}

fn describe(number: i32) -> outcome::Signal {
    outcome::Signal {
        name: Signal::try_from(number).map_or_else(
            |_| format!("signal {number}"),
            |signal| signal.as_str().to_owned(),
        ),
        number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_real_time_ones_a_number() {
        assert_eq!(describe(9).to_string(), "SIGKILL (9)");
        assert_eq!(describe(40).name, "signal 40");
    }
}
