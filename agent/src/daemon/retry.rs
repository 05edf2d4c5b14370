//! Calls that are made again when what failed may pass.

use std::time::{Duration, Instant};

use crate::control_plane::{Disposition, Error, Gate, Operation, disposition};
use crate::error::chain;
use crate::metrics::Metrics;

/// How long the specification and the acknowledgement are tried for. The service waits for a
/// command longer than this, and a new one is handed out when it does not.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The longest pause between two tries of a call about a command.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause after so many errors of a call about a command: a second, then twice as long each
/// time. A deployment waits meanwhile, so it begins lower than the poll loop's.
pub(super) fn pause_after(errors: u32) -> Duration {
    let doublings = errors.saturating_sub(1).min(10);
    (Duration::from_secs(1) * (1 << doublings)).min(LONGEST_PAUSE)
}

/// Makes `call` until it succeeds, fails for good, or patience is over. Throttling is the gate's
/// business and only uses up patience.
pub(super) async fn patiently<T, F>(
    gate: &Gate,
    metrics: &Metrics,
    operation: Operation,
    mut call: impl FnMut() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let began = Instant::now();
    let mut errors = 0;
    loop {
        let error = match gate.run(call()).await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        errors += 1;
        let pause = if error.is_throttling() {
            Duration::ZERO
        } else {
            pause_after(errors)
        };
        let may_pass = matches!(
            disposition(&error, false),
            Disposition::Retry | Disposition::PerhapsRefused
        );
        if !may_pass || began.elapsed() + pause > PATIENCE {
            return Err(error);
        }
        tracing::warn!(
            again_in_seconds = pause.as_secs_f64(),
            "{operation} failed and is tried again: {}",
            chain(&error)
        );
        metrics.retried(operation);
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds = |errors| pause_after(errors).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 1000].map(seconds), [1, 2, 4, 32, 60, 60]);
    }
}
