//! Everything that is counted.

use std::time::{Duration, Instant, SystemTime};

use super::counts::{Counts, Pairs};
use super::deployments::{Deployments, EventEnd};
use super::histogram::Histogram;
use super::labels::{
    CallOutcome, DeploymentResult, EventName, EventResult, HookResult, Label as _,
};
use crate::control_plane::Operation;

/// What happened since the process began, and what is at work now.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) calls: Pairs<Operation, CallOutcome>,
    pub(super) retries: Counts<Operation>,
    pub(super) last_poll: Option<(SystemTime, Instant)>,
    pub(super) events: Pairs<EventName, EventResult>,
    /// By event.
    pub(super) event_durations: Vec<Histogram>,
    deployments_of_late: Deployments,
    pub(super) deployments: Counts<DeploymentResult>,
    /// By result.
    pub(super) deployment_durations: Vec<Histogram>,
    pub(super) hook_runs: Counts<HookResult>,
    pub(super) downloaded_bytes: u64,
    pub(super) downloading: Duration,
    pub(super) commands_at_work: u64,
    pub(super) commands_waiting: u64,
    pub(super) results_undelivered: u64,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self {
            calls: Pairs::zero(),
            retries: Counts::zero(),
            last_poll: None,
            events: Pairs::zero(),
            event_durations: vec![Histogram::default(); EventName::all().len()],
            deployments_of_late: Deployments::default(),
            deployments: Counts::zero(),
            deployment_durations: vec![Histogram::default(); DeploymentResult::all().len()],
            hook_runs: Counts::zero(),
            downloaded_bytes: 0,
            downloading: Duration::ZERO,
            commands_at_work: 0,
            commands_waiting: 0,
            results_undelivered: 0,
        }
    }

    pub(super) fn called(&mut self, operation: Operation, outcome: CallOutcome) {
        self.calls.add(operation, outcome);
        if operation == Operation::PollHostCommand && outcome == CallOutcome::Ok {
            self.last_poll = Some((SystemTime::now(), Instant::now()));
        }
    }

    pub(super) fn event_ended(&mut self, end: &EventEnd<'_>) {
        let now = Instant::now();
        let event = EventName::from(end.event);
        self.events.add(event, end.result);
        let was_run = matches!(end.result, EventResult::Succeeded | EventResult::Failed);
        if let Some(began) = end.began.filter(|_| was_run)
            && let Some(histogram) = self.event_durations.get_mut(event.index())
        {
            histogram.observe(now.saturating_duration_since(began));
        }
        if let Some((result, duration)) = self.deployments_of_late.ended(end, now) {
            self.deployments.add(result);
            if let Some(duration) = duration
                && let Some(histogram) = self.deployment_durations.get_mut(result.index())
            {
                histogram.observe(duration);
            }
        }
    }
}
