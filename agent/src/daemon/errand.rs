//! The service's side of a command at work: what is noted of it, and what the service wants.

use std::io;
use std::sync::Arc;

use failpoints::Failpoint;
use tokio::task::spawn_blocking;

use super::retry::patiently;
use super::workshop::Workshop;
use crate::control_plane::{
    AcknowledgementReply, CommandStatus, ControlPlane, Error, Operation, ServiceErrorKind,
};
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

    async fn acknowledge(&mut self, noop: bool) -> Option<Result<Acknowledgement, Diagnostics>> {
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
        judge(&self.taken.command_name, reply)
    }
}

/// What follows from the last answer to the acknowledgement, or from there being none.
fn judge(
    command_name: &str,
    reply: Result<AcknowledgementReply, Error>,
) -> Option<Result<Acknowledgement, Diagnostics>> {
    let error = match reply {
        Ok(AcknowledgementReply { command_status }) => {
            return Some(Ok(match command_status {
                Some(CommandStatus::Succeeded) => Acknowledgement::AlreadySucceeded,
                Some(CommandStatus::Failed) => Acknowledgement::AlreadyFailed,
                Some(
                    CommandStatus::Pending | CommandStatus::InProgress | CommandStatus::Other(_),
                )
                | None => Acknowledgement::Run,
            }));
        }
        Err(error) => error,
    };
    if error
        .service()
        .is_some_and(|error| error.kind() == ServiceErrorKind::Refused)
    {
        tracing::error!(
            command = command_name,
            "the service refuses the acknowledgement, so the command is not run: {}",
            chain(&error)
        );
        return None;
    }
    // The service's or the network's trouble is no reason not to run it (contract: protocol, "The
    // flow of one command"). Anything else is this host's, or stands between it and the service:
    // whether the command is still wanted cannot be asked, and the service waits for a result.
    Some(match error.is_transient() {
        true => Ok(Acknowledgement::Run),
        false => Err(Diagnostics::other(&format!(
            "cannot acknowledge the command, so it is not run: {}",
            chain(&error)
        ))),
    })
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::error::CredentialsError;
    use rstest::rstest;

    use super::*;
    use crate::control_plane::{Route, ServiceError};
    use crate::diagnostics::Code;

    const OPERATION: Operation = Operation::PutHostCommandAcknowledgement;

    fn service(status: u16, code: &str) -> Error {
        Error::Service(Box::new(ServiceError {
            operation: OPERATION,
            status,
            code: Some(code.to_owned()),
            message: String::new(),
            access_key_id: String::new(),
            request_id: None,
            retry_after: None,
            clock_skew: None,
        }))
    }

    #[rstest]
    #[case::throttling(service(429, "ThrottlingException"))]
    #[case::server(service(500, "ServerException"))]
    #[case::credentials_late(Error::CredentialsTimeout {
        operation: OPERATION,
        after: std::time::Duration::from_secs(60),
    })]
    fn without_an_answer_for_a_reason_that_passes_the_command_is_run(#[case] error: Error) {
        assert_eq!(judge("Install", Err(error)), Some(Ok(Acknowledgement::Run)));
    }

    #[rstest]
    #[case::access_denied(service(403, "AccessDeniedException"))]
    #[case::unknown_key(service(403, "UnrecognizedClientException"))]
    #[case::signature(service(403, "InvalidSignatureException"))]
    #[case::something_new(service(400, "SomethingNewException"))]
    #[case::no_credentials(Error::Credentials {
        operation: OPERATION,
        source: CredentialsError::not_loaded_no_source(),
    })]
    #[case::proxy(Error::ProxyAuthentication {
        operation: OPERATION,
        route: Route { host: "h:443".to_owned(), proxy: None },
    })]
    #[case::portal(Error::ContentType { operation: OPERATION, content_type: "text/html".into() })]
    #[case::garbage(Error::Malformed { operation: OPERATION, is_json: false, line: 1, column: 1 })]
    fn without_an_answer_for_another_reason_the_command_fails(#[case] error: Error) {
        let reason = error.to_string();
        let verdict = judge("Install", Err(error)).unwrap().unwrap_err();
        assert_eq!(verdict.code(), Code::Other);
        assert!(verdict.message().contains(&reason), "{}", verdict.message());
    }

    #[test]
    fn a_command_that_the_service_refuses_is_unwanted() {
        assert_eq!(judge("Install", Err(service(400, "ClientException"))), None);
    }
}
