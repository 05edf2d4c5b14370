//! The poll loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::{Desk, Place};
use super::signals::{Signals, Stopping};
use crate::control_plane::{ControlPlane, Gate, HostCommand, error_backoff, idle_wait};
use crate::error::chain;

/// What the loop needs.
pub(super) struct Poller<C> {
    pub(super) client: Arc<C>,
    pub(super) gate: Gate,
    pub(super) desk: Desk,
    pub(super) host_identifier: String,
    /// `wait_between_runs`.
    pub(super) wait_between_runs: Duration,
    pub(super) signals: Signals,
}

impl<C: ControlPlane> Poller<C> {
    /// Polls until told to stop; `begin` takes each new command to work. A poll in flight is given
    /// up when the agent is to stop.
    pub(super) async fn run(self, mut begin: impl FnMut(HostCommand, Place)) {
        let mut errors = 0;
        loop {
            tokio::select! {
                biased;
                () = self.signals.reached(Stopping::Draining) => return,
                () = async {
                    let pause = self.poll_once(&mut errors, &mut begin).await;
                    tokio::time::sleep(pause).await;
                } => {}
            }
        }
    }

    /// One poll; returns the time until the next.
    async fn poll_once(
        &self,
        errors: &mut u32,
        begin: &mut impl FnMut(HostCommand, Place),
    ) -> Duration {
        // No command is asked for that could not be begun.
        let Some(vacancy) = self.desk.vacancy().await else {
            return self.wait_between_runs;
        };
        let pass = self.gate.enter().await;
        let asked = Instant::now();
        let answer = self.client.poll_host_command(&self.host_identifier).await;
        pass.report(&answer);
        let held = asked.elapsed();
        match answer {
            Ok(command) => {
                if *errors > 0 {
                    tracing::info!("the service answers again after {errors} failed polls");
                    *errors = 0;
                }
                let Some(command) = command else {
                    return idle_wait(self.wait_between_runs, held);
                };
                if let Err(reason) = self.acceptable(&command) {
                    tracing::warn!(
                        command = command.command_name,
                        deployment = command.deployment_execution_id,
                        "a command is refused: {reason}"
                    );
                    return idle_wait(self.wait_between_runs, held);
                }
                match self.desk.take(vacancy, &command.host_command_identifier) {
                    Some(place) => {
                        begin(command, place);
                        Duration::ZERO
                    }
                    None => {
                        tracing::info!(
                            command = command.command_name,
                            "the service hands out a command again that is at work or over"
                        );
                        idle_wait(self.wait_between_runs, held)
                    }
                }
            }
            // The gate holds the next poll back.
            Err(error) if error.is_throttling() => {
                tracing::warn!("the service is throttling: {}", chain(&error));
                Duration::ZERO
            }
            Err(error) => {
                *errors += 1;
                let pause = error_backoff(*errors);
                tracing::error!(
                    again_in_seconds = pause.as_secs_f64(),
                    "cannot poll the service: {}",
                    chain(&error)
                );
                pause
            }
        }
    }

    fn acceptable(&self, command: &HostCommand) -> Result<(), &'static str> {
        let host = &command.host_identifier;
        // v1's test: ours contains the one that came (contract: protocol, flow, step 1).
        if host.is_empty() || !self.host_identifier.contains(host) {
            return Err("it is for another host");
        }
        if command.command_name.is_empty() {
            return Err("it has no name");
        }
        if command.host_command_identifier.is_empty() {
            return Err("it has no identifier, so nothing could be reported for it");
        }
        Ok(())
    }
}
