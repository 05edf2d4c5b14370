//! One gate for all workers: when the service says that there are too many requests, all of them
//! slow down together.
//!
//! After a throttled call the gate closes for a pause that grows with each throttling (see
//! `backoff`) or for the service's own `Retry-After`. Then calls go through one a second, until as
//! many have succeeded as were throttled; so sixteen workers that waited do not cause the next
//! throttling together. Throttled calls that were sent before the gate closed count once.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Error;
use super::backoff::throttle_pause;

/// The distance between calls while the service has not recovered.
const SPACING: Duration = Duration::from_secs(1);

/// From the fifth throttling on the limit of the pause stays the same.
const MOST_THROTTLINGS: u32 = 5;

/// The longest `Retry-After` that is obeyed. Longer ones would outlive the service's patience with
/// a deployment, and are more likely a mistake.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The gate. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
}

/// The right to make one call now. Report its result with [`Pass::report`]; a pass that is dropped
/// (its call was given up) says nothing.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    gate: Gate,
    throttlings_before: u64,
}

impl Gate {
    /// An open gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until a call may be made. Dropping the future gives up the waiting.
    pub async fn enter(&self) -> Pass {
        loop {
            // Not kept over the wait.
            let admitted = self.state().admit(Instant::now());
            match admitted {
                Ok(throttlings_before) => {
                    return Pass {
                        gate: self.clone(),
                        throttlings_before,
                    };
                }
                Err(until) => tokio::time::sleep_until(until.into()).await,
            }
        }
    }

    /// Makes a call when it may be made, and reports its result. Dropping the future gives up
    /// both. For a poll use [`Self::enter`], so that the time at the gate is not taken for time
    /// that the service held the poll.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn run<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let pass = self.enter().await;
        let result = call.await;
        pass.report(&result);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Tells the gate how the call went.
    pub fn report<T>(self, result: &Result<T, Error>) {
        let mut state = self.gate.state();
        let now = Instant::now();
        match result {
            Ok(_) => state.succeeded(self.throttlings_before),
            Err(error) if error.is_throttling() => {
                let pause = |throttlings| throttle_pause(throttlings, fastrand::f64());
                state.throttled(self.throttlings_before, now, error.retry_after(), pause);
            }
            Err(error) => {
                if let Some(retry_after) = error.retry_after() {
                    state.close_until(now + retry_after.min(LONGEST_RETRY_AFTER));
                }
            }
        }
    }
}

/// The gate without its clock.
#[derive(Debug, Default)]
struct State {
    /// Throttlings that have not been made up for by successes.
    level: u32,
    /// All throttlings that counted; tells which calls were sent before the last one.
    throttlings: u64,
    /// Nothing passes before; none: open.
    closed_until: Option<Instant>,
}

impl State {
    /// How many throttlings there were before, or when to ask again.
    fn admit(&mut self, now: Instant) -> Result<u64, Instant> {
        match self.closed_until {
            Some(until) if until > now => return Err(until),
            _ if self.level > 0 => self.closed_until = Some(now + SPACING),
            _ => self.closed_until = None,
        }
        Ok(self.throttlings)
    }

    fn throttled(
        &mut self,
        throttlings_before: u64,
        now: Instant,
        retry_after: Option<Duration>,
        pause: impl Fn(u32) -> Duration,
    ) {
        if throttlings_before == self.throttlings {
            self.throttlings += 1;
            self.level = (self.level + 1).min(MOST_THROTTLINGS);
            self.close_until(now + pause(self.level));
        }
        if let Some(retry_after) = retry_after {
            self.close_until(now + retry_after.min(LONGEST_RETRY_AFTER));
        }
    }

    fn succeeded(&mut self, throttlings_before: u64) {
        if throttlings_before == self.throttlings {
            self.level = self.level.saturating_sub(1);
        }
    }

    fn close_until(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control_plane::{Operation, ServiceError};

    const SECOND: Duration = Duration::from_secs(1);

    fn two_seconds(_: u32) -> Duration {
        2 * SECOND
    }

    fn service_error(status: u16, retry_after: Option<Duration>) -> Error {
        Error::Service(Box::new(ServiceError {
            operation: Operation::PollHostCommand,
            status,
            code: None,
            message: String::new(),
            access_key_id: String::new(),
            request_id: None,
            retry_after,
            clock_skew: None,
        }))
    }

    #[test]
    fn open_until_throttled_and_closed_for_the_pause() {
        let (mut state, start) = (State::default(), Instant::now());
        assert!((0..100).all(|_| state.admit(start) == Ok(0)));
        state.throttled(0, start, None, two_seconds);
        assert_eq!(state.admit(start + SECOND), Err(start + 2 * SECOND));
        assert_eq!(state.admit(start + 2 * SECOND), Ok(1));
    }

    #[test]
    fn calls_sent_before_the_gate_closed_count_once() {
        let (mut state, start) = (State::default(), Instant::now());
        for _ in 0..16 {
            state.throttled(0, start, None, two_seconds);
        }
        assert_eq!((state.level, state.throttlings), (1, 1));
        // Neither does a long poll from before that ends well open it.
        state.succeeded(0);
        assert_eq!(state.level, 1);
    }

    #[test]
    fn those_that_waited_go_one_a_second_until_the_service_has_recovered() {
        let (mut state, start) = (State::default(), Instant::now());
        state.throttled(0, start, None, two_seconds);
        state.throttled(1, start, None, two_seconds);
        let open = start + 2 * SECOND;
        let pass = state.admit(open).unwrap();
        assert_eq!(state.admit(open), Err(open + SECOND));
        state.succeeded(pass);
        let pass = state.admit(open + SECOND).unwrap();
        assert_eq!(state.admit(open + SECOND), Err(open + 2 * SECOND));
        state.succeeded(pass);
        let open = open + 2 * SECOND;
        assert!((0..100).all(|_| state.admit(open).is_ok()));
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let (mut state, now) = (State::default(), Instant::now());
        let seen = std::cell::RefCell::new(Vec::new());
        for before in 0..7 {
            state.throttled(before, now, None, |level| {
                seen.borrow_mut().push(level);
                SECOND
            });
        }
        assert_eq!(seen.into_inner(), [1, 2, 3, 4, 5, 5, 5]);
    }

    #[test]
    fn retry_after_is_honoured_within_reason() {
        let (mut state, now) = (State::default(), Instant::now());
        state.throttled(0, now, Some(7 * SECOND), two_seconds);
        assert_eq!(state.admit(now), Err(now + 7 * SECOND));
        // An earlier call's answer may lengthen the wait, never shorten it.
        state.throttled(0, now, Some(9 * SECOND), two_seconds);
        state.throttled(0, now, Some(SECOND), two_seconds);
        assert_eq!(state.admit(now), Err(now + 9 * SECOND));
        state.throttled(1, now, Some(Duration::MAX), two_seconds);
        assert_eq!(state.admit(now), Err(now + LONGEST_RETRY_AFTER));
    }

    #[tokio::test]
    async fn retry_after_of_an_unavailable_service_closes_the_gate() {
        let gate = Gate::new();
        let result: Result<(), _> = Err(service_error(503, Some(60 * SECOND)));
        gate.enter().await.report(&result);
        assert_eq!(gate.state().level, 0);
        assert!(gate.state().admit(Instant::now()).is_err());
    }

    #[tokio::test]
    async fn workers_can_be_tasks_of_their_own() {
        let gate = Gate::new();
        let task = tokio::spawn(async move { gate.run(async { Ok(7) }).await });
        assert_eq!(task.await.unwrap().unwrap(), 7);
    }

    #[tokio::test]
    async fn waiting_at_the_gate_can_be_given_up() {
        let gate = Gate::new();
        let other = gate.clone();
        let throttled = gate
            .run(async { Err::<(), _>(service_error(429, None)) })
            .await;
        assert!(throttled.is_err());
        let waiting = other.run(async { Ok(()) });
        let result = tokio::time::timeout(Duration::from_millis(20), waiting).await;
        assert!(
            result.is_err(),
            "the gate must be closed for a second at least"
        );
        assert_eq!(gate.state().level, 1);
    }
}
