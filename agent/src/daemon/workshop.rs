//! What all commands share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::desk::{Desk, Place};
use super::reports::{Report, Reports};
use super::signals::Signals;
use super::tracking::Tracking;
use crate::control_plane::{ControlPlane, Gate, Operation};
use crate::deployment::DeploymentSpec;
use crate::diagnostics::Diagnostics;
use crate::error::chain;
use crate::executor::{Host, Progress};
use crate::files::make_directory;
use crate::journal::{Journal, JournalError, TakenCommand};
use crate::lifecycle::Verdict;
use crate::metrics::{EventEnd, EventResult, HookResult, Metrics};
use crate::specification::{self, SignerTrust};

use super::retry::patiently;

/// The only system that specifications may be for.
const DEPLOYMENT_SYSTEM: &str = "CodeDeploy";

/// What all commands share.
pub(super) struct Workshop<C> {
    pub(super) client: Arc<C>,
    pub(super) gate: Gate,
    pub(super) desk: Desk,
    pub(super) host: Host,
    pub(super) host_identifier: String,
    pub(super) signers: SignerTrust,
    pub(super) tracking: Tracking,
    pub(super) reports: Reports<C>,
    pub(super) signals: Signals,
    pub(super) journal: JournalFile,
    pub(super) metrics: Metrics,
}

/// The journal: opened when it can be.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) path: PathBuf,
    pub(super) boot_id: String,
    pub(super) opened: OnceLock<Arc<Journal>>,
}

impl<C: ControlPlane + 'static> Workshop<C> {
    /// The journal. Should it not have been there to open at the start (no space, no permission),
    /// it is opened now, and what an earlier agent has left in it is taken up.
    pub(super) fn journal(self: &Arc<Self>) -> Result<Arc<Journal>, JournalError> {
        if let Some(journal) = self.journal.opened.get() {
            return Ok(Arc::clone(journal));
        }
        let file = &self.journal;
        let opened = make_directory(self.host.root.path(), self.host.directory_mode)
            .map_err(|source| JournalError::Open {
                path: file.path.clone(),
                source,
            })
            .and_then(|()| Journal::open(&file.path, &file.boot_id))?;
        for complaint in &opened.complaints {
            tracing::error!("{complaint}");
        }
        let journal = Arc::new(opened.journal);
        let journal = Arc::clone(file.opened.get_or_init(|| journal));
        self.take_up_all(&journal, opened.live, opened.known);
        Ok(journal)
    }

    /// Asks for the specification, verifies and reads it.
    pub(super) async fn specification(
        &self,
        deployment_execution_id: &str,
    ) -> Result<DeploymentSpec, Verdict> {
        let operation = Operation::GetDeploymentSpecification;
        let reply = patiently(&self.gate, &self.metrics, operation, || {
            self.client
                .get_deployment_specification(deployment_execution_id, &self.host_identifier)
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

    /// Counts the end of a command; `began` is when it came, unless that was to an earlier agent.
    pub(super) fn count(&self, taken: &TakenCommand, result: EventResult, began: Option<Instant>) {
        self.metrics.event_ended(&EventEnd {
            execution: &taken.deployment_execution_id,
            event: &taken.command_name,
            deployment_type: taken.spec.as_ref().map(|spec| spec.deployment_type),
            result,
            began,
        });
    }

    /// Says how a command has ended, and sends it; false when the next agent has to.
    pub(super) async fn report(
        &self,
        command_name: &str,
        report: Report,
        place: &mut Place,
    ) -> bool {
        place.work_has_ended();
        let verdict = &report.verdict;
        if verdict.is_success() {
            tracing::info!(command = command_name, "{}", verdict.message());
        } else {
            tracing::error!(
                command = command_name,
                code = verdict.code().number(),
                "{}",
                verdict.message()
            );
        }
        self.reports.send(report).await
    }
}

/// Writes to the log, or counts, what happens while a command is carried out.
pub(super) fn note(metrics: &Metrics, command: &str, progress: &Progress) {
    match progress {
        Progress::ScriptStarted { location } => {
            tracing::info!(command, script = location, "script started");
        }
        Progress::Warning(warning) => tracing::warn!(command, "{warning}"),
        Progress::Note(note) => tracing::info!(command, "{note}"),
        Progress::ScriptEnded { code } => metrics.hook_ended(HookResult::from(*code)),
        Progress::Downloaded { bytes, took } => metrics.downloaded(*bytes, *took),
        // It is in the deployment's own log.
        Progress::Output { .. } => {}
    }
}
