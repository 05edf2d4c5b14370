//! Many cases at a time: they mostly wait.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// At once, over all tests of this process.
const SLOTS: usize = 6;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

struct Slot;

impl Slot {
    fn take() -> Self {
        let mut taken = lock(&TAKEN);
        while *taken == SLOTS {
            taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *lock(&TAKEN) -= 1;
        FREED.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs each case, all of them although some fail, and then fails with the names of those.
pub(crate) fn run_all<T: Display + Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    assert!(!cases.is_empty());
    let next = Mutex::new(cases.iter());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SLOTS {
            scope.spawn(|| {
                loop {
                    let Some(case) = lock(&next).next() else {
                        return;
                    };
                    let _slot = Slot::take();
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(case))) {
                        let said = panic
                            .downcast_ref::<String>()
                            .map(String::as_str)
                            .or_else(|| panic.downcast_ref::<&str>().copied())
                            .unwrap_or_default();
                        lock(&failures).push(format!("== {case}: {said}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}
