//! Calls that are made again when what failed may pass.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::control_plane::{Error, Gate, error_backoff};
use crate::error::chain;

/// Makes `call` until it succeeds, fails for good, or `patience` is over. Throttling is the
/// gate's business and only uses up patience.
pub(super) async fn patiently<T, F>(
    gate: &Gate,
    patience: Duration,
    what: &str,
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
        let pause = if error.is_throttling() { Duration::ZERO } else { error_backoff(errors) };
        let may_pass = error.is_throttling() || error.is_transient() || error.is_credentials();
        if !may_pass || began.elapsed() + pause > patience {
            return Err(error);
        }
        tracing::warn!(
            again_in_seconds = pause.as_secs_f64(),
            "{what} failed and is tried again: {}",
            chain(&error)
        );
        tokio::time::sleep(pause).await;
    }
}

/// Sleeps for `pause`, or until `stop` turns true.
pub(super) async fn sleep_unless(stop: &mut watch::Receiver<bool>, pause: Duration) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = told(stop) => {}
    }
}

/// Returns when `signal` is true; never when nobody can say so any more.
pub(super) async fn told(signal: &mut watch::Receiver<bool>) {
    if signal.wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}
