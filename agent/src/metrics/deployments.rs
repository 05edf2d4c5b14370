//! When a deployment has ended on this host, as far as a host can know.
//!
//! The service sends commands, one event each, and never says which is the last. What is counted,
//! once a deployment:
//!
//! - *failed*, with its first event that failed;
//! - *succeeded*, with the event that is its last by the service's order (contract: deployment):
//!   AfterAllowTraffic, where there is a load balancer (this process has seen one of the
//!   BlockTraffic events, or the deployment is blue/green); AfterBlockTraffic on an instance that a
//!   blue/green deployment replaces; ValidateService otherwise.
//!
//! What is over by then is not counted again: a failed AllowTraffic event after a ValidateService
//! that was taken for the last one shows among the events only. A deployment that the service stops
//! in between, and one that spans two processes of the agent in the wrong place, is not counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::labels::{DeploymentResult, EventResult};
use crate::deployment::DeploymentType;
use crate::lifecycle::LifecycleEvent;

/// How many deployments are remembered; far more than can be at work.
const REMEMBERED: usize = 256;

/// One event of a deployment that has come to its end.
#[derive(Debug, Clone, Copy)]
pub struct EventEnd<'a> {
    /// The deployment's execution, for telling deployments from each other only.
    pub execution: &'a str,
    /// The event.
    pub event: &'a str,
    /// The deployment's type, when its specification could be had.
    pub deployment_type: Option<DeploymentType>,
    /// How it has ended.
    pub result: EventResult,
    /// When the command came; none when an earlier process had begun it.
    pub began: Option<Instant>,
}

/// A deployment that commands came of.
#[derive(Debug, Clone)]
struct Known {
    execution: String,
    /// When its first command came, if that was the first of all.
    began: Option<Instant>,
    behind_a_load_balancer: bool,
    over: bool,
}

/// The deployments of late, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Deployments {
    known: VecDeque<Known>,
}

impl Deployments {
    /// Takes note of an event's end. Returns how its deployment has ended by it, if it has, and
    /// how long that took, if that is known.
    pub(super) fn ended(
        &mut self,
        end: &EventEnd<'_>,
        now: Instant,
    ) -> Option<(DeploymentResult, Option<Duration>)> {
        let event = LifecycleEvent::from(end.event);
        let known = self.known(end, &event)?;
        known.behind_a_load_balancer |= matches!(
            event,
            LifecycleEvent::BeforeBlockTraffic | LifecycleEvent::AfterBlockTraffic
        );
        if known.over {
            return None;
        }
        let result = match end.result {
            EventResult::Failed => DeploymentResult::Failed,
            EventResult::Succeeded | EventResult::Skipped
                if is_last(&event, end.deployment_type, known.behind_a_load_balancer) =>
            {
                DeploymentResult::Succeeded
            }
            EventResult::Succeeded | EventResult::Skipped | EventResult::Unwanted => return None,
        };
        known.over = true;
        let duration = known
            .began
            .map(|began| now.saturating_duration_since(began));
        Some((result, duration))
    }

    fn known(&mut self, end: &EventEnd<'_>, event: &LifecycleEvent) -> Option<&mut Known> {
        let found = self
            .known
            .iter()
            .position(|known| known.execution == end.execution);
        let index = found.unwrap_or_else(|| {
            if self.known.len() >= REMEMBERED {
                self.known.pop_front();
            }
            let is_first = matches!(
                event,
                LifecycleEvent::BeforeBlockTraffic | LifecycleEvent::ApplicationStop
            );
            self.known.push_back(Known {
                execution: end.execution.to_owned(),
                began: end.began.filter(|_| is_first),
                behind_a_load_balancer: false,
                over: false,
            });
            self.known.len() - 1
        });
        self.known.get_mut(index)
    }
}

fn is_last(
    event: &LifecycleEvent,
    deployment_type: Option<DeploymentType>,
    behind_a_load_balancer: bool,
) -> bool {
    let blue_green = deployment_type == Some(DeploymentType::BlueGreen);
    match event {
        LifecycleEvent::AfterAllowTraffic => true,
        LifecycleEvent::AfterBlockTraffic => blue_green,
        LifecycleEvent::ValidateService => !blue_green && !behind_a_load_balancer,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    use DeploymentType::{BlueGreen, InPlace};
    use EventResult::{Failed, Skipped, Succeeded, Unwanted};

    const PLAIN: &[&str] = &[
        "ApplicationStop",
        "DownloadBundle",
        "Install",
        "ValidateService",
    ];
    const BALANCED: &[&str] = &[
        "BeforeBlockTraffic",
        "AfterBlockTraffic",
        "ApplicationStop",
        "ValidateService",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ];
    const GREEN: &[&str] = &["ApplicationStop", "ValidateService", "AfterAllowTraffic"];

    /// After how many events the deployment was counted, how, and whether its duration was known.
    #[rstest]
    #[case::in_place(InPlace, PLAIN, &[Succeeded; 4], Some((4, DeploymentResult::Succeeded, true)))]
    #[case::nothing_to_do(InPlace, PLAIN, &[Skipped; 4], Some((4, DeploymentResult::Succeeded, true)))]
    #[case::load_balancer(InPlace, BALANCED, &[Succeeded; 6], Some((6, DeploymentResult::Succeeded, true)))]
    #[case::green(BlueGreen, GREEN, &[Succeeded; 3], Some((3, DeploymentResult::Succeeded, true)))]
    #[case::blue(BlueGreen, &BALANCED[..2], &[Succeeded; 2], Some((2, DeploymentResult::Succeeded, true)))]
    #[case::failed(InPlace, PLAIN, &[Succeeded, Failed, Failed], Some((2, DeploymentResult::Failed, true)))]
    #[case::stopped(InPlace, PLAIN, &[Succeeded, Unwanted], None)]
    #[case::joined_in_the_middle(InPlace, &PLAIN[1..], &[Succeeded; 3], Some((3, DeploymentResult::Succeeded, false)))]
    fn a_deployment_is_counted_once(
        #[case] deployment_type: DeploymentType,
        #[case] events: &[&str],
        #[case] results: &[EventResult],
        #[case] expected: Option<(usize, DeploymentResult, bool)>,
    ) {
        let mut deployments = Deployments::default();
        let now = Instant::now();
        let mut counted = Vec::new();
        for (number, (event, result)) in events.iter().zip(results).enumerate() {
            let end = EventEnd {
                execution: "e-1",
                event,
                deployment_type: Some(deployment_type),
                result: *result,
                began: Some(now),
            };
            let ended = deployments.ended(&end, now);
            counted.extend(ended.map(|(how, took)| (number + 1, how, took.is_some())));
        }
        assert_eq!(counted, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn memory_is_bounded() {
        let mut deployments = Deployments::default();
        for number in 0..1000 {
            let execution = number.to_string();
            let end = EventEnd {
                execution: &execution,
                event: "Install",
                deployment_type: None,
                result: Succeeded,
                began: None,
            };
            assert!(deployments.ended(&end, Instant::now()).is_none());
        }
        assert_eq!(deployments.known.len(), REMEMBERED);
    }
}
