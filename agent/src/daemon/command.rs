//! One command from its arrival, or from where an earlier agent had left it, to its result
//! (contract: protocol, "The flow of one command").

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

use super::desk::Place;
use super::errand::Errand;
use super::reports::{Report, settle};
use super::workshop::{Workshop, note};
use crate::control_plane::{ControlPlane, HostCommand};
use crate::deployment::DeploymentSpec;
use crate::diagnostics::Diagnostics;
use crate::error::chain;
use crate::executor::{Beginning, End, Executor, Progress, Requester as _};
use crate::journal::{Journal, Settlement, TakenCommand};
use crate::lifecycle::{Command, LifecycleEvent, Resolution, State, Verdict};
use crate::metrics::EventResult;

impl<C: ControlPlane + 'static> Workshop<C> {
    /// Carries a new command out and reports its result. The command is known at the desk until the
    /// service has the result, so that it is not taken up again meanwhile.
    pub(super) fn carry_out(self: &Arc<Self>, command: HostCommand, place: Place) {
        tracing::info!(
            command = command.command_name,
            deployment = command.deployment_execution_id,
            "command received"
        );
        let taken = TakenCommand {
            run_key: run_key(&command),
            host_command_identifier: command.host_command_identifier,
            host_identifier: Some(self.host_identifier.clone()),
            deployment_execution_id: command.deployment_execution_id,
            command_name: command.command_name,
            spec: None,
        };
        self.begin(
            taken,
            place,
            async |workshop, taken, place| match workshop.journal() {
                Ok(journal) => {
                    let beginning = Beginning::New;
                    workshop
                        .bring_to_its_end(&journal, taken, beginning, place)
                        .await;
                }
                Err(error) => {
                    let verdict = Diagnostics::other(&format!(
                        "cannot note that the command is at work, so it is not carried out: {}",
                        chain(&error)
                    ));
                    workshop.count(&taken, EventResult::from(&verdict), None);
                    let report = unkept(&taken, verdict);
                    workshop.report(&taken.command_name, report, place).await;
                }
            },
        );
    }

    /// Drives a command to its end, and reports it.
    pub(super) async fn bring_to_its_end(
        &self,
        journal: &Arc<Journal>,
        mut taken: TakenCommand,
        beginning: Beginning,
        place: &mut Place,
    ) {
        let began = matches!(beginning, Beginning::New).then(Instant::now);
        let mut noted = match &beginning {
            Beginning::New => None,
            Beginning::TakenUp { state, .. } => Some(state.clone()),
        };
        let end = self
            .end_of(journal, &mut taken, &mut noted, beginning)
            .await;
        let untrack = || {
            let Some(spec) = &taken.spec else { return };
            let command = &taken.host_command_identifier;
            if let Err(error) = self.tracking.end(&spec.deployment_id, command) {
                tracing::warn!(command, "{error}");
            }
        };
        match end {
            End::Verdict(verdict) => {
                self.count(&taken, EventResult::from(&verdict), began);
                // Without its result in the journal, the command is still at work for the next
                // agent, which must not take it for disposed of.
                if matches!(noted, Some(State::Finished(_))) {
                    untrack();
                }
                let report = Report {
                    journal: noted.map(|_| Arc::clone(journal)),
                    ..unkept(&taken, verdict)
                };
                if self.report(&taken.command_name, report, place).await {
                    untrack();
                }
            }
            End::Unwanted => {
                let nothing_to_do = State::AwaitingReply(Resolution::Noop);
                let result = match noted == Some(nothing_to_do) {
                    true => EventResult::Skipped,
                    false => EventResult::Unwanted,
                };
                self.count(&taken, result, began);
                untrack();
                let command = taken.host_command_identifier;
                settle(Arc::clone(journal), command, Settlement::OverAlready).await;
            }
            End::HandedOver => tracing::info!(
                command = taken.command_name,
                "the next agent takes the command up"
            ),
        }
    }

    async fn end_of(
        &self,
        journal: &Arc<Journal>,
        taken: &mut TakenCommand,
        noted: &mut Option<State>,
        beginning: Beginning,
    ) -> End {
        // What the journal has is good for all but a download, which may need a token.
        let known = taken
            .spec
            .clone()
            .filter(|_| taken.command_name != LifecycleEvent::DownloadBundle.as_str());
        let interruption = self.signals.interruption();
        let spec = match known {
            Some(spec) => Ok(spec),
            None => tokio::select! {
                spec = self.specification(&taken.deployment_execution_id) => spec,
                () = interruption.handed_over() => {
                    return self.hand_over_unbegun(journal, taken, noted).await;
                }
            },
        };
        let spec = match spec {
            Ok(spec) => spec,
            // Before anything has run: reported, not acknowledged.
            Err(verdict) => return self.finish(journal, taken, noted, verdict).await,
        };
        // Its first note had no specification: the next one is made with it.
        if taken.spec.is_none() {
            *noted = None;
        }
        taken.spec = Some(spec.clone());
        let _turn = tokio::select! {
            turn = self.desk.turn(&spec.deployment_id) => turn,
            () = interruption.handed_over() => {
                return self.hand_over_unbegun(journal, taken, noted).await;
            }
        };
        let _claim = match self.host.claim(&spec).await {
            Ok((_, claim)) => claim,
            Err(error) => {
                let verdict = Diagnostics::other(&chain(&error));
                return self.finish(journal, taken, noted, verdict).await;
            }
        };
        self.drive(journal, taken, &spec, noted, beginning).await
    }

    async fn drive(
        &self,
        journal: &Arc<Journal>,
        taken: &TakenCommand,
        spec: &DeploymentSpec,
        noted: &mut Option<State>,
        beginning: Beginning,
    ) -> End {
        let name = taken.command_name.as_str();
        let command = Command::from(LifecycleEvent::from(name));
        let directory = self
            .host
            .root
            .deployment(&spec.deployment_group_id, &spec.deployment_id);
        let mut executor = Executor::new(
            &self.host,
            spec,
            directory,
            &command,
            taken.run_key.clone(),
            self.signals.interruption(),
        );
        let mut errand = Errand {
            workshop: self,
            journal,
            taken,
            noted,
        };
        // It may have gone with the host: one that is missing means that the command was disposed of.
        if let Beginning::TakenUp { .. } = beginning
            && let Err(error) = errand.track()
        {
            tracing::warn!(command = name, "{error}");
        }
        let progress = &mut |progress: Progress| note(&self.metrics, name, &progress);
        executor
            .drive(&command, beginning, &mut errand, progress)
            .await
    }

    /// Ends a command that cannot be carried out.
    pub(super) async fn finish(
        &self,
        journal: &Arc<Journal>,
        taken: &TakenCommand,
        noted: &mut Option<State>,
        verdict: Verdict,
    ) -> End {
        let mut errand = Errand {
            workshop: self,
            journal,
            taken,
            noted,
        };
        // A result that cannot be noted is sent all the same.
        let _ = errand.record(&State::Finished(verdict.clone())).await;
        End::Verdict(verdict)
    }

    /// Leaves a command of which nothing has been done to the next agent.
    async fn hand_over_unbegun(
        &self,
        journal: &Arc<Journal>,
        taken: &TakenCommand,
        noted: &mut Option<State>,
    ) -> End {
        if noted.is_none() {
            let mut errand = Errand {
                workshop: self,
                journal,
                taken,
                noted,
            };
            if let Err(error) = errand.note(&State::Received).await {
                tracing::error!(
                    command = taken.host_command_identifier,
                    "the command is lost to the next agent: {}",
                    chain(&error)
                );
            }
        }
        End::HandedOver
    }
}

/// A result that the journal does not have.
pub(super) fn unkept(taken: &TakenCommand, verdict: Verdict) -> Report {
    Report {
        command: taken.host_command_identifier.clone(),
        verdict,
        since: SystemTime::now(),
        may_have_been_accepted: false,
        journal: None,
    }
}

/// Names the directory of a command's script runs: the same whenever the command is taken up.
fn run_key(command: &HostCommand) -> String {
    let digest = digest(&SHA256, command.host_command_identifier.as_bytes());
    let digest: String = digest
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name: String = command
        .command_name
        .chars()
        .take(60)
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    format!("{name}-{digest}")
}
