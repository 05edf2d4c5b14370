//! The handle through which the parts of the daemon count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use super::deployments::EventEnd;
use super::labels::{CallOutcome, HookResult};
use super::numbers::Numbers;
use super::page::Moment;
use crate::control_plane::Operation;

/// The counters of one process. Clones count into the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    numbers: Mutex<Numbers>,
    changed: Notify,
    began: (SystemTime, Instant),
}

/// What rises and falls with the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Commands at work, those that wait and those whose result waits included.
    CommandsAtWork,
    /// Commands that wait for another one of their deployment.
    CommandsWaiting,
    /// Results that the service has not taken yet.
    ResultsUndelivered,
}

/// Counts in a [`Gauge`] until dropped.
#[derive(Debug)]
pub struct InProgress {
    metrics: Metrics,
    gauge: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counters at 0; the process has begun now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                numbers: Mutex::new(Numbers::new()),
                changed: Notify::new(),
                began: (SystemTime::now(), Instant::now()),
            }),
        }
    }

    /// A call to the command service has come to an outcome.
    pub fn called(&self, operation: Operation, outcome: CallOutcome) {
        self.change(|numbers| numbers.called(operation, outcome));
    }

    /// A call that failed will be made again.
    pub fn retried(&self, operation: Operation) {
        self.change(|numbers| numbers.retries.add(operation));
    }

    /// A lifecycle event has ended.
    pub fn event_ended(&self, end: &EventEnd<'_>) {
        self.change(|numbers| numbers.event_ended(end));
    }

    /// A script of a hook has ended.
    pub fn hook_ended(&self, result: HookResult) {
        self.change(|numbers| numbers.hook_runs.add(result));
    }

    /// A bundle has arrived and is unpacked.
    pub fn downloaded(&self, bytes: u64, took: Duration) {
        self.change(|numbers| {
            numbers.downloaded_bytes += bytes;
            numbers.downloading += took;
        });
    }

    /// Counts in `gauge` until what is returned is dropped.
    #[must_use]
    pub fn in_progress(&self, gauge: Gauge) -> InProgress {
        self.change(|numbers| *gauge.of(numbers) += 1);
        InProgress {
            metrics: self.clone(),
            gauge,
        }
    }

    /// Returns when something was counted since this last returned. For one waiter.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Everything as it is now.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::new(self.numbers().clone(), self.shared.began)
    }

    fn change(&self, change: impl FnOnce(&mut Numbers)) {
        change(&mut self.numbers());
        self.shared.changed.notify_one();
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        let numbers = &self.shared.numbers;
        numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauge {
    fn of(self, numbers: &mut Numbers) -> &mut u64 {
        match self {
            Self::CommandsAtWork => &mut numbers.commands_at_work,
            Self::CommandsWaiting => &mut numbers.commands_waiting,
            Self::ResultsUndelivered => &mut numbers.results_undelivered,
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let gauge = self.gauge;
        self.metrics.change(|numbers| {
            let number = gauge.of(numbers);
            *number = number.saturating_sub(1);
        });
    }
}
