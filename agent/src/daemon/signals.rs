//! The daemon's signals, and how far they have it stop.
//!
//! | signal | first | once more |
//! |---|---|---|
//! | SIGTERM, SIGINT | hand over | at once |
//! | SIGTERM, SIGINT as PID 1 | drain | hand over, then at once |
//! | SIGQUIT | drain | hand over, then at once |
//! | SIGHUP | survived: log files are reopened whenever somebody has moved them | |
//!
//! PID 1 of a container takes all other processes with it when it ends, hooks among them, so only
//! there SIGTERM waits for them.

use std::io;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::executor::{Interrupter, Interruption};

/// How far the daemon is to stop; each includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stopping {
    /// Not at all.
    No,
    /// No new work; what is at work comes to its end, and its result is sent.
    Draining,
    /// What is at work is left where the next agent takes it up. Hooks go on.
    HandingOver,
    /// Nothing is waited for.
    AtOnce,
}

impl Stopping {
    fn further(self) -> Self {
        match self {
            Self::No => Self::Draining,
            Self::Draining => Self::HandingOver,
            Self::HandingOver | Self::AtOnce => Self::AtOnce,
        }
    }

    /// What a signal that asks for `asked` leads to.
    fn after(self, asked: Self) -> Self {
        if self < asked { asked } else { self.further() }
    }
}

/// What the signals have said so far. Clones hear the same.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    stopping: watch::Receiver<Stopping>,
    interruption: Interruption,
}

impl Signals {
    /// How far the daemon is to stop by now.
    pub(super) fn stopping(&self) -> Stopping {
        *self.stopping.borrow()
    }

    /// Returns when the daemon is to stop so far, or further.
    pub(super) async fn reached(&self, stopping: Stopping) {
        let mut receiver = self.stopping.clone();
        if receiver.wait_for(|now| *now >= stopping).await.is_err() {
            // Nobody can say so any more.
            std::future::pending::<()>().await;
        }
    }

    /// Returns when the daemon is to stop further than that.
    pub(super) async fn beyond(&self, stopping: Stopping) {
        let mut receiver = self.stopping.clone();
        if receiver.wait_for(|now| *now > stopping).await.is_err() {
            // Nobody can say so any more.
            std::future::pending::<()>().await;
        }
    }

    /// The same for commands at work.
    pub(super) fn interruption(&self) -> Interruption {
        self.interruption.clone()
    }
}

#[cfg(test)]
impl Signals {
    /// As if each change of the sender's value were a signal.
    pub(super) fn told_by(sender: &watch::Sender<Stopping>) -> Self {
        Self {
            stopping: sender.subscribe(),
            interruption: Interrupter::new().1,
        }
    }
}

/// Starts to listen, in tasks of its own.
pub(super) fn listen() -> io::Result<Signals> {
    // One that arrives between the taking over of a signal and the first listener would be lost:
    // it is held back until both are there.
    let held: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT]
        .into_iter()
        .collect();
    held.thread_block()?;
    let listening = register();
    held.thread_unblock()?;
    listening
}

/// Registers for all signals; see [`listen`] for what the caller has to see to.
fn register() -> io::Result<Signals> {
    let terminate = if std::process::id() == 1 {
        Stopping::Draining
    } else {
        Stopping::HandingOver
    };
    let (sender, stopping) = watch::channel(Stopping::No);
    let (interrupter, interruption) = Interrupter::new();
    let interrupter = Arc::new(interrupter);
    for (kind, asked) in [
        (SignalKind::terminate(), terminate),
        (SignalKind::interrupt(), terminate),
        (SignalKind::quit(), Stopping::Draining),
    ] {
        let mut signals = signal(kind)?;
        let (sender, interrupter) = (sender.clone(), Arc::clone(&interrupter));
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let before = sender.borrow().to_owned();
                let now = before.after(asked);
                tracing::info!("signal {}: {}", kind.as_raw_value(), what(now));
                sender.send_replace(now);
                if now >= Stopping::HandingOver {
                    interrupter.hand_over();
                }
            }
        });
    }
    let mut hang_ups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hang_ups.recv().await.is_some() {
            tracing::info!("SIGHUP: log files that were moved are made anew with the next line");
        }
    });
    Ok(Signals {
        stopping,
        interruption,
    })
}

fn what(stopping: Stopping) -> &'static str {
    match stopping {
        Stopping::No => "going on",
        Stopping::Draining => "no new commands; stopping when those at work are over",
        Stopping::HandingOver => "stopping; the next agent takes up what is at work",
        Stopping::AtOnce => "stopping at once",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::terminated(&[Stopping::HandingOver], Stopping::HandingOver)]
    #[case::twice(&[Stopping::HandingOver; 2], Stopping::AtOnce)]
    #[case::drained(&[Stopping::Draining], Stopping::Draining)]
    #[case::drained_then_terminated(
        &[Stopping::Draining, Stopping::HandingOver],
        Stopping::HandingOver
    )]
    #[case::drained_twice(&[Stopping::Draining; 2], Stopping::HandingOver)]
    #[case::drained_three_times(&[Stopping::Draining; 3], Stopping::AtOnce)]
    #[case::handed_over_then_drained(
        &[Stopping::HandingOver, Stopping::Draining],
        Stopping::AtOnce
    )]
    fn each_signal_leads_at_least_one_step_further(
        #[case] asked: &[Stopping],
        #[case] reached: Stopping,
    ) {
        let now = asked
            .iter()
            .fold(Stopping::No, |now, asked| now.after(*asked));
        assert_eq!(now, reached);
    }
}
