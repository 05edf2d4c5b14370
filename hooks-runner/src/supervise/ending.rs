//! Ending and reaping the script and everything that it has started.

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Family, Supervisor};
use crate::kin;
use crate::processes::{self, Process};
use crate::sys;

impl Supervisor<'_> {
    pub(super) fn signal_group(&mut self, signal: Signal) {
        if let Some(elevation) = &self.elevation {
            elevation.kill(signal, &[-self.script.as_raw()]);
            return;
        }
        match killpg(self.script, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => {
                let text = format!(
                    "the script's processes cannot be sent {}: {}",
                    signal.as_str(),
                    error.desc()
                );
                if !self.warnings.contains(&text) {
                    self.warnings.push(text);
                }
            }
        }
    }

    /// Sends SIGKILL to the group and to all others of the family; returns those that were still alive.
    pub(super) fn kill_all(&mut self) -> Vec<Process> {
        self.signal_group(Signal::SIGKILL);
        let Some(alive) = self.survivors() else {
            let text = "/proc cannot be read, so only the script's process group was ended";
            self.warnings.push(text.to_owned());
            return Vec::new();
        };
        let mut others = Vec::new();
        for process in &alive {
            // One that has just ended is no error; the next look tells.
            if processes::signal(process, Signal::SIGKILL) == Err(Errno::EPERM) {
                others.push(process.pid);
            }
        }
        if let Some(elevation) = &self.elevation {
            elevation.kill(Signal::SIGKILL, &others);
        }
        alive
    }

    /// What is alive of the family; the ended ones among our children are reaped on the way.
    /// `None` when /proc cannot be read.
    fn survivors(&self) -> Option<Vec<Process>> {
        if let Family::Kin { started, .. } = &self.family {
            return Some(kin::look(started).ok()?.members);
        }
        let own = std::process::id().cast_signed();
        let mut family = processes::descendants(own).ok()?;
        for process in &family {
            if process.ended && process.parent == own && process.pid != self.script.as_raw() {
                reap(Pid::from_raw(process.pid));
            }
        }
        family.retain(|process| !process.ended);
        Some(family)
    }

    /// Whether the script and everything that it started have ended.
    pub(super) fn is_all_over(&self) -> bool {
        matches!(sys::peek_ended(Some(self.script)), Ok(Some(_)))
            && self.survivors().is_some_and(|alive| alive.is_empty())
    }

    /// Reaps what was left to us, but the script.
    pub(super) fn reap_orphans(&self) {
        while let Ok(Some((pid, _))) = sys::peek_ended(None) {
            if pid == self.script && !self.reaped {
                // It hides the others; they are reaped once it is, or in the sweep.
                return;
            }
            if !reap(pid) {
                return;
            }
        }
    }

    /// Reaps the script. One that even SIGKILL could not end, because we may not or it hangs in
    /// the kernel, is left to whoever adopts it: its result is known without its end.
    pub(super) fn reap_script(&mut self) {
        if !self.reaped {
            self.reaped = reap(self.script);
        }
    }
}

/// Reaps `child` if it has ended; whether it is no child any more. Never waits: a script's
/// timeout, and every request to stop, must come through whatever its processes do.
fn reap(child: Pid) -> bool {
    !matches!(
        waitpid(child, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive)
    )
}
