//! A control plane that has its credentials renewed when the service refuses them.
//!
//! Credentials are cached until shortly before they expire; somebody may have revoked or replaced
//! them before. Then the next attempt looks for others.

use std::time::SystemTime;

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
        if let Err(error) = &result {
            renew_after(&self.credentials, error).await;
        }
        result
    }
}

/// Has the credentials renewed when `error` says that those are not good any more with which the
/// call was signed. By now there may be others, after another call.
async fn renew_after(credentials: &HostCredentials, error: &Error) {
    if let Some(error) = error.service()
        && let ServiceErrorKind::ExpiredCredentials | ServiceErrorKind::UnknownCredentials =
            error.kind()
    {
        credentials.refuse(&error.access_key_id).await;
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

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::ProvideCredentials as _;

    use super::*;
    use crate::control_plane::{Operation, ServiceError};
    use crate::identity::OnPremisesCredentials;

    fn expired(access_key_id: &str) -> Error {
        Error::Service(Box::new(ServiceError {
            operation: Operation::PollHostCommand,
            status: 400,
            code: Some("ExpiredTokenException".to_owned()),
            message: String::new(),
            access_key_id: access_key_id.to_owned(),
            request_id: None,
            retry_after: None,
            clock_skew: None,
        }))
    }

    #[tokio::test]
    async fn only_the_key_that_the_call_was_signed_with_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("credentials");
        let write = |key: &str| {
            let text = format!(
                "[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n\
                 aws_session_token = t\n"
            );
            fs_err::write(&file, text).unwrap();
        };
        write("FIRST");
        let credentials = HostCredentials::on_premises(&OnPremisesCredentials::Session {
            credentials_file: file.clone(),
        });
        let key = async || {
            let found = credentials.provide_credentials().await.unwrap();
            found.access_key_id().to_owned()
        };
        assert_eq!(key().await, "FIRST");
        write("SECOND");
        // Two calls that were signed with the first key are refused, one after the other.
        renew_after(&credentials, &expired("FIRST")).await;
        assert_eq!(key().await, "SECOND");
        write("THIRD");
        renew_after(&credentials, &expired("FIRST")).await;
        assert_eq!(key().await, "SECOND");
        renew_after(&credentials, &expired("SECOND")).await;
        assert_eq!(key().await, "THIRD");
    }
}
