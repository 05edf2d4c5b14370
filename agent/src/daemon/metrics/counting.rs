//! A control plane whose calls are counted, each with what came of it.

use std::time::SystemTime;

use crate::control_plane::{
    AcknowledgementReply, CompletionStatus, ControlPlane, Envelope, Error, HostCommand, Operation,
    SpecificationReply, UpdateReply,
};
use crate::metrics::{CallOutcome, Metrics};

/// A control plane, and what counts.
#[derive(Debug)]
pub(in crate::daemon) struct Counting<C> {
    pub(in crate::daemon) inner: C,
    pub(in crate::daemon) metrics: Metrics,
}

impl<C: ControlPlane> Counting<C> {
    /// A call that is given up is not counted: nothing came of it.
    async fn counted<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let result = call.await;
        self.metrics.called(operation, CallOutcome::of(&result));
        result
    }
}

impl<C: ControlPlane> ControlPlane for Counting<C> {
    async fn poll_host_command(&self, host: &str) -> Result<Option<HostCommand>, Error> {
        let call = self.inner.poll_host_command(host);
        self.counted(Operation::PollHostCommand, call).await
    }

    async fn get_deployment_specification(
        &self,
        execution: &str,
        host: &str,
    ) -> Result<SpecificationReply, Error> {
        let call = self.inner.get_deployment_specification(execution, host);
        self.counted(Operation::GetDeploymentSpecification, call)
            .await
    }

    async fn put_host_command_acknowledgement(
        &self,
        command: &str,
        noop: bool,
    ) -> Result<AcknowledgementReply, Error> {
        let call = self.inner.put_host_command_acknowledgement(command, noop);
        self.counted(Operation::PutHostCommandAcknowledgement, call)
            .await
    }

    async fn put_host_command_complete(
        &self,
        command: &str,
        status: CompletionStatus,
        diagnostics: &Envelope,
    ) -> Result<(), Error> {
        let call = self
            .inner
            .put_host_command_complete(command, status, diagnostics);
        self.counted(Operation::PutHostCommandComplete, call).await
    }

    async fn post_host_command_update(
        &self,
        command: &str,
        estimated_completion_time: Option<SystemTime>,
        diagnostics: Option<&Envelope>,
    ) -> Result<UpdateReply, Error> {
        let call =
            self.inner
                .post_host_command_update(command, estimated_completion_time, diagnostics);
        self.counted(Operation::PostHostCommandUpdate, call).await
    }
}
