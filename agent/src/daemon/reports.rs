//! Results on their way to the service: they are in the journal until it has them, so also across
//! restarts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use failpoints::Failpoint;
use tokio::task::spawn_blocking;

use super::retry::pause_after;
use super::signals::{Signals, Stopping};
use crate::control_plane::{
    CompletionStatus, ControlPlane, Disposition, Envelope, Error, Gate, Operation, disposition,
};
use crate::error::chain;
use crate::journal::{Journal, Settlement};
use crate::lifecycle::Verdict;
use crate::metrics::{Gauge, Metrics};

/// A result that has not reached the service for so long is of no use to anybody: it has given up
/// on the command after an hour or two at most.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The same for one that the service answers with an error that this agent does not know: as long
/// as AWS's agent tries (contract: protocol, "The flow of one command").
const TAKEN_FOR_REFUSED_AFTER: Duration = Duration::from_secs(65 * 60);

/// How long a try that is on its way when the agent hands over may still take. After that the next
/// agent sends the result again, and hears whether it had arrived.
const LAST_MOMENT: Duration = Duration::from_millis(300);

/// The way of results to the service.
#[derive(Debug)]
pub(super) struct Reports<C> {
    client: Arc<C>,
    gate: Gate,
    signals: Signals,
    metrics: Metrics,
}

/// A result that the service does not have yet.
#[derive(Debug)]
pub(super) struct Report {
    /// The host command identifier.
    pub(super) command: String,
    /// The result.
    pub(super) verdict: Verdict,
    /// Since when it is there.
    pub(super) since: SystemTime,
    /// A try was made, perhaps by an agent before this one, whose answer never came.
    pub(super) may_have_been_accepted: bool,
    /// Where it is kept; none when that cannot be written.
    pub(super) journal: Option<Arc<Journal>>,
}

impl<C: ControlPlane> Reports<C> {
    pub(super) fn new(client: Arc<C>, gate: Gate, signals: Signals, metrics: Metrics) -> Self {
        Self {
            client,
            gate,
            signals,
            metrics,
        }
    }

    /// Sends a result until the service has accepted it or refused it for good, or the agent
    /// stops: then it stays in the journal for the next one, and false is returned.
    pub(super) async fn send(&self, mut report: Report) -> bool {
        let _counted = self.metrics.in_progress(Gauge::ResultsUndelivered);
        let command = report.command.clone();
        let mut tries = 0;
        // Before the first: an agent that is killed meanwhile cannot say so any more.
        self.note_uncertain(&report).await;
        loop {
            tries += 1;
            let is_last = self.signals.stopping() >= Stopping::Draining;
            let attempt = tokio::select! {
                biased;
                attempt = self.attempt(&report) => attempt,
                () = self.last_moment() => {
                    tracing::info!(command, "the next agent sends the result");
                    return false;
                }
            };
            let Err(error) = attempt else {
                tracing::info!(command, tries, "the service has accepted the result");
                return self.settle(report, Settlement::Accepted).await;
            };
            let given_up_after = match disposition(&error, report.may_have_been_accepted) {
                Disposition::Retry => GIVEN_UP_AFTER,
                Disposition::PerhapsRefused => TAKEN_FOR_REFUSED_AFTER,
                Disposition::AcceptedAlready => {
                    tracing::info!(
                        command,
                        "an earlier try had been accepted: {}",
                        chain(&error)
                    );
                    return self.settle(report, Settlement::Accepted).await;
                }
                Disposition::RefusedForGood => {
                    tracing::error!(command, "the service refuses the result: {}", chain(&error));
                    return self.settle(report, Settlement::Refused).await;
                }
            };
            report.may_have_been_accepted |= error.may_have_been_accepted();
            if report.since.elapsed().is_ok_and(|age| age > given_up_after) {
                tracing::error!(
                    command,
                    "the result is given up after {} minutes: {}",
                    given_up_after.as_secs() / 60,
                    chain(&error)
                );
                return self.settle(report, Settlement::GivenUp).await;
            }
            if is_last {
                tracing::warn!(
                    command,
                    "the result did not reach the service; the next agent sends it: {}",
                    chain(&error)
                );
                return false;
            }
            self.metrics.retried(Operation::PutHostCommandComplete);
            let pause = pause_after(tries);
            tracing::warn!(
                command,
                again_in_seconds = pause.as_secs_f64(),
                "the result did not reach the service and is sent again: {}",
                chain(&error)
            );
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Once more, and then it is the next agent's.
                () = self.signals.reached(Stopping::Draining) => {}
            }
        }
    }

    async fn attempt(&self, report: &Report) -> Result<(), Error> {
        let status = if report.verdict.is_success() {
            CompletionStatus::Succeeded
        } else {
            CompletionStatus::Failed
        };
        let diagnostics = Envelope::json(report.verdict.payload());
        self.gate
            .run(async {
                // What can fail here is the network, for which there are other faults.
                let _ = Failpoint::Complete.pass();
                self.client
                    .put_host_command_complete(&report.command, status, &diagnostics)
                    .await
            })
            .await
    }

    async fn last_moment(&self) {
        self.signals.reached(Stopping::HandingOver).await;
        tokio::time::sleep(LAST_MOMENT).await;
    }

    async fn note_uncertain(&self, report: &Report) {
        let Some(journal) = report.journal.clone() else {
            return;
        };
        let command = report.command.clone();
        let noted = spawn_blocking(move || journal.uncertain(&command)).await;
        if let Ok(Err(error)) = noted {
            // Without the note, a refusal later on would be logged as one; nothing more.
            tracing::warn!(command = report.command, "{}", chain(&error));
        }
    }

    async fn settle(&self, report: Report, settlement: Settlement) -> bool {
        if let Some(journal) = report.journal {
            settle(journal, report.command, settlement).await;
        }
        true
    }
}

/// Notes in the journal that nothing of a command remains to be done.
pub(super) async fn settle(journal: Arc<Journal>, command: String, settlement: Settlement) {
    let id = command.clone();
    if let Ok(Err(error)) = spawn_blocking(move || journal.settled(&id, settlement)).await {
        tracing::error!(
            command,
            "the next agent sends a result again that is settled: {}",
            chain(&error)
        );
    }
}
