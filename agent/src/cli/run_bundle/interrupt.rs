//! Ctrl-C and its relatives: they end the deployment in order instead of the process at once.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::executor::{Interrupter, Interruption};

/// Listens for SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(in crate::cli) struct Interrupt {
    /// The number of the signal that has come; 0 for none.
    signal: watch::Receiver<i32>,
    interruption: Interruption,
}

impl Interrupt {
    /// Starts to listen, in a task of its own.
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let (number, signal_received) = watch::channel(0);
        let (interrupter, interruption) = Interrupter::new();
        let interrupter = Arc::new(interrupter);
        for kind in kinds {
            let mut signals = signal(kind)?;
            let (number, interrupter) = (number.clone(), Arc::clone(&interrupter));
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    number.send_replace(kind.as_raw_value());
                    interrupter.cancel();
                }
            });
        }
        Ok(Self {
            signal: signal_received,
            interruption,
        })
    }

    /// Cancelled with the first signal.
    pub(in crate::cli) fn interruption(&self) -> Interruption {
        self.interruption.clone()
    }

    /// The number of the last signal; 0 when none has come.
    pub(in crate::cli) fn signal(&self) -> i32 {
        *self.signal.borrow()
    }
}
