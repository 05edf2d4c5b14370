//! Runs the events of a local deployment, one after the other, until one fails.

use std::path::PathBuf;
use std::time::Instant;

use tokio::sync::watch;

use super::display::{Display, Ending, EventEnd, Summary};
use crate::deployment::DeploymentSpec;
use crate::deployment_root::DeploymentDirectory;
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::error::chain;
use crate::executor::{Executor, Host, Progress};
use crate::files::Lock;
use crate::lifecycle::{Acknowledgement, Action, Command, Input, LifecycleEvent, State, Verdict};

/// One deployment on this machine, without the service.
pub(super) struct LocalDeployment<'a> {
    pub(super) host: &'a Host,
    pub(super) spec: &'a DeploymentSpec,
    pub(super) events: &'a [LifecycleEvent],
    /// Turns true when the operator wants the end.
    pub(super) cancelled: watch::Receiver<bool>,
}

impl LocalDeployment<'_> {
    /// Runs all events and shows them.
    pub(super) async fn run(&self, display: &mut dyn Display) -> Ending {
        let began = Instant::now();
        let claim = self.claim();
        let mut ending = Ending::Succeeded;
        for (number, event) in self.events.iter().enumerate() {
            if *self.cancelled.borrow() {
                ending = Ending::Cancelled;
                break;
            }
            if !self
                .run_event(number, event, &claim, display)
                .await
                .is_success()
            {
                let cancelled = *self.cancelled.borrow();
                ending = if cancelled {
                    Ending::Cancelled
                } else {
                    Ending::Failed
                };
                break;
            }
        }
        display.end(&Summary {
            deployment_id: self.spec.deployment_id.to_string(),
            ending,
            duration: began.elapsed(),
            directory: self.directory().path().to_owned(),
            log: self.log(),
        });
        ending
    }

    fn directory(&self) -> DeploymentDirectory {
        self.host
            .root
            .deployment(&self.spec.deployment_group_id, &self.spec.deployment_id)
    }

    fn log(&self) -> Option<PathBuf> {
        let log = self.directory().scripts_log();
        log.exists().then_some(log)
    }

    /// Makes the deployment's directory and keeps it from being removed while it runs.
    fn claim(&self) -> Result<Option<Lock>, Diagnostics> {
        let failed = |error: &dyn std::error::Error| {
            Diagnostics::other(&format!(
                "cannot prepare the deployment's directory: {}",
                chain(error)
            ))
        };
        let directory = self
            .host
            .make_directories(self.spec)
            .map_err(|error| failed(&error))?;
        Lock::try_acquire(&directory.in_use()).map_err(|error| failed(&error))
    }

    async fn run_event(
        &self,
        number: usize,
        event: &LifecycleEvent,
        claim: &Result<Option<Lock>, Diagnostics>,
        display: &mut dyn Display,
    ) -> Verdict {
        display.event_began(event);
        tracing::info!(%event, deployment = %self.spec.deployment_id, "event started");
        let began = Instant::now();
        let mut scripts = Vec::new();
        let verdict = {
            let mut progress = |progress: Progress| {
                match &progress {
                    Progress::ScriptStarted { location } => {
                        tracing::info!(%event, script = location, "script started");
                        scripts.push(location.clone());
                    }
                    Progress::Warning(warning) => tracing::warn!(%event, "{warning}"),
                    Progress::Note(note) => tracing::info!(%event, "{note}"),
                    Progress::Output { .. } => {}
                }
                display.progress(&progress);
            };
            match claim {
                Ok(_) => self.run_command(number, event, &mut progress).await,
                Err(diagnostics) => diagnostics.clone(),
            }
        };
        if verdict.is_success() {
            tracing::info!(%event, "event ended: {}", verdict.message());
        } else {
            tracing::error!(%event, code = verdict.code().number(), "{}", verdict.message());
        }
        display.event_ended(&EventEnd {
            event,
            verdict: &verdict,
            noop: verdict == Diagnostics::succeeded(SuccessMessage::Noop),
            cancelled: *self.cancelled.borrow() && !verdict.is_success(),
            duration: began.elapsed(),
            scripts: &scripts,
            log: self.log(),
        });
        verdict
    }

    /// Drives the step machine; there is no service to acknowledge or report to.
    async fn run_command(
        &self,
        number: usize,
        event: &LifecycleEvent,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Verdict {
        let command = Command::from(event.clone());
        let run_key = format!("{number:02}-{}", plain_name(event.as_str()));
        let mut executor = Executor::new(
            self.host,
            self.spec,
            self.directory(),
            &command,
            run_key,
            self.cancelled.clone(),
        );
        let mut step = State::Received.next(&command, Input::Begin);
        loop {
            let (state, action) = match step {
                Ok(step) => step,
                Err(defect) => return Diagnostics::other(&defect.to_string()),
            };
            let input = match action {
                Action::Resolve => Input::Resolved(executor.resolve(progress)),
                Action::Acknowledge { .. } => Input::Acknowledged(Acknowledgement::Run),
                Action::Download => Input::WorkEnded(executor.download(progress).await),
                Action::Install { .. } => Input::WorkEnded(executor.install(progress).await),
                Action::RunScript(index) => {
                    Input::ScriptEnded(executor.run_script(index, progress).await)
                }
                Action::Report(verdict) => return verdict,
                // Only a restart, or a service that closes commands, leads to these.
                action @ (Action::AwaitScript(_) | Action::Sweep(_) | Action::Forget) => {
                    return Diagnostics::other(&format!(
                        "the unexpected action {action:?} in a local deployment; this is a \
                         defect of the agent, please report it"
                    ));
                }
            };
            step = state.next(&command, input);
        }
    }
}

/// A custom event may have any name; a directory may not.
fn plain_name(event: &str) -> String {
    event
        .chars()
        .take(60)
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '_'
            }
        })
        .collect()
}
