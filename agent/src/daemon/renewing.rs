//! A control plane that has its credentials renewed when the service refuses them.
//!
//! Credentials are cached until shortly before they expire; somebody may have revoked or replaced
//! them before. Then the next attempt looks for others.

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials as _;

use crate::control_plane::{
    AcknowledgementReply, CompletionStatus, ControlPlane, Envelope, Error, HostCommand,
    ServiceErrorKind, SpecificationReply, UpdateReply,
};
use crate::identity::HostCredentials;

/// A client, and the credentials that it signs with.
#[derive(Debug)]
pub(super) struct Renewing<C> {
    pub(super) client: C,
    pub(super) credentials: HostCredentials,
}

impl<C: ControlPlane> Renewing<C> {
    async fn attempt<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = call.await;
        let refused = result
            .as_ref()
            .err()
            .and_then(Error::service)
            .is_some_and(|error| {
                matches!(
                    error.kind(),
                    ServiceErrorKind::ExpiredCredentials | ServiceErrorKind::UnknownCredentials
                )
            });
        // What cannot be provided now was not refused either.
        if refused && let Ok(current) = self.credentials.provide_credentials().await {
            self.credentials.refuse(current.access_key_id()).await;
        }
        result
    }
}

impl<C: ControlPlane> ControlPlane for Renewing<C> {
    async fn poll_host_command(&self, host: &str) -> Result<Option<HostCommand>, Error> {
        self.attempt(self.client.poll_host_command(host)).await
    }

    async fn get_deployment_specification(
        &self,
        execution: &str,
        host: &str,
    ) -> Result<SpecificationReply, Error> {
        self.attempt(self.client.get_deployment_specification(execution, host))
            .await
    }

    async fn put_host_command_acknowledgement(
        &self,
        command: &str,
        noop: bool,
    ) -> Result<AcknowledgementReply, Error> {
        self.attempt(self.client.put_host_command_acknowledgement(command, noop))
            .await
    }

    async fn put_host_command_complete(
        &self,
        command: &str,
        status: CompletionStatus,
        diagnostics: &Envelope,
    ) -> Result<(), Error> {
        self.attempt(
            self.client
                .put_host_command_complete(command, status, diagnostics),
        )
        .await
    }

    async fn post_host_command_update(
        &self,
        command: &str,
        estimated_completion_time: Option<SystemTime>,
        diagnostics: Option<&Envelope>,
    ) -> Result<UpdateReply, Error> {
        let call =
            self.client
                .post_host_command_update(command, estimated_completion_time, diagnostics);
        self.attempt(call).await
    }
}
