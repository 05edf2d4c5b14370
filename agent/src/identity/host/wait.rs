//! Waiting until the host knows who it is.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::super::OnPremises;
use super::super::imds::{Imds, ImdsError};
use super::{HostEnvironment, HostIdentity};

/// Between the first two tries. At boot the service is often only seconds late.
const FIRST: Duration = Duration::from_millis(500);
/// Between later ones, at most.
const LONGEST: Duration = Duration::from_secs(30);

impl HostIdentity {
    /// Finds out who the host is, as often as it takes. `failed` is told of each try that fails,
    /// with the time until the next.
    ///
    /// Safe to drop at any time.
    ///
    /// # Errors
    /// Only when no later try can do better: instance metadata is needed and switched off.
    pub async fn wait(
        on_premises: Option<&OnPremises>,
        environment: &HostEnvironment,
        imds: &Imds,
        failed: impl FnMut(&ImdsError, Duration),
    ) -> Result<Self, ImdsError> {
        Self::wait_with(on_premises, environment, imds, pauses(), failed).await
    }

    pub(super) async fn wait_with(
        on_premises: Option<&OnPremises>,
        environment: &HostEnvironment,
        imds: &Imds,
        pauses: ExponentialBuilder,
        mut failed: impl FnMut(&ImdsError, Duration),
    ) -> Result<Self, ImdsError> {
        let mut pauses = pauses.build();
        loop {
            let error = match Self::resolve(on_premises, environment, imds).await {
                Ok(identity) => return Ok(identity),
                Err(error @ ImdsError::Disabled) => return Err(error),
                Err(error) => error,
            };
            let pause = pauses.next().unwrap_or(LONGEST);
            failed(&error, pause);
            tokio::time::sleep(pause).await;
        }
    }
}

fn pauses() -> ExponentialBuilder {
    let growing = ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST);
    growing.without_max_times()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_half_a_minute() {
        let millis: Vec<u128> = pauses()
            .build()
            .take(1000)
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(millis[..7], [500, 1000, 2000, 4000, 8000, 16_000, 30_000]);
        assert_eq!(millis[999], 30_000);
    }
}
