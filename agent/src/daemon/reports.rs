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

/// How long a draining agent goes on with a result that does not reach the service: through an
/// outage that is short or a service that throttles, but not for ever. Who is in a hurry says so by
/// another signal.
const DRAINING_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The way of results to the service.
#[derive(Debug)]
pub(super) struct Reports<C> {
    client: Arc<C>,
    gate: Gate,
    signals: Signals,
    metrics: Metrics,
    draining_patience: Duration,
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
            draining_patience: DRAINING_PATIENCE,
        }
    }

    /// Sends a result until the service has accepted it or refused it for good, or the agent
    /// stops: then it stays in the journal for the next one, and false is returned.
    pub(super) async fn send(&self, mut report: Report) -> bool {
        let _counted = self.metrics.in_progress(Gauge::ResultsUndelivered);
        // Before the first try: an agent that is killed meanwhile cannot say so any more.
        self.note_uncertain(&report).await;
        let settlement = tokio::select! {
            biased;
            settlement = self.try_until_settled(&mut report) => settlement,
            () = self.time_is_over() => {
                tracing::warn!(
                    command = report.command,
                    "the result did not reach the service; the next agent sends it"
                );
                return false;
            }
        };
        if let Some(journal) = report.journal {
            settle(journal, report.command, settlement).await;
        }
        true
    }

    async fn try_until_settled(&self, report: &mut Report) -> Settlement {
        let command = report.command.clone();
        let mut tries = 0;
        loop {
            tries += 1;
            let stopping = self.signals.stopping();
            let Err(error) = self.attempt(report).await else {
                tracing::info!(command, tries, "the service has accepted the result");
                return Settlement::Accepted;
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
                    return Settlement::Accepted;
                }
                Disposition::RefusedForGood => {
                    tracing::error!(command, "the service refuses the result: {}", chain(&error));
                    return Settlement::Refused;
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
                return Settlement::GivenUp;
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
                // There may not be much time left.
                () = self.signals.beyond(stopping) => {}
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

    /// Returns when the agent stops without this result having reached the service.
    async fn time_is_over(&self) {
        self.signals.reached(Stopping::Draining).await;
        tokio::select! {
            () = self.signals.reached(Stopping::HandingOver) => {
                tokio::time::sleep(LAST_MOMENT).await;
            }
            () = tokio::time::sleep(self.draining_patience) => {}
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::watch;

    use super::*;
    use crate::control_plane::{
        AcknowledgementReply, HostCommand, ServiceError, SpecificationReply, UpdateReply,
    };
    use crate::diagnostics::{Diagnostics, SuccessMessage};

    /// Takes no result, and counts the tries.
    #[derive(Debug, Default)]
    struct Unavailable(AtomicUsize);

    fn unavailable<T>() -> Result<T, Error> {
        Err(Error::Service(Box::new(ServiceError {
            operation: Operation::PutHostCommandComplete,
            status: 503,
            code: None,
            message: String::new(),
            access_key_id: String::new(),
            request_id: None,
            retry_after: None,
            clock_skew: None,
        })))
    }

    impl ControlPlane for Unavailable {
        async fn poll_host_command(&self, _: &str) -> Result<Option<HostCommand>, Error> {
            unavailable()
        }

        async fn get_deployment_specification(
            &self,
            _: &str,
            _: &str,
        ) -> Result<SpecificationReply, Error> {
            unavailable()
        }

        async fn put_host_command_acknowledgement(
            &self,
            _: &str,
            _: bool,
        ) -> Result<AcknowledgementReply, Error> {
            unavailable()
        }

        async fn put_host_command_complete(
            &self,
            _: &str,
            _: CompletionStatus,
            _: &Envelope,
        ) -> Result<(), Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            unavailable()
        }

        async fn post_host_command_update(
            &self,
            _: &str,
            _: Option<SystemTime>,
            _: Option<&Envelope>,
        ) -> Result<UpdateReply, Error> {
            unavailable()
        }
    }

    #[tokio::test]
    async fn a_draining_agent_does_not_go_on_with_a_result_for_ever() {
        let client = Arc::new(Unavailable::default());
        let sender = watch::Sender::new(Stopping::Draining);
        let signals = Signals::told_by(&sender);
        let reports = Reports {
            draining_patience: Duration::from_millis(10),
            ..Reports::new(Arc::clone(&client), Gate::new(), signals, Metrics::new())
        };
        let report = Report {
            command: "one".to_owned(),
            verdict: Diagnostics::succeeded(SuccessMessage::Plain),
            since: SystemTime::now(),
            may_have_been_accepted: false,
            journal: None,
        };
        assert!(!reports.send(report).await);
        assert!(client.0.load(Ordering::Relaxed) > 0);
    }
}
