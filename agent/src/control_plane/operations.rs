//! The five operations.

use std::fmt;
use std::future::Future;
use std::time::SystemTime;

use super::{
    AcknowledgementReply, CompletionStatus, Envelope, Error, HostCommand, SpecificationReply,
    UpdateReply,
};

/// The command service. Every future may be dropped at any time; one call is one attempt, trying
/// again is the caller's (see [`super::Gate`], [`super::error_backoff`], [`super::disposition`]).
pub trait ControlPlane: Send + Sync {
    /// Asks for a command. A long poll: the service may hold it for about a minute.
    fn poll_host_command(
        &self,
        host_identifier: &str,
    ) -> impl Future<Output = Result<Option<HostCommand>, Error>> + Send;

    /// Gets the specification of a command's deployment, signed by the service.
    fn get_deployment_specification(
        &self,
        deployment_execution_id: &str,
        host_identifier: &str,
    ) -> impl Future<Output = Result<SpecificationReply, Error>> + Send;

    /// Tells that the command was received and whether there is anything to run for it.
    fn put_host_command_acknowledgement(
        &self,
        host_command_identifier: &str,
        is_command_noop: bool,
    ) -> impl Future<Output = Result<AcknowledgementReply, Error>> + Send;

    /// Tells how the command ended.
    fn put_host_command_complete(
        &self,
        host_command_identifier: &str,
        status: CompletionStatus,
        diagnostics: &Envelope,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Tells that the command is still running.
    fn post_host_command_update(
        &self,
        host_command_identifier: &str,
        estimated_completion_time: Option<SystemTime>,
        diagnostics: Option<&Envelope>,
    ) -> impl Future<Output = Result<UpdateReply, Error>> + Send;
}

/// An operation by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Ask for a command.
    PollHostCommand,
    /// Get what a command is about.
    GetDeploymentSpecification,
    /// Tell that a command was received.
    PutHostCommandAcknowledgement,
    /// Tell how a command ended.
    PutHostCommandComplete,
    /// Tell that a command is still running.
    PostHostCommandUpdate,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::PollHostCommand,
        Self::GetDeploymentSpecification,
        Self::PutHostCommandAcknowledgement,
        Self::PutHostCommandComplete,
        Self::PostHostCommandUpdate,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PollHostCommand => "PollHostCommand",
            Self::GetDeploymentSpecification => "GetDeploymentSpecification",
            Self::PutHostCommandAcknowledgement => "PutHostCommandAcknowledgement",
            Self::PutHostCommandComplete => "PutHostCommandComplete",
            Self::PostHostCommandUpdate => "PostHostCommandUpdate",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
