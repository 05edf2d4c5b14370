//! A distribution of durations.

use std::time::Duration;

/// The upper bounds of the buckets, in seconds: from a hook that only looks to a deployment that
/// takes its hour. One more bucket takes what is longer.
pub(super) const BOUNDS: [f64; 12] = [
    0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// How many durations fell into which bucket.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    /// Of each bucket alone; the last one has no bound.
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    pub(super) fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        self.buckets[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.sum += duration;
    }

    /// The bounds, the last one infinite, each with how many durations are not above it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let mut so_far = 0;
        bounds.zip(self.buckets).map(move |(bound, count)| {
            so_far += count;
            (bound, so_far)
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// In seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }
}
