//! Running the scripts of an event through the hooks-runner.

use std::path::{Path, PathBuf};
use std::time::Duration;

use failpoints::Failpoint;
use hooks_runner::{LaunchError, Outcome, Request, RunState, Running};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::MissedTickBehavior;

use super::blocking::blocking;
use super::event_source::{self, Found};
use super::follow::LogFollower;
use super::{Executor, Progress, leftovers};
use crate::appspec::Script;
use crate::diagnostics::{Code, Diagnostics, LogTail, from_outcome};
use crate::error::chain;
use crate::hooks::{hook_environment, request};
use crate::lifecycle::{Evidence, Input, Resolution};

/// How often the log of a running script is looked at, for live output.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);

/// How often a runner is started that is killed before its script begins.
const LAUNCHES: u32 = 2;

impl Executor<'_> {
    /// Finds out which scripts the event runs on this host.
    ///
    /// # Errors
    /// When that cannot be told; the diagnostics say why.
    pub async fn resolve(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Resolution, Diagnostics> {
        let found = self.find_scripts().await?;
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

    async fn find_scripts(&self) -> Result<Found, Diagnostics> {
        let own = Some(self.directory.archive()).filter(|archive| archive.is_dir());
        let (root, spec) = (self.host.root.clone(), self.spec.clone());
        let event = self.event.clone();
        blocking(move || event_source::find(&root, &spec, own.as_deref(), &event))
            .await
            .map_err(|error| Diagnostics::other(&chain(&error)))
    }

    /// What has become of the script with number `index`, which a process that is gone had handed
    /// to a runner or was about to. What cannot be told is [`Evidence::Lost`].
    pub(super) fn evidence(
        &self,
        index: usize,
        same_boot: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Evidence {
        let run_directory = self.run_directory(index);
        match hooks_runner::inspect(&run_directory) {
            Ok(RunState::Finished(outcome)) => {
                Evidence::Outcome(self.judge(index, &outcome, progress))
            }
            Ok(RunState::Alive(_)) => Evidence::RunnerAlive,
            // The runner's files outlive processes; after the host went down only an outcome that
            // is there tells anything.
            Ok(RunState::NeverRan) if same_boot => Evidence::NeverRan,
            Ok(RunState::NeverRan | RunState::Unknown) => Evidence::Lost,
            Err(error) => {
                progress(Progress::Warning(format!(
                    "it cannot be told how script number {} of {} went: {}",
                    index + 1,
                    self.event,
                    chain(&error)
                )));
                Evidence::Lost
            }
        }
    }

    /// Runs the event's script with number `index`, passing on its output; one that was run, or
    /// is running, is never run again, whatever is known of its command.
    pub(super) async fn run_script(
        &mut self,
        index: usize,
        same_boot: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Input {
        let run_directory = self.run_directory(index);
        // What cannot be inspected is refused by the launch, with the reason.
        if hooks_runner::inspect(&run_directory).is_ok() {
            let same_boot = same_boot || !run_directory.exists();
            let found = self.evidence(index, same_boot, progress);
            if found != Evidence::NeverRan {
                return Input::Restarted(found);
            }
        }
        let (archive, script) = match self.script(index).await {
            Ok(found) => found,
            Err(diagnostics) => return Input::ScriptEnded(Err(diagnostics)),
        };
        progress(Progress::ScriptStarted {
            location: script.location.clone(),
        });
        let mut tries = 0;
        loop {
            tries += 1;
            let request = request(
                &self.host.hooks,
                self.spec,
                &self.directory,
                &archive,
                &self.event,
                index,
                &script,
            );
            let follower = self.follower(&request.scripts_log);
            let running = match self.launch(&run_directory, &request) {
                Ok(running) => running,
                Err(error) => return could_not_run(&script.location, &error),
            };
            match self.wait(running, follower, progress).await {
                Ok(outcome) => {
                    return Input::ScriptEnded(self.judge(index, &outcome, progress));
                }
                // Killed before it began: the script may still be run.
                Err(error @ LaunchError::NoOutcome { started: false, .. }) if tries < LAUNCHES => {
                    progress(Progress::Warning(format!("{}; once more", chain(&error))));
                }
                Err(error @ LaunchError::NoOutcome { started: false, .. }) => {
                    return could_not_run(&script.location, &error);
                }
                Err(error) => return lost(&error, progress),
            }
        }
    }

    /// Takes over the runner of the script with number `index`, and waits for its end. The
    /// script's time is the runner's to count.
    pub(super) async fn await_script(
        &mut self,
        index: usize,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Input {
        let run_directory = self.run_directory(index);
        let follower = self.follower(&self.directory.scripts_log());
        let running = match hooks_runner::adopt(&run_directory) {
            Ok(Some(running)) => running,
            // It has ended since it was looked at.
            Ok(None) => return Input::Restarted(self.evidence(index, true, progress)),
            Err(error) => return lost(&error, progress),
        };
        progress(Progress::Note(format!(
            "script number {} of {} is running; waiting for its end",
            index + 1,
            self.event
        )));
        match self.wait(running, follower, progress).await {
            Ok(outcome) => Input::ScriptEnded(self.judge(index, &outcome, progress)),
            Err(LaunchError::NoOutcome { started: false, .. }) => {
                Input::Restarted(Evidence::NeverRan)
            }
            Err(error) => lost(&error, progress),
        }
    }

    /// Ends what is left of the script with number `index`, whose runner is gone.
    pub(super) async fn sweep(
        &mut self,
        index: usize,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) {
        leftovers::sweep(self.run_directory(index), progress).await;
        progress(Progress::ScriptEnded {
            code: Code::AgentRestarted,
        });
    }

    /// What the end of the script with number `index` means for its event.
    fn judge(
        &self,
        index: usize,
        outcome: &Outcome,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Diagnostics> {
        for warning in &outcome.warnings {
            progress(Progress::Warning(warning.clone()));
        }
        // What the runner was asked for: by now the AppSpec may be another, or gone.
        let (location, runas) = match hooks_runner::requested(&self.run_directory(index)) {
            Ok(Some(request)) => (request.location, request.runas),
            Ok(None) | Err(_) => (format!("script number {}", index + 1), None),
        };
        let judged = from_outcome(&location, runas.as_deref(), outcome, || {
            self.log_tail(index)
        });
        let code = judged
            .as_ref()
            .err()
            .map_or(Code::Succeeded, Diagnostics::code);
        progress(Progress::ScriptEnded { code });
        judged
    }

    async fn script(&mut self, index: usize) -> Result<(PathBuf, Script), Diagnostics> {
        // A command that was taken up has not resolved its event.
        if self.source.is_none() {
            let found = self.find_scripts().await?;
            if let Found::Scripts(source) = found {
                self.source = Some(source);
            }
        }
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

    fn launch(&self, run_directory: &Path, request: &Request) -> Result<Running, LaunchError> {
        let environment = hook_environment(
            self.host.inherited_environment.iter().cloned(),
            &self.host.environment,
            self.spec,
            &self.event,
        );
        Failpoint::RunnerSpawn
            .pass()
            .map_err(|source| LaunchError::Spawn {
                program: hooks_runner::PROGRAM_NAME.into(),
                source,
            })?;
        let running = hooks_runner::launch(&self.host.runner, run_directory, request, environment)?;
        // It runs, and cannot be made not to.
        let _ = Failpoint::RunnerSpawned.pass();
        Ok(running)
    }

    /// Follows the output that is yet to come, when somebody is shown it.
    fn follower(&self, log: &Path) -> Option<LogFollower> {
        let follows = self.follows_output;
        follows.then(|| LogFollower::at_the_end_of(log))
    }

    /// Waits for the end of a runner, passing on the script's output to whom it is shown.
    async fn wait(
        &mut self,
        running: Running,
        mut follower: Option<LogFollower>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, LaunchError> {
        let interrupter = running.interrupter();
        let mut cancellations = self.interruption.cancellations();
        let mut ended = spawn_blocking(move || running.wait());
        let mut tick = tokio::time::interval(FOLLOW_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut interrupt = *cancellations.borrow_and_update();
        let mut behind = false;
        let outcome = loop {
            if interrupt {
                // A runner that cannot be told is told again at the next tick.
                interrupt = interrupter.interrupt().is_err();
            }
            tokio::select! {
                outcome = &mut ended => break outcome,
                _ = tick.tick(), if interrupt || (follower.is_some() && !behind) => {
                    behind = follower.as_mut().is_some_and(|log| log.pass_on(progress));
                }
                () = yield_now(), if behind => {
                    behind = follower.as_mut().is_some_and(|log| log.pass_on(progress));
                }
                // The sender may be gone: then nobody can cancel any more. The second time the
                // runner does not wait for the script to obey.
                Ok(()) = cancellations.changed() => {
                    interrupt = true;
                    progress(Progress::Note(
                        "ending the script with everything that it has started".to_owned(),
                    ));
                }
            }
        };
        if let Some(follower) = &mut follower {
            follower.pass_on_rest(progress).await;
        }
        match outcome {
            Ok(outcome) => outcome.map(|mut outcome| {
                let told = |text: &str| follower.as_ref().is_some_and(|log| log.has_told(text));
                outcome.warnings.retain(|warning| !told(warning));
                outcome
            }),
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

fn could_not_run(location: &str, error: &LaunchError) -> Input {
    let message = format!("could not run {location}: {}", chain(error));
    Input::ScriptEnded(Err(Diagnostics::other(&message)))
}

/// The script was started, and its end can never be known.
fn lost(error: &LaunchError, progress: &mut (dyn FnMut(Progress) + Send)) -> Input {
    progress(Progress::Warning(chain(error)));
    Input::Restarted(Evidence::Lost)
}
