//! Runs the events of a local deployment, one after the other, until one fails.

use std::path::PathBuf;
use std::time::Instant;

use tokio::sync::watch;

use super::display::{Display, Ending, EventEnd, Summary};
use crate::deployment::DeploymentSpec;
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::executor::{Executor, Host, Progress};
use crate::lifecycle::{
    Acknowledgement, Action, Command, Input, LifecycleEvent, State, Unexpected, Verdict,
};

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
        let mut ending = Ending::Succeeded;
        for (number, event) in self.events.iter().enumerate() {
            if *self.cancelled.borrow() {
                ending = Ending::Cancelled;
                break;
            }
            if !self.run_event(number, event, display).await.is_success() {
                let cancelled = *self.cancelled.borrow();
                ending = if cancelled { Ending::Cancelled } else { Ending::Failed };
                break;
            }
        }
        let directory =
            self.host.root.deployment(&self.spec.deployment_group_id, &self.spec.deployment_id);
        display.end(&Summary {
            deployment_id: self.spec.deployment_id.to_string(),
            ending,
            duration: began.elapsed(),
            directory: directory.path().to_owned(),
            log: self.log(),
        });
        ending
    }

    fn log(&self) -> Option<PathBuf> {
        let log = self
            .host
            .root
            .deployment(&self.spec.deployment_group_id, &self.spec.deployment_id)
            .scripts_log();
        log.exists().then_some(log)
    }

    async fn run_event(
        &self,
        number: usize,
        event: &LifecycleEvent,
        display: &mut dyn Display,
    ) -> Verdict {
        display.event_began(event);
        let began = Instant::now();
        let mut scripts = Vec::new();
        let verdict = {
            let mut progress = |progress: Progress| {
                if let Progress::ScriptStarted { location } = &progress {
                    scripts.push(location.clone());
                }
                display.progress(&progress);
            };
            match self.run_command(number, event, &mut progress).await {
                Ok(verdict) => verdict,
                Err(defect) => Diagnostics::other(&defect.to_string()),
            }
        };
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
    ) -> Result<Verdict, Unexpected> {
        let command = Command::from(event.clone());
        let run_key = format!("{number:02}-{}", plain_name(event.as_str()));
        let mut executor =
            Executor::new(self.host, self.spec, &command, run_key, self.cancelled.clone());
        let mut verdict = None;
        let mut state = State::Received;
        let mut input = Input::Begin;
        loop {
            let (next, action) = state.next(&command, input)?;
            state = next;
            input = match action {
                Action::Resolve => Input::Resolved(executor.resolve(progress)),
                Action::Acknowledge { .. } => Input::Acknowledged(Acknowledgement::Run),
                Action::Download => Input::WorkEnded(executor.download(progress).await),
                Action::Install { .. } => Input::WorkEnded(executor.install(progress).await),
                Action::RunScript(index) => {
                    Input::ScriptEnded(executor.run_script(index, progress).await)
                }
                Action::Report(reported) => {
                    verdict = Some(reported);
                    Input::Reported
                }
                Action::Forget => {
                    return Ok(verdict.unwrap_or_else(|| {
                        Diagnostics::other("the event ended without a result")
                    }));
                }
                // Only a restart leads here, and a local deployment ends with its process.
                Action::AwaitScript(_) | Action::Sweep(_) => Input::Begin,
            };
        }
    }
}

/// A custom event may have any name; a directory may not.
fn plain_name(event: &str) -> String {
    event
        .chars()
        .take(60)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' })
        .collect()
}
