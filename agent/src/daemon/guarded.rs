//! Work on a command, in a task of its own. A panic in it is a defect of the agent; it ends this
//! command, which is reported, and nothing else.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::command::unkept;
use super::desk::Place;
use super::reports::Report;
use super::workshop::Workshop;
use crate::control_plane::ControlPlane;
use crate::diagnostics::Diagnostics;
use crate::journal::TakenCommand;
use crate::lifecycle::State;
use crate::metrics::EventResult;

impl<C: ControlPlane + 'static> Workshop<C> {
    /// Begins the work on a command. The place is held until it is over.
    pub(super) fn begin<F>(self: &Arc<Self>, taken: TakenCommand, mut place: Place, work: F)
    where
        F: AsyncFnOnce(&Arc<Self>, TakenCommand, &mut Place) + 'static,
    {
        let workshop = Arc::clone(self);
        tokio::task::spawn_local(async move {
            let worked = caught(work(&workshop, taken.clone(), &mut place)).await;
            if let Err(panic) = worked {
                workshop.fail_after_panic(taken, &panic, &mut place).await;
            }
        });
    }

    /// Reports a command whose work has panicked, with its result if it has one already.
    async fn fail_after_panic(
        self: &Arc<Self>,
        taken: TakenCommand,
        panic: &str,
        place: &mut Place,
    ) {
        tracing::error!(
            command = taken.command_name,
            deployment = taken.deployment_execution_id,
            "the work on the command has panicked, which is a defect of the agent, please report \
             it: {panic}"
        );
        let verdict = Diagnostics::other(&format!(
            "the agent has panicked while it was at work on the command, which is a defect of the \
             agent, please report it: {panic}"
        ));
        let Ok(journal) = self.journal() else {
            self.count(&taken, EventResult::from(&verdict), None);
            let report = unkept(&taken, verdict);
            self.report(&taken.command_name, report, place).await;
            return;
        };
        match journal.entry(&taken.host_command_identifier) {
            Some(entry) => match entry.state {
                State::Finished(verdict) => {
                    let report = Report {
                        since: entry.since,
                        may_have_been_accepted: entry.may_have_been_accepted,
                        journal: Some(journal),
                        ..unkept(&entry.taken, verdict)
                    };
                    self.report(&taken.command_name, report, place).await;
                }
                state => {
                    let noted = Some(state);
                    self.fail(&journal, entry.taken, noted, verdict, place)
                        .await;
                }
            },
            None => self.fail(&journal, taken, None, verdict, place).await,
        }
    }
}

/// What `work` comes to, or the text of its panic.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let mut work = pin!(work);
    poll_fn(
        // It is not polled again after a panic.
        |context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(text(&*panic))),
        },
    )
    .await
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}
