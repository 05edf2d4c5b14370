//! One command from its arrival to its result (contract: protocol, "The flow of one command").

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::watch;

use super::completions::Completions;
use super::desk::{Desk, Place};
use super::retry::patiently;
use super::tracking::Tracking;
use crate::control_plane::{
    AcknowledgementReply, CommandStatus, ControlPlane, Error, Gate, HostCommand,
};
use crate::deployment::DeploymentSpec;
use crate::diagnostics::Diagnostics;
use crate::error::chain;
use crate::executor::{Executor, Host, Progress};
use crate::files::Lock;
use crate::lifecycle::{
    Acknowledgement, Action, Command, Input, LifecycleEvent, Resolution, State, Verdict,
};
use crate::specification::{self, SignerTrust};

/// The only system that specifications may be for.
const DEPLOYMENT_SYSTEM: &str = "CodeDeploy";

/// A command that asks agents to update themselves.
const UPDATE_COMMAND: &str = "UpdateDeploymentAgent";

/// How long the specification and the acknowledgement are tried for. The service waits for a
/// command longer than this, and a new one is handed out when it does not.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What all commands share.
pub(super) struct Workshop<C> {
    pub(super) client: Arc<C>,
    pub(super) gate: Gate,
    pub(super) desk: Desk,
    pub(super) host: Host,
    pub(super) host_identifier: String,
    pub(super) signers: SignerTrust,
    pub(super) tracking: Tracking,
    pub(super) completions: Completions<C>,
    /// Turns true when work in progress is to be given up.
    pub(super) give_up: watch::Receiver<bool>,
}

impl<C: ControlPlane> Workshop<C> {
    /// Carries a command out and reports its result. The place at the desk is held until the
    /// service has the result, so that the command is not taken up again meanwhile.
    pub(super) async fn carry_out(&self, command: HostCommand, place: Place) {
        tracing::info!(
            command = command.command_name,
            deployment = command.deployment_execution_id,
            "command received"
        );
        if let Some(verdict) = self.verdict(&command).await {
            if verdict.is_success() {
                tracing::info!(command = command.command_name, "{}", verdict.message());
            } else {
                tracing::error!(
                    command = command.command_name,
                    code = verdict.code().number(),
                    "{}",
                    verdict.message()
                );
            }
            let kept = self
                .completions
                .keep(&command.host_command_identifier, &verdict);
            self.completions.send(kept).await;
        }
        drop(place);
    }

    /// The command's result; none when the service does not want one.
    async fn verdict(&self, command: &HostCommand) -> Option<Verdict> {
        let spec = match self.specification(command).await {
            Ok(spec) => spec,
            // Before anything has run: reported, not acknowledged.
            Err(verdict) => return Some(verdict),
        };
        let _turn = self.desk.turn(&spec.deployment_id).await;
        let identifier = &command.host_command_identifier;
        let _tracked = match self.tracking.begin(&spec.deployment_id, identifier) {
            Ok(tracked) => tracked,
            Err(error) => {
                return Some(Diagnostics::other(&format!(
                    "cannot note that the command is at work: {error}"
                )));
            }
        };
        let claimed = self
            .host
            .make_directories(&spec)
            .map_err(|error| error.to_string())
            .and_then(|directory| {
                Lock::try_acquire(&directory.in_use()).map_err(|error| chain(&error))
            });
        match claimed {
            Ok(_in_use) => self.run(command, &spec).await,
            Err(error) => Some(Diagnostics::other(&format!(
                "cannot prepare the deployment's directory: {error}"
            ))),
        }
    }

    async fn specification(&self, command: &HostCommand) -> Result<DeploymentSpec, Verdict> {
        let reply = patiently(&self.gate, PATIENCE, "getting the specification", || {
            self.client.get_deployment_specification(
                &command.deployment_execution_id,
                &self.host_identifier,
            )
        })
        .await
        .map_err(|error| {
            Diagnostics::other(&format!(
                "cannot get the deployment's specification: {}",
                chain(&error)
            ))
        })?;
        if reply.deployment_system != DEPLOYMENT_SYSTEM {
            return Err(Diagnostics::other(&format!(
                "the deployment is for the system {:?}; this agent works for {DEPLOYMENT_SYSTEM}",
                reply.deployment_system
            )));
        }
        let Some(envelope) = reply.generic_envelope else {
            return Err(Diagnostics::other(
                "the service sent no specification of the deployment",
            ));
        };
        let opened = specification::open(&envelope.format, &envelope.payload, &self.signers)
            .map_err(|error| {
                Diagnostics::other(&format!(
                    "the deployment's specification cannot be used: {}",
                    chain(&error)
                ))
            })?;
        for warning in &opened.warnings {
            tracing::warn!(deployment = %opened.spec.deployment_id, "{warning}");
        }
        Ok(opened.spec)
    }

    /// Drives the step machine.
    async fn run(&self, command: &HostCommand, spec: &DeploymentSpec) -> Option<Verdict> {
        let name = command.command_name.as_str();
        let work = Command::from(LifecycleEvent::from(name));
        let directory = self
            .host
            .root
            .deployment(&spec.deployment_group_id, &spec.deployment_id);
        let mut executor = Executor::new(
            &self.host,
            spec,
            directory,
            &work,
            run_key(command),
            self.give_up.clone(),
        );
        let progress = &mut |progress: Progress| log(name, &progress);
        let mut step = State::Received.next(&work, Input::Begin);
        loop {
            let (state, action) = match step {
                Ok(step) => step,
                Err(defect) => return Some(Diagnostics::other(&defect.to_string())),
            };
            let input = match action {
                Action::Resolve => Input::Resolved(match &work {
                    Command::Hooks(LifecycleEvent::Custom(_)) => Ok(match name {
                        UPDATE_COMMAND => Resolution::Refused,
                        _ => Resolution::Unsupported,
                    }),
                    _ => executor.resolve(progress),
                }),
                Action::Acknowledge { noop } => match self.acknowledge(command, noop).await {
                    Ok(reply) => Input::Acknowledged(reply),
                    Err(error) => {
                        tracing::error!(
                            command = name,
                            "the service refuses the acknowledgement, so the command is not run: {}",
                            chain(&error)
                        );
                        return None;
                    }
                },
                Action::Download => Input::WorkEnded(executor.download(progress).await),
                Action::Install { .. } => Input::WorkEnded(executor.install(progress).await),
                Action::RunScript(index) => {
                    Input::ScriptEnded(executor.run_script(index, progress).await)
                }
                Action::Report(verdict) => return Some(verdict),
                Action::Forget => return None,
                // Only a command that is taken up again leads to these.
                action @ (Action::AwaitScript(_) | Action::Sweep(_)) => {
                    return Some(Diagnostics::other(&format!(
                        "the unexpected action {action:?} for a new command; this is a defect of \
                         the agent, please report it"
                    )));
                }
            };
            step = state.next(&work, input);
        }
    }

    /// Acknowledges; no answer within patience, for reasons that may pass, means: run it.
    async fn acknowledge(
        &self,
        command: &HostCommand,
        noop: bool,
    ) -> Result<Acknowledgement, Error> {
        let reply = patiently(&self.gate, PATIENCE, "the acknowledgement", || {
            self.client
                .put_host_command_acknowledgement(&command.host_command_identifier, noop)
        })
        .await;
        match reply {
            Ok(AcknowledgementReply { command_status }) => Ok(match command_status {
                Some(CommandStatus::Succeeded) => Acknowledgement::AlreadySucceeded,
                Some(CommandStatus::Failed) => Acknowledgement::AlreadyFailed,
                Some(
                    CommandStatus::Pending | CommandStatus::InProgress | CommandStatus::Other(_),
                )
                | None => Acknowledgement::Run,
            }),
            Err(error) if error.is_throttling() || error.is_transient() => Ok(Acknowledgement::Run),
            Err(error) => Err(error),
        }
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

fn log(command: &str, progress: &Progress) {
    match progress {
        Progress::ScriptStarted { location } => {
            tracing::info!(command, script = location, "script started");
        }
        Progress::Warning(warning) => tracing::warn!(command, "{warning}"),
        Progress::Note(note) => tracing::info!(command, "{note}"),
        // It is in the deployment's own log.
        Progress::Output { .. } => {}
    }
}
