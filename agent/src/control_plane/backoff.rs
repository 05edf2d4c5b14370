//! How long to wait. Pure (contract: protocol, the flow of one command).

use std::time::Duration;

/// The growth of the wait with each consecutive error, the errors that count, and the wait after
/// as many, in seconds.
const GROWTH: f64 = 1.2675;
const MOST_ERRORS: u32 = 10;
const LONGEST_WAIT: f64 = 90.0;

/// The shortest and the longest pause after throttling, in seconds.
const THROTTLE_SHORTEST: f64 = 1.0;
const THROTTLE_LONGEST: f64 = 30.0;

/// The wait after this many consecutive errors; nothing after none.
#[must_use]
pub fn error_backoff(errors: u32) -> Duration {
    if errors == 0 {
        return Duration::ZERO;
    }
    // Raised step by step, because the number is small.
    let power = |times: u32| (0..times).fold(1.0, |product, _| product * GROWTH);
    let seconds = power(errors.min(MOST_ERRORS)) * (LONGEST_WAIT / power(MOST_ERRORS));
    Duration::from_secs_f64(seconds.min(LONGEST_WAIT))
}

/// The wait after a poll that came back empty: the rest of `wait_between_runs` after the time
/// that the service held the poll.
#[must_use]
pub fn idle_wait(wait_between_runs: Duration, held: Duration) -> Duration {
    wait_between_runs.saturating_sub(held)
}

/// The pause after this many consecutive throttlings: 1 s to a limit that doubles each time up to
/// 30 s, `fraction` (0 to 1, random) of the way.
pub(super) fn throttle_pause(throttlings: u32, fraction: f64) -> Duration {
    let doubled = (0..throttlings.min(8)).fold(1.0, |limit: f64, _| limit * 2.0);
    let limit = doubled.clamp(THROTTLE_SHORTEST, THROTTLE_LONGEST);
    let seconds = THROTTLE_SHORTEST + fraction.clamp(0.0, 1.0) * (limit - THROTTLE_SHORTEST);
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 0.0)]
    #[case(1, 10.659)]
    #[case(2, 13.510)]
    #[case(5, 27.511)]
    #[case(9, 71.006)]
    #[case(10, 90.0)]
    #[case(11, 90.0)]
    #[case(u32::MAX, 90.0)]
    fn wait_after_errors(#[case] errors: u32, #[case] seconds: f64) {
        let wait = error_backoff(errors).as_secs_f64();
        assert!((wait - seconds).abs() < 0.01, "{wait}");
    }

    #[rstest]
    #[case::answered_at_once(1000, 5, 995)]
    #[case::held(1000, 60_000, 0)]
    #[case::exactly(30_000, 30_000, 0)]
    fn idle(#[case] wait: u64, #[case] held: u64, #[case] expected: u64) {
        let wait = idle_wait(Duration::from_millis(wait), Duration::from_millis(held));
        assert_eq!(wait, Duration::from_millis(expected));
    }

    #[rstest]
    #[case(0, 0.9, 1.0)]
    #[case(1, 0.0, 1.0)]
    #[case(1, 0.5, 1.5)]
    #[case(3, 1.0, 8.0)]
    #[case(5, 1.0, 30.0)]
    #[case(5, 0.0, 1.0)]
    #[case(u32::MAX, 1.0, 30.0)]
    fn pause_after_throttling(
        #[case] throttlings: u32,
        #[case] fraction: f64,
        #[case] seconds: f64,
    ) {
        let pause = throttle_pause(throttlings, fraction);
        assert_eq!(pause, Duration::from_secs_f64(seconds));
    }

    proptest! {
        #[test]
        fn a_pause_is_1_to_30_s(throttlings: u32, fraction: f64) {
            let pause = throttle_pause(throttlings, if fraction.is_nan() { 0.0 } else { fraction });
            prop_assert!((1.0..=30.0).contains(&pause.as_secs_f64()));
        }
    }
}
