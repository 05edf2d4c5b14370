//! Running the scripts of an event through the hooks-runner.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hooks_runner::{LaunchError, Outcome, RunState};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use super::event_source::{self, Found};
use super::follow::LogFollower;
use super::{Executor, Progress};
use crate::appspec::Script;
use crate::diagnostics::{Diagnostics, LogTail, from_outcome};
use crate::error::chain;
use crate::hooks::{hook_environment, request};
use crate::lifecycle::Resolution;

/// How often the log of a running script is looked at, for live output.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);

impl Executor<'_> {
    /// Finds out which scripts the event runs on this host.
    ///
    /// # Errors
    /// When that cannot be told; the diagnostics say why.
    pub fn resolve(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Resolution, Diagnostics> {
        let found = event_source::find(self.host, self.spec, &self.directory, &self.event)
            .map_err(|error| Diagnostics::other(&chain(&error)))?;
        Ok(match found {
            Found::Scripts(source) => {
                let count = source.scripts.len();
                self.source = Some(source);
                Resolution::Scripts(count)
            }
            Found::Nothing(reason) => {
                if let Some(reason) = reason {
                    progress(Progress::Warning(reason));
                }
                Resolution::Noop
            }
        })
    }

    /// Runs the event's script with number `index`, passing on its output.
    ///
    /// # Errors
    /// When the script fails in any way; the diagnostics carry the event's log.
    pub async fn run_script(
        &mut self,
        index: usize,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Diagnostics> {
        let (archive, script) = self.script(index)?;
        progress(Progress::ScriptStarted {
            location: script.location.clone(),
        });
        let outcome = match self
            .launch_and_wait(index, &archive, &script, progress)
            .await
        {
            Ok(outcome) => outcome,
            Err(error) => {
                let message = format!("could not run {}: {}", script.location, chain(&error));
                return Err(Diagnostics::other(&message));
            }
        };
        for warning in &outcome.warnings {
            progress(Progress::Warning(warning.clone()));
        }
        from_outcome(&script, &outcome, || self.log_tail(index))
    }

    fn script(&self, index: usize) -> Result<(PathBuf, Script), Diagnostics> {
        self.source
            .as_ref()
            .and_then(|source| Some((source.archive.clone(), source.scripts.get(index)?.clone())))
            .ok_or_else(|| {
                Diagnostics::other(&format!(
                    "{} has no script number {}: its AppSpec was changed while it ran",
                    self.event,
                    index + 1
                ))
            })
    }

    async fn launch_and_wait(
        &mut self,
        index: usize,
        archive: &Path,
        script: &Script,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, LaunchError> {
        let request = request(
            &self.host.hooks,
            self.spec,
            &self.directory,
            archive,
            &self.event,
            index,
            script,
        );
        let environment = hook_environment(
            self.host.inherited_environment.iter().cloned(),
            &self.host.environment,
            self.spec,
            &self.event,
        );
        let run_directory = self.run_directory(index);
        let program = self.host.runner.clone();
        let mut follower = LogFollower::at_the_end_of(&request.scripts_log);
        let running = hooks_runner::launch(&program, &run_directory, &request, environment)?;
        let interrupter = running.interrupter();
        let mut ended = spawn_blocking(move || running.wait());
        let mut tick = tokio::time::interval(FOLLOW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupt = *self.cancelled.borrow();
        let outcome = loop {
            if interrupt {
                // A runner that cannot be told is told again at the next tick.
                interrupt = interrupter.interrupt().is_err();
            }
            tokio::select! {
                outcome = &mut ended => break outcome,
                _ = tick.tick() => follower.pass_on(progress),
                // The sender may be gone: then nobody can cancel any more. The second time the
                // runner does not wait for the script to obey.
                Ok(()) = self.cancelled.changed() => {
                    interrupt = true;
                    progress(Progress::Note(
                        "ending the script with everything that it has started".to_owned(),
                    ));
                }
            }
        };
        follower.pass_on(progress);
        match outcome {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// Where the script with number `index` has its request and outcome.
    fn run_directory(&self, index: usize) -> PathBuf {
        self.directory
            .hook_runs()
            .join(format!("{}-{index}", self.run_key))
    }

    /// The newest log entries of the event up to the script with number `last`, from the outcomes
    /// on disk: they are there also after the agent was restarted in between.
    fn log_tail(&self, last: usize) -> String {
        let mut tail = LogTail::default();
        for index in 0..=last {
            if let Ok(RunState::Finished(outcome)) =
                hooks_runner::inspect(&self.run_directory(index))
            {
                for entry in &outcome.tail {
                    tail.push(entry);
                }
            }
        }
        tail.text()
    }
}
