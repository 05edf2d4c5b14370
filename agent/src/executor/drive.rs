//! Drives the step machine of one command, from its beginning or from where an agent that is gone
//! had left it.
//!
//! The invariant of taking up: [`Requester::record`] has returned before the action of a state is
//! carried out, so whatever an action has left on this host, its state is known.

use super::{Executor, Progress};
use crate::diagnostics::Diagnostics;
use crate::lifecycle::{
    Acknowledgement, Action, Command, Evidence, Input, Resolution, State, Verdict,
};

/// Who wants a command to be carried out: the service, or an operator.
pub trait Requester {
    /// What a command comes to without a look at its scripts; none when they decide.
    fn resolution(&self, command: &Command) -> Option<Resolution>;

    /// Keeps `state` for the next process, before its action is carried out.
    ///
    /// # Errors
    /// When it cannot be kept; the command then ends with these diagnostics.
    fn record(&mut self, state: &State) -> impl Future<Output = Result<(), Diagnostics>>;

    /// Asks whether the command is to be run; none when nobody wants it any more.
    ///
    /// # Errors
    /// When that cannot be asked; the command then ends with these diagnostics.
    fn acknowledge(
        &mut self,
        noop: bool,
    ) -> impl Future<Output = Option<Result<Acknowledgement, Diagnostics>>>;
}

/// Where a command begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// Nothing of it has been done.
    New,
    /// A process that is gone had come to a state.
    TakenUp {
        /// The last one that it kept.
        state: State,
        /// Whether the host has not gone down since.
        same_boot: bool,
    },
}

/// How driving a command has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This is its result.
    Verdict(Verdict),
    /// Nobody wants it to be run, or to hear of it.
    Unwanted,
    /// It is at a point where the next process takes it up.
    HandedOver,
}

impl Executor<'_> {
    /// Carries the command out.
    pub async fn drive(
        &mut self,
        command: &Command,
        beginning: Beginning,
        requester: &mut impl Requester,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> End {
        let (mut step, same_boot) = match beginning {
            Beginning::New => (State::Received.next(command, Input::Begin), true),
            Beginning::TakenUp { state, same_boot } => {
                let evidence = match state {
                    State::InScript { index, .. } => self.evidence(index, same_boot, progress),
                    _ => Evidence::NotInScript,
                };
                (state.next(command, Input::Restarted(evidence)), same_boot)
            }
        };
        loop {
            let (state, action) = match step {
                Ok(step) => step,
                Err(defect) => {
                    return fail(requester, Diagnostics::other(&defect.to_string())).await;
                }
            };
            if let Err(diagnostics) = requester.record(&state).await {
                return fail(requester, diagnostics).await;
            }
            // An Install is stopped by its own means. Nothing is noted before a command is
            // resolved, so it cannot be handed over.
            let comes_to_an_end = matches!(action, Action::Install { .. } | Action::Resolve);
            let interruption = self.interruption.clone();
            let input = match action {
                Action::Report(verdict) => return End::Verdict(verdict),
                Action::Forget => return End::Unwanted,
                action => {
                    let performed = self.perform(command, action, same_boot, requester, progress);
                    tokio::select! {
                        biased;
                        input = performed => input,
                        () = interruption.handed_over(), if !comes_to_an_end => {
                            return End::HandedOver;
                        }
                    }
                }
            };
            let input = match input {
                Some(Input::WorkEnded(Err(_))) if self.interruption.is_handed_over() => {
                    return End::HandedOver;
                }
                Some(input) => input,
                None => return End::Unwanted,
            };
            step = state.next(command, input);
        }
    }

    /// Carries an action out; none when nobody wants the command any more.
    async fn perform(
        &mut self,
        command: &Command,
        action: Action,
        same_boot: bool,
        requester: &mut impl Requester,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Option<Input> {
        Some(match action {
            Action::Resolve => Input::Resolved(match requester.resolution(command) {
                Some(resolution) => Ok(resolution),
                None => self.resolve(progress).await,
            }),
            Action::Acknowledge { noop } => Input::Acknowledged(requester.acknowledge(noop).await?),
            Action::Download => Input::WorkEnded(self.download(progress).await),
            Action::Install { .. } => Input::WorkEnded(self.install(progress).await),
            Action::RunScript(index) => {
                self.recover_group(progress).await;
                self.run_script(index, same_boot, progress).await
            }
            Action::AwaitScript(index) => self.await_script(index, progress).await,
            Action::Sweep(index) => {
                self.sweep(index, progress).await;
                Input::Swept
            }
            // The driver's own.
            Action::Report(_) => Input::Reported,
            Action::Forget => return None,
        })
    }
}

/// Ends a command that cannot go on.
async fn fail(requester: &mut impl Requester, diagnostics: Diagnostics) -> End {
    // What could not be kept before may well not be kept now; the verdict is sent all the same.
    let _ = requester
        .record(&State::Finished(diagnostics.clone()))
        .await;
    End::Verdict(diagnostics)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fs_err as fs;
    use hooks_runner::Program;

    use super::*;
    use crate::bundle::{SourceSettings, Sources};
    use crate::config::{Config, Purpose};
    use crate::deployment::{
        DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentSpec, DeploymentType,
        FileExistsBehavior, Revision,
    };
    use crate::diagnostics::{Code, SuccessMessage};
    use crate::executor::{Host, Interrupter};
    use crate::hooks::HookBase;
    use crate::lifecycle::LifecycleEvent;

    /// Writes down what it is told, and whether the revision is on the disk by then.
    struct Witness<'a> {
        archive: &'a Path,
        told: Vec<String>,
        /// The state that cannot be kept.
        refuses: Option<State>,
        reply: Option<Result<Acknowledgement, Diagnostics>>,
        /// Hands over when asked whether to run.
        hands_over: Option<Interrupter>,
    }

    impl Requester for Witness<'_> {
        fn resolution(&self, _: &Command) -> Option<Resolution> {
            None
        }

        async fn record(&mut self, state: &State) -> Result<(), Diagnostics> {
            let text = format!("{state:?}");
            let name = text.split(['(', ' ']).next().unwrap();
            let there = if self.archive.exists() { " there" } else { "" };
            self.told.push(format!("{name}{there}"));
            match &self.refuses {
                Some(refused) if refused == state => Err(Diagnostics::other("cannot be kept")),
                _ => Ok(()),
            }
        }

        async fn acknowledge(
            &mut self,
            noop: bool,
        ) -> Option<Result<Acknowledgement, Diagnostics>> {
            self.told.push(format!("noop {noop}"));
            if let Some(interrupter) = &self.hands_over {
                interrupter.hand_over();
            }
            self.reply.clone()
        }
    }

    #[derive(Default)]
    struct Case {
        /// None: DownloadBundle.
        command: Option<Command>,
        beginning: Option<State>,
        refuses: Option<State>,
        closed: bool,
        unasked: bool,
        hands_over: bool,
        /// Before anything is done.
        handed_over: bool,
    }

    /// Drives a command that deploys a directory; how it has ended, and what was told.
    fn drive(case: Case) -> (End, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let revision = directory.path().join("revision");
        fs::create_dir(&revision).unwrap();
        fs::write(revision.join("appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
        let spec = DeploymentSpec {
            deployment_id: DeploymentId::new("d-1").unwrap(),
            deployment_group_id: DeploymentGroupId::new("g-1").unwrap(),
            deployment_group_name: "Group".into(),
            application_name: "App".into(),
            creator: DeploymentCreator::Other,
            deployment_type: DeploymentType::InPlace,
            appspec_filename: "appspec.yml".into(),
            file_exists_behavior: FileExistsBehavior::Disallow,
            all_possible_lifecycle_events: None,
            revision: Revision::LocalDirectory { location: revision },
            reuse_archive_from: None,
        };
        let mut config = Config::defaults(Purpose::Service);
        config.root_dir = directory.path().join("root");
        let base = HookBase {
            variables: Vec::new(),
            umask: 0o022,
        };
        let sources = Sources::new(SourceSettings::default());
        let host = Host::new(&config, None, base, Program::new("/nonexistent"), sources);
        let made = host.make_directories(&spec).unwrap();
        let archive = made.archive();
        let (interrupter, interruption) = Interrupter::new();
        if case.handed_over {
            interrupter.hand_over();
        }
        let mut witness = Witness {
            archive: &archive,
            told: Vec::new(),
            refuses: case.refuses,
            reply: (!case.closed).then_some(match case.unasked {
                false => Ok(Acknowledgement::Run),
                true => Err(Diagnostics::other("cannot be asked")),
            }),
            hands_over: case.hands_over.then_some(interrupter),
        };
        let command = case.command.unwrap_or(Command::DownloadBundle);
        let beginning = match case.beginning {
            None => Beginning::New,
            Some(state) => Beginning::TakenUp {
                state,
                same_boot: true,
            },
        };
        let mut executor = Executor::new(&host, &spec, made, &command, "key".into(), interruption);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let end = runtime.block_on(executor.drive(
            &command,
            beginning,
            &mut witness,
            &mut |_: Progress| {},
        ));
        (end, witness.told)
    }

    fn succeeded() -> End {
        End::Verdict(Diagnostics::succeeded(SuccessMessage::Plain))
    }

    #[test]
    fn each_state_is_kept_before_its_action_is_carried_out() {
        let (end, told) = drive(Case::default());
        assert_eq!(end, succeeded());
        assert_eq!(
            told,
            [
                "AwaitingReply",
                "noop false",
                "Downloading",
                "Finished there"
            ]
        );
    }

    #[test]
    fn nothing_is_done_whose_state_cannot_be_kept() {
        let (end, told) = drive(Case {
            refuses: Some(State::Downloading),
            ..Case::default()
        });
        let End::Verdict(verdict) = end else {
            panic!("{end:?}")
        };
        assert_eq!(verdict.code(), Code::Other);
        assert_eq!(
            told,
            ["AwaitingReply", "noop false", "Downloading", "Finished"]
        );
    }

    #[test]
    fn a_command_that_nobody_wants_is_not_carried_out() {
        let (end, told) = drive(Case {
            closed: true,
            ..Case::default()
        });
        assert_eq!(end, End::Unwanted);
        assert_eq!(told, ["AwaitingReply", "noop false"]);
    }

    #[test]
    fn a_command_about_which_nobody_can_be_asked_fails_and_is_not_carried_out() {
        let (end, told) = drive(Case {
            unasked: true,
            ..Case::default()
        });
        assert_eq!(end, End::Verdict(Diagnostics::other("cannot be asked")));
        assert_eq!(told, ["AwaitingReply", "noop false", "Finished"]);
    }

    #[test]
    fn what_was_begun_is_taken_up_where_it_was() {
        let (end, told) = drive(Case {
            beginning: Some(State::Downloading),
            ..Case::default()
        });
        assert_eq!(end, succeeded());
        assert_eq!(told, ["Downloading", "Finished there"]);
    }

    #[test]
    fn nothing_is_handed_over_of_which_no_state_was_kept() {
        let (_, told) = drive(Case {
            command: Some(Command::Hooks(LifecycleEvent::ApplicationStop)),
            handed_over: true,
            ..Case::default()
        });
        assert_eq!(told[..2], ["Resolving", "AwaitingReply"]);
    }

    #[test]
    fn what_is_handed_over_is_at_a_state_that_was_kept() {
        let (end, told) = drive(Case {
            hands_over: true,
            ..Case::default()
        });
        assert_eq!(end, End::HandedOver);
        assert_eq!(told.last().unwrap(), "Downloading");
    }
}
