//! The daemon's signals: SIGTERM and SIGINT stop it, a second one at once; SIGHUP is survived,
//! since log files are reopened whenever somebody has moved them.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What the signals have said so far.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    /// Turns true when no new work is to be taken.
    pub(super) stop: watch::Receiver<bool>,
    /// Turns true when work in progress is to be given up.
    pub(super) give_up: watch::Receiver<bool>,
}

/// Starts to listen, in tasks of its own.
pub(super) fn listen() -> io::Result<Signals> {
    let (stop_sender, stop) = watch::channel(false);
    let (give_up_sender, give_up) = watch::channel(false);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let (stop, give_up) = (stop_sender.clone(), give_up_sender.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if stop.send_replace(true) {
                    give_up.send_replace(true);
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
    Ok(Signals { stop, give_up })
}
