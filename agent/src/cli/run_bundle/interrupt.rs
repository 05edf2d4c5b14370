//! Ctrl-C and its relatives: they end the deployment in order instead of the process at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Listens for SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(super) struct Interrupt {
    /// The number of the signal that has come; 0 for none.
    signal: watch::Receiver<i32>,
    cancelled: watch::Receiver<bool>,
}

impl Interrupt {
    /// Starts to listen, in a task of its own.
    pub(super) fn listen() -> io::Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let (number, signal_received) = watch::channel(0);
        let (cancel, cancelled) = watch::channel(false);
        for kind in kinds {
            let mut signals = signal(kind)?;
            let (number, cancel) = (number.clone(), cancel.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    number.send_replace(kind.as_raw_value());
                    cancel.send_replace(true);
                }
            });
        }
        Ok(Self {
            signal: signal_received,
            cancelled,
        })
    }

    /// Turns true with the first signal.
    pub(super) fn cancelled(&self) -> watch::Receiver<bool> {
        self.cancelled.clone()
    }

    /// The number of the last signal; 0 when none has come.
    pub(super) fn signal(&self) -> i32 {
        *self.signal.borrow()
    }
}
