//! What has happened, in order, and waiting for more.

use std::fmt::Debug;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Generous: it only ends tests that have failed already.
const PATIENCE: Duration = Duration::from_secs(60);

/// A list that grows.
#[derive(Debug)]
pub(super) struct Transcript<T> {
    entries: Mutex<Vec<T>>,
    changed: Condvar,
}

impl<T> Default for Transcript<T> {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl<T: Clone + Debug> Transcript<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry; its index.
    pub(super) fn record(&self, entry: T) -> usize {
        let mut entries = self.lock();
        entries.push(entry);
        self.changed.notify_all();
        entries.len() - 1
    }

    /// Changes an entry.
    pub(super) fn update(&self, index: usize, change: impl FnOnce(&mut T)) {
        change(&mut self.lock()[index]);
        self.changed.notify_all();
    }

    /// All entries so far.
    pub(super) fn entries(&self) -> Vec<T> {
        self.lock().clone()
    }

    /// Waits until `reached`, and gives the entries of that moment.
    ///
    /// # Panics
    /// When that takes longer than a minute: with `what` was waited for and all entries.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, mut reached: impl FnMut(&[T]) -> bool) -> Vec<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut entries = self.lock();
        while !reached(&entries) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what}; so far: {entries:#?}"
            );
            let woken = self.changed.wait_timeout(entries, left);
            entries = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        entries.clone()
    }

    /// Waits, for as long as it takes, until the entries are as `reached` wants them.
    pub(super) fn wait_for_ever(&self, mut reached: impl FnMut(&[T]) -> bool) -> Vec<T> {
        let mut entries = self.lock();
        while !reached(&entries) {
            entries = self
                .changed
                .wait(entries)
                .unwrap_or_else(PoisonError::into_inner);
        }
        entries.clone()
    }
}
