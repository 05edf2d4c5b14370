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
    fn acknowledge(&mut self, noop: bool) -> impl Future<Output = Option<Acknowledgement>>;
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
            // What this process does itself is stopped by its own means.
            let stops_itself = matches!(action, Action::Install { .. });
            let interruption = self.interruption.clone();
            let input = match action {
                Action::Report(verdict) => return End::Verdict(verdict),
                Action::Forget => return End::Unwanted,
                action => {
                    let performed = self.perform(command, action, same_boot, requester, progress);
                    tokio::select! {
                        biased;
                        input = performed => input,
                        () = interruption.handed_over(), if !stops_itself => {
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
                None => self.resolve(progress),
            }),
            Action::Acknowledge { noop } => Input::Acknowledged(requester.acknowledge(noop).await?),
            Action::Download => Input::WorkEnded(self.download(progress).await),
            Action::Install { .. } => Input::WorkEnded(self.install(progress).await),
            Action::RunScript(index) => self.run_script(index, same_boot, progress).await,
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
