//! What earlier agents have left: commands at work and results of our own journal, and tracking
//! files of agents that have no journal.

use std::collections::HashSet;
use std::sync::Arc;

use super::command::unkept;
use super::desk::Place;
use super::reports::{Report, settle};
use super::tracking::Tracked;
use super::workshop::{Workshop, note};
use crate::control_plane::ControlPlane;
use crate::deployment::DeploymentId;
use crate::diagnostics::Diagnostics;
use crate::executor::{Beginning, Progress};
use crate::journal::{Entry, Journal, Settlement, TakenCommand};
use crate::lifecycle::{State, Verdict};
use crate::metrics::EventResult;

impl<C: ControlPlane + 'static> Workshop<C> {
    /// Takes up all that the journal and the tracking files tell, each in a task of its own. Their
    /// places at the desk are taken before this returns, so that nothing is begun anew that the
    /// service hands out once more.
    pub(super) fn take_up_all(
        self: &Arc<Self>,
        journal: &Arc<Journal>,
        live: Vec<Entry>,
        known: HashSet<String>,
    ) {
        let settled = known.clone();
        self.desk.remember(known);
        let at_work: HashSet<String> = live
            .iter()
            .map(|entry| entry.taken.host_command_identifier.clone())
            .collect();
        for entry in live {
            // At work here already, when the journal could not be opened at first.
            if let Some(place) = self.desk.take_up(&entry.taken.host_command_identifier) {
                let (taken, journal) = (entry.taken.clone(), Arc::clone(journal));
                self.begin(taken, place, async move |workshop, _, place| {
                    workshop.take_up(&journal, entry, place).await;
                });
            }
        }
        let left = self.tracking.left_behind(
            |command| at_work.contains(command),
            |complaint| tracing::error!("a tracking file cannot be used: {complaint}"),
        );
        for tracked in left {
            if settled.contains(&tracked.command) {
                self.untrack(&tracked);
            } else if let Some(place) = self.desk.take_up(&tracked.command) {
                let (taken, journal) = (self.taken_before(&tracked), Arc::clone(journal));
                self.begin(taken, place, async move |workshop, taken, place| {
                    workshop.fail_tracked(&journal, taken, tracked, place).await;
                });
            }
        }
    }

    /// Goes on with a command of the journal.
    async fn take_up(&self, journal: &Arc<Journal>, entry: Entry, place: &mut Place) {
        let Entry { taken, state, .. } = entry;
        if let Some(host) = self.other_host(&taken) {
            tracing::error!(
                command = taken.command_name,
                deployment = taken.deployment_execution_id,
                "the journal has a command of the host {host}, as after the disk was copied in the \
                 middle of a deployment, or after this host was registered anew; it is not gone on \
                 with and not reported"
            );
            self.close_other_hosts(journal, taken).await;
            return;
        }
        tracing::info!(
            command = taken.command_name,
            deployment = taken.deployment_execution_id,
            "a command is taken up that an earlier agent had at work"
        );
        let same_boot = entry.boot_id == self.journal.boot_id;
        match state {
            State::Finished(verdict) => {
                if let Some(spec) = &taken.spec {
                    self.untrack(&Tracked {
                        deployment: spec.deployment_id.clone(),
                        command: taken.host_command_identifier.clone(),
                    });
                }
                let report = Report {
                    since: entry.since,
                    may_have_been_accepted: entry.may_have_been_accepted,
                    journal: Some(Arc::clone(journal)),
                    ..unkept(&taken, verdict)
                };
                self.report(&taken.command_name, report, place).await;
            }
            State::Done => {
                let command = taken.host_command_identifier;
                settle(Arc::clone(journal), command, Settlement::OverAlready).await;
            }
            state if same_boot && self.was_disposed_of(&taken, &state) => {
                tracing::error!(
                    command = taken.command_name,
                    "another agent has disposed of the command meanwhile"
                );
                self.fail(
                    journal,
                    taken,
                    Some(state),
                    Diagnostics::agent_restarted(),
                    place,
                )
                .await;
            }
            state => {
                let beginning = Beginning::TakenUp { state, same_boot };
                self.bring_to_its_end(journal, taken, beginning, place)
                    .await;
            }
        }
    }

    /// The host that a command is for, when that is not this one.
    fn other_host<'a>(&self, taken: &'a TakenCommand) -> Option<&'a str> {
        let host = taken.host_identifier.as_deref();
        host.filter(|host| *host != self.host_identifier)
    }

    /// Closes a command of another host. Nothing is sent for it (contract: protocol, flow, step 1).
    async fn close_other_hosts(&self, journal: &Arc<Journal>, taken: TakenCommand) {
        if let Some(spec) = &taken.spec {
            self.untrack(&Tracked {
                deployment: spec.deployment_id.clone(),
                command: taken.host_command_identifier.clone(),
            });
            // This host may be in the same deployment.
            if !self.laid_to_rest(&spec.deployment_id, &taken).await {
                return;
            }
        }
        let command = taken.host_command_identifier;
        settle(Arc::clone(journal), command, Settlement::GivenUp).await;
    }

    /// Whether another agent, which knows tracking files only, has reported the command as failed.
    fn was_disposed_of(&self, taken: &TakenCommand, state: &State) -> bool {
        match (state, &taken.spec) {
            // The file is there from the acknowledgement on.
            (State::Received | State::Resolving | State::AwaitingReply(_), _) | (_, None) => false,
            (_, Some(spec)) => !self
                .tracking
                .holds(&spec.deployment_id, &taken.host_command_identifier),
        }
    }

    /// A command that is known from its tracking file only.
    fn taken_before(&self, tracked: &Tracked) -> TakenCommand {
        TakenCommand {
            host_command_identifier: tracked.command.clone(),
            host_identifier: Some(self.host_identifier.clone()),
            deployment_execution_id: String::new(),
            command_name: String::new(),
            spec: None,
            run_key: String::new(),
        }
    }

    /// Fails a command that is known from its tracking file only.
    async fn fail_tracked(
        &self,
        journal: &Arc<Journal>,
        taken: TakenCommand,
        tracked: Tracked,
        place: &mut Place,
    ) {
        tracing::error!(
            command = tracked.command,
            deployment = %tracked.deployment,
            "an agent went down while it was at work on a command"
        );
        if !self.laid_to_rest(&tracked.deployment, &taken).await {
            return;
        }
        let verdict = Diagnostics::agent_restarted();
        self.end_with(journal, &taken, Some(&tracked), None, verdict, place)
            .await;
    }

    /// Fails a command that must not go on, once nothing of its deployment runs any more. `noted` is
    /// what the journal has of it.
    pub(super) async fn fail(
        &self,
        journal: &Arc<Journal>,
        taken: TakenCommand,
        noted: Option<State>,
        verdict: Verdict,
        place: &mut Place,
    ) {
        let tracked = taken.spec.as_ref().map(|spec| Tracked {
            deployment: spec.deployment_id.clone(),
            command: taken.host_command_identifier.clone(),
        });
        if let Some(tracked) = &tracked
            && !self.laid_to_rest(&tracked.deployment, &taken).await
        {
            return;
        }
        self.end_with(journal, &taken, tracked.as_ref(), noted, verdict, place)
            .await;
    }

    async fn end_with(
        &self,
        journal: &Arc<Journal>,
        taken: &TakenCommand,
        tracked: Option<&Tracked>,
        mut noted: Option<State>,
        verdict: Verdict,
        place: &mut Place,
    ) {
        let untrack = || {
            if let Some(tracked) = tracked {
                self.untrack(tracked);
            }
        };
        self.count(taken, EventResult::from(&verdict), None);
        self.finish(journal, taken, &mut noted, verdict.clone())
            .await;
        // Without its result in the journal, the file tells the next agent.
        if matches!(noted, Some(State::Finished(_))) {
            untrack();
        }
        let report = Report {
            journal: noted.map(|_| Arc::clone(journal)),
            ..unkept(taken, verdict)
        };
        if self.report(&taken.command_name, report, place).await {
            untrack();
        }
    }

    /// Waits until nothing of a deployment runs any more; false when the next agent has to see to
    /// that.
    async fn laid_to_rest(&self, deployment: &DeploymentId, taken: &TakenCommand) -> bool {
        let name = taken.command_name.as_str();
        let progress = &mut |progress: Progress| note(&self.metrics, name, &progress);
        let interruption = self.signals.interruption();
        tokio::select! {
            biased;
            () = async {
                let _turn = self.desk.turn(deployment).await;
                self.host.lay_to_rest(deployment, progress).await;
            } => true,
            () = interruption.handed_over() => false,
        }
    }

    fn untrack(&self, tracked: &Tracked) {
        if let Err(error) = self.tracking.end(&tracked.deployment, &tracked.command) {
            tracing::warn!(command = tracked.command, "{error}");
        }
    }
}
