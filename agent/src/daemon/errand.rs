//! The service's side of a command at work: what is noted of it, and what the service wants.

use std::io;
use std::sync::Arc;

use failpoints::Failpoint;
use tokio::task::spawn_blocking;

use super::retry::patiently;
use super::workshop::Workshop;
use crate::control_plane::{AcknowledgementReply, CommandStatus, ControlPlane, Operation};
use crate::diagnostics::Diagnostics;
use crate::error::chain;
use crate::executor::Requester;
use crate::journal::{Journal, JournalError, TakenCommand};
use crate::lifecycle::{Acknowledgement, Command, LifecycleEvent, Resolution, State};

/// A command that asks agents to update themselves.
const UPDATE_COMMAND: &str = "UpdateDeploymentAgent";

/// A command that is carried out for the service.
pub(super) struct Errand<'a, C> {
    pub(super) workshop: &'a Workshop<C>,
    pub(super) journal: &'a Arc<Journal>,
    pub(super) taken: &'a TakenCommand,
    /// What the journal has of it by now; none: not even that it was taken.
    pub(super) noted: &'a mut Option<State>,
}

impl<C> Errand<'_, C> {
    /// Notes in the journal that the command has come to `state`.
    pub(super) async fn note(&mut self, state: &State) -> Result<(), JournalError> {
        let journal = Arc::clone(self.journal);
        let (taken, new) = (self.taken.clone(), self.noted.is_none());
        let noting = state.clone();
        let noted = spawn_blocking(move || {
            if new {
                journal.taken(&taken, &noting)
            } else {
                journal.state(&taken.host_command_identifier, &noting)
            }
        });
        match noted.await {
            Ok(noted) => noted?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        *self.noted = Some(state.clone());
        Ok(())
    }

    /// Writes the command's tracking file: for AWS's agents, should one follow.
    pub(super) fn track(&self) -> io::Result<()> {
        match &self.taken.spec {
            Some(spec) => self
                .workshop
                .tracking
                .begin(&spec.deployment_id, &self.taken.host_command_identifier),
            None => Ok(()),
        }
    }
}

impl<C: ControlPlane> Requester for Errand<'_, C> {
    fn resolution(&self, command: &Command) -> Option<Resolution> {
        match command {
            Command::Hooks(LifecycleEvent::Custom(name)) => Some(match name.as_str() {
                UPDATE_COMMAND => Resolution::Refused,
                _ => Resolution::Unsupported,
            }),
            _ => None,
        }
    }

    async fn record(&mut self, state: &State) -> Result<(), Diagnostics> {
        // Nothing has been done that anybody could see, or nothing remains to be done.
        if matches!(state, State::Received | State::Resolving | State::Done) {
            return Ok(());
        }
        let noted = if self.noted.as_ref() == Some(state) {
            Ok(())
        } else {
            self.note(state).await
        };
        match (noted, state) {
            // The journal first: a command that has a tracking file is in it. An agent that was
            // killed in between has left none.
            (Ok(()), State::AwaitingReply(_)) => self.track().map_err(|error| {
                Diagnostics::other(&format!(
                    "cannot note for other agents that the command is at work: {error}"
                ))
            }),
            (Ok(()), _) => Ok(()),
            (Err(error), State::Finished(_)) => {
                tracing::error!(
                    command = self.taken.host_command_identifier,
                    "the result cannot be written down and is lost if the agent ends before the \
                     service has it: {}",
                    chain(&error)
                );
                Ok(())
            }
            (Err(error), _) => Err(Diagnostics::other(&format!(
                "cannot note how far the command has come, so it is not carried out: {}",
                chain(&error)
            ))),
        }
    }

    /// No answer within patience, for reasons that may pass, means: run it.
    async fn acknowledge(&mut self, noop: bool) -> Option<Acknowledgement> {
        let workshop = self.workshop;
        let operation = Operation::PutHostCommandAcknowledgement;
        let reply = patiently(&workshop.gate, &workshop.metrics, operation, || {
            // What can fail here is the network, for which there are other faults.
            let _ = Failpoint::Acknowledge.pass();
            workshop
                .client
                .put_host_command_acknowledgement(&self.taken.host_command_identifier, noop)
        })
        .await;
        match reply {
            Ok(AcknowledgementReply { command_status }) => Some(match command_status {
                Some(CommandStatus::Succeeded) => Acknowledgement::AlreadySucceeded,
                Some(CommandStatus::Failed) => Acknowledgement::AlreadyFailed,
                Some(
                    CommandStatus::Pending | CommandStatus::InProgress | CommandStatus::Other(_),
                )
                | None => Acknowledgement::Run,
            }),
            Err(error) if error.is_throttling() || error.is_transient() => {
                Some(Acknowledgement::Run)
            }
            Err(error) => {
                tracing::error!(
                    command = self.taken.command_name,
                    "the service refuses the acknowledgement, so the command is not run: {}",
                    chain(&error)
                );
                None
            }
        }
    }
}
