//! From the commands of the journal to the service's deployments: a command is an event.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::deployment::{DeploymentResult, PastDeployment, PastEvent, Requester};
use crate::deployment::{DeploymentGroupId, DeploymentId, DeploymentType};
use crate::diagnostics::{Code, Diagnostics, SuccessMessage};
use crate::journal::{PastCommand, Settlement};
use crate::lifecycle::LifecycleEvent;

/// After so long without a command the service sends none any more for a deployment that has not
/// come to its last event: it waits an hour at most for traffic to be blocked, and was stopped.
const NO_MORE_AFTER: Duration = Duration::from_secs(60 * 60);

/// The deployments of `commands`, and the commands of which no deployment is known.
pub(super) fn deployments(
    commands: Vec<PastCommand>,
    now: SystemTime,
) -> (Vec<PastDeployment>, Vec<PastCommand>) {
    let mut by_deployment: BTreeMap<DeploymentId, Vec<PastCommand>> = BTreeMap::new();
    let mut unassigned = Vec::new();
    for command in commands {
        let id = command.deployment_id.as_deref().map(DeploymentId::new);
        match id {
            Some(Ok(id)) => by_deployment.entry(id).or_default().push(command),
            _ => unassigned.push(command),
        }
    }
    let mut deployments: Vec<_> = by_deployment
        .into_iter()
        .map(|(id, commands)| deployment(id, commands, now))
        .collect();
    give_up_superseded(&mut deployments);
    (deployments, unassigned)
}

/// The service runs one deployment of a group at a time: what another one came after was stopped.
fn give_up_superseded(deployments: &mut [PastDeployment]) {
    let mut newest: BTreeMap<DeploymentGroupId, SystemTime> = BTreeMap::new();
    for past in &*deployments {
        if let Some(group) = &past.group_id {
            let newest = newest.entry(group.clone()).or_insert(past.began);
            *newest = past.began.max(*newest);
        }
    }
    for past in deployments {
        let is_between = past.result == DeploymentResult::Running { event: None };
        let newer = past.group_id.as_ref().and_then(|group| newest.get(group));
        if is_between && newer.is_some_and(|newer| *newer > past.began) {
            past.result = DeploymentResult::Unknown;
            past.ended = past.events.iter().filter_map(|event| event.ended).max();
        }
    }
}

fn deployment(id: DeploymentId, mut commands: Vec<PastCommand>, now: SystemTime) -> PastDeployment {
    commands.sort_by_key(|command| command.began);
    for command in &mut commands {
        if command.noop && command.settlement == Some(Settlement::OverAlready) {
            take_for_success(command);
        }
    }
    let result = result(&commands, now);
    // The newest that knows: what is over longest may be of an agent that kept less.
    let known =
        |part: fn(&PastCommand) -> Option<&String>| commands.iter().rev().find_map(part).cloned();
    let is_over = !matches!(result, DeploymentResult::Running { .. });
    PastDeployment {
        group_id: known(|command| command.deployment_group_id.as_ref())
            .and_then(|group| DeploymentGroupId::new(&group).ok()),
        group_name: known(|command| command.deployment_group_name.as_ref()),
        application: known(|command| command.application_name.as_ref()),
        revision: known(|command| command.revision.as_ref()),
        requester: Requester::Service,
        began: commands.first().map_or(now, |first| first.began),
        ended: commands
            .iter()
            .filter_map(|command| command.ended)
            .max()
            .filter(|_| is_over),
        result,
        id,
        held: None,
        is_most_recent: false,
        is_last_successful: false,
        events: commands.into_iter().map(event).collect(),
    }
}

/// An event without scripts is over for the service with the acknowledgement, which says so.
fn take_for_success(command: &mut PastCommand) {
    let success = Diagnostics::succeeded(SuccessMessage::Noop);
    command.code = Some(success.code());
    success.message().clone_into(&mut command.message);
    command.settlement = Some(Settlement::Accepted);
}

fn event(command: PastCommand) -> PastEvent {
    PastEvent {
        name: command.command_name,
        began: command.began,
        ended: command.ended,
        code: command.code,
        message: command.message,
        settlement: command.settlement,
    }
}

/// What commands, oldest first, come to: the last one that was run decides, because the service goes
/// on after a failure only when it is told to ignore it.
fn result(commands: &[PastCommand], now: SystemTime) -> DeploymentResult {
    let at_work = |command: &&PastCommand| command.ended.is_none();
    if let Some(command) = commands.iter().rfind(at_work) {
        return DeploymentResult::Running {
            event: Some(command.command_name.clone()),
        };
    }
    let was_run = |command: &&PastCommand| command.settlement != Some(Settlement::OverAlready);
    let Some(last) = commands.iter().rfind(was_run) else {
        return DeploymentResult::Unknown;
    };
    let age = last
        .ended
        .and_then(|ended| now.duration_since(ended).ok())
        .unwrap_or_default();
    match last.code {
        Some(Code::Succeeded) if is_last_event(commands, &last.command_name) => {
            DeploymentResult::Succeeded
        }
        Some(Code::Succeeded) if age < NO_MORE_AFTER => DeploymentResult::Running { event: None },
        Some(Code::Succeeded) | None => DeploymentResult::Unknown,
        code @ Some(_) => DeploymentResult::Failed {
            event: last.command_name.clone(),
            code,
            message: last.message.clone(),
        },
    }
}

/// Whether the service sends no event after `name` in a deployment that had these events (contract:
/// deployment, "Lifecycle events").
fn is_last_event(commands: &[PastCommand], name: &str) -> bool {
    let had = |event: &LifecycleEvent| {
        commands
            .iter()
            .any(|command| command.command_name == event.as_str())
    };
    let is_blue_green = commands
        .iter()
        .any(|command| command.deployment_type == Some(DeploymentType::BlueGreen));
    let blocks_traffic =
        had(&LifecycleEvent::BeforeBlockTraffic) || had(&LifecycleEvent::AfterBlockTraffic);
    let installs = had(&LifecycleEvent::DownloadBundle) || had(&LifecycleEvent::Install);
    let last = match (is_blue_green, blocks_traffic, installs) {
        // The original instances.
        (true, true, false) => LifecycleEvent::AfterBlockTraffic,
        // The replacement ones, and in-place behind a load balancer.
        (true, _, _) | (false, true, _) => LifecycleEvent::AfterAllowTraffic,
        (false, false, _) => LifecycleEvent::ValidateService,
    };
    name == last.as_str() || name == LifecycleEvent::AfterAllowTraffic.as_str()
}
