//! Runs the events of a local deployment, one after the other, until one fails.

use std::path::PathBuf;
use std::time::Instant;

use super::display::{Display, Ending, EventEnd, Summary};
use super::record::Record;
use crate::deployment::{DeploymentGroupId, DeploymentSpec};
use crate::deployment_root::DeploymentDirectory;
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::error::chain;
use crate::executor::{
    Beginning, Claim, End, Executor, Host, Interruption, Progress, Requester, Turn,
};
use crate::lifecycle::{Acknowledgement, Command, LifecycleEvent, Resolution, State, Verdict};

/// One deployment on this machine, without the service.
pub(super) struct LocalDeployment<'a> {
    pub(super) host: &'a Host,
    pub(super) spec: &'a DeploymentSpec,
    pub(super) events: &'a [LifecycleEvent],
    /// Tells when the operator wants the end.
    pub(super) interruption: Interruption,
}

impl LocalDeployment<'_> {
    /// Runs all events and shows them.
    pub(super) async fn run(&self, display: &mut dyn Display) -> Ending {
        let began = Instant::now();
        let place = self.place(display).await;
        let mut record = Record::begin(&self.host.root, self.spec, display);
        let mut ending = Ending::Succeeded;
        for (number, event) in self.events.iter().enumerate() {
            if self.interruption.is_cancelled() {
                ending = Ending::Cancelled;
                break;
            }
            record.event_began(event, display);
            let verdict = self.run_event(number, event, &place, display).await;
            record.event_ended(event, &verdict, display);
            if !verdict.is_success() {
                let cancelled = self.interruption.is_cancelled();
                ending = if cancelled {
                    Ending::Cancelled
                } else {
                    Ending::Failed
                };
                break;
            }
        }
        record.ended(ending, display);
        display.end(&Summary {
            deployment_id: self.spec.deployment_id.to_string(),
            ending,
            duration: began.elapsed(),
            directory: self.directory().path().to_owned(),
            log: self.log(),
        });
        ending
    }

    /// The deployment's directory, and the group's turn.
    async fn place(&self, display: &mut dyn Display) -> Result<Place, Diagnostics> {
        let claim = self.host.claim(self.spec).await;
        let (_, claim) = claim.map_err(|error| Diagnostics::other(&chain(&error)))?;
        let group = &self.spec.deployment_group_id;
        if is_within_hook_of(group) {
            return Ok(Place {
                _claim: claim,
                _turn: None,
            });
        }
        let mut progress = |progress: Progress| display.progress(&progress);
        let turn = self
            .host
            .turn(group, &self.interruption, &mut progress)
            .await
            .map_err(|error| Diagnostics::other(&chain(&error)))?;
        Ok(Place {
            _claim: claim,
            _turn: Some(turn),
        })
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

    async fn run_event(
        &self,
        number: usize,
        event: &LifecycleEvent,
        place: &Result<Place, Diagnostics>,
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
                    Progress::Output { .. }
                    | Progress::ScriptEnded { .. }
                    | Progress::Downloaded { .. } => {}
                }
                display.progress(&progress);
            };
            match place {
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
            cancelled: self.interruption.is_cancelled() && !verdict.is_success(),
            duration: began.elapsed(),
            scripts: &scripts,
            log: self.log(),
        });
        verdict
    }

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
            self.interruption.clone(),
        )
        .following_output();
        let end = executor
            .drive(&command, Beginning::New, &mut Operator, progress)
            .await;
        match end {
            End::Verdict(verdict) => verdict,
            // Only a service closes commands, and only a daemon hands them over.
            end @ (End::Unwanted | End::HandedOver) => Diagnostics::other(&format!(
                "the unexpected end {end:?} of an event of a local deployment; this is a defect of \
                 the agent, please report it"
            )),
        }
    }
}

/// What a local deployment holds as long as it runs.
struct Place {
    _claim: Claim,
    _turn: Option<Turn>,
}

/// Whether a hook of the group runs this program: it would wait for a turn that comes only when the
/// hook has ended.
fn is_within_hook_of(group: &DeploymentGroupId) -> bool {
    std::env::var_os("DEPLOYMENT_GROUP_ID").is_some_and(|set| set == group.as_str())
}

/// Whoever runs a local deployment: wants each event, and no process goes on with it later.
struct Operator;

impl Requester for Operator {
    fn resolution(&self, _: &Command) -> Option<Resolution> {
        None
    }

    async fn record(&mut self, _: &State) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn acknowledge(&mut self, _: bool) -> Option<Result<Acknowledgement, Diagnostics>> {
        Some(Ok(Acknowledgement::Run))
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
