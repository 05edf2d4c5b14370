//! How work in progress hears that it is to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Tells work in progress to stop.
#[derive(Debug)]
pub struct Interrupter {
    cancel: watch::Sender<bool>,
    hand_over: watch::Sender<bool>,
    flag: Arc<AtomicBool>,
}

/// What work in progress listens to. Clones hear the same.
#[derive(Debug, Clone)]
pub struct Interruption {
    cancelled: watch::Receiver<bool>,
    handed_over: watch::Receiver<bool>,
    flag: Arc<AtomicBool>,
}

impl Interrupter {
    /// Both ends.
    #[must_use]
    pub fn new() -> (Self, Interruption) {
        let (cancel, cancelled) = watch::channel(false);
        let (hand_over, handed_over) = watch::channel(false);
        let flag = Arc::<AtomicBool>::default();
        let interruption = Interruption {
            cancelled,
            handed_over,
            flag: Arc::clone(&flag),
        };
        let interrupter = Self {
            cancel,
            hand_over,
            flag,
        };
        (interrupter, interruption)
    }

    /// The operator wants the command to end, scripts with all that they have started. Said once
    /// more: at once.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.cancel.send_replace(true);
    }

    /// This process is about to end, and the next one takes the command up: scripts go on, what
    /// is done by this process stops where it can be taken up.
    pub fn hand_over(&self) {
        self.flag.store(true, Ordering::Relaxed);
        self.hand_over.send_replace(true);
    }
}

impl Interruption {
    /// Whether the operator wants the command to end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Whether the next process takes the command up.
    #[must_use]
    pub fn is_handed_over(&self) -> bool {
        *self.handed_over.borrow()
    }

    /// For work that blocks: true when it is to stop, for either reason.
    #[must_use]
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }

    /// Returns when the work is to stop, for either reason.
    pub async fn told(&self) {
        let (mut cancelled, mut handed_over) = (self.cancelled.clone(), self.handed_over.clone());
        tokio::select! {
            () = told(&mut cancelled) => {}
            () = told(&mut handed_over) => {}
        }
    }

    /// Returns when the next process is to take the command up.
    pub async fn handed_over(&self) {
        told(&mut self.handed_over.clone()).await;
    }

    /// For each time that the operator says it.
    pub(super) fn cancellations(&self) -> watch::Receiver<bool> {
        self.cancelled.clone()
    }
}

/// Returns when `signal` is true; never when nobody can say so any more.
async fn told(signal: &mut watch::Receiver<bool>) {
    if signal.wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}
