//! What the service's commands come to.

use rstest::rstest;

use super::*;
use crate::diagnostics::Code;
use crate::history::{DeploymentResult, service};
use crate::journal::{PastCommand, Settlement};

/// A command of `d-1` that ran from `at(began)` for a second.
fn command(name: &str, began: u64, code: Option<Code>) -> PastCommand {
    PastCommand {
        host_command_identifier: format!("{name}-{began}"),
        command_name: name.into(),
        deployment_id: Some("d-1".into()),
        deployment_group_id: Some("g-1".into()),
        deployment_type: Some(DeploymentType::InPlace),
        deployment_group_name: Some("Group".into()),
        application_name: Some("App".into()),
        revision: Some("s3://b/k".into()),
        began: at(began),
        ended: Some(at(began + 1)),
        code,
        message: "why".into(),
        settlement: Some(Settlement::Accepted),
        noop: false,
    }
}

/// The events, all successful but those that begin with `!`.
fn commands(events: &str) -> Vec<PastCommand> {
    let events = events.split_whitespace().zip(0..);
    let commands = events.map(|(event, number)| match event.strip_prefix('!') {
        Some(event) => command(event, number, Some(Code::ScriptFailed)),
        None => command(event, number, Some(Code::Succeeded)),
    });
    commands.collect()
}

fn of(commands: Vec<PastCommand>, now: SystemTime) -> PastDeployment {
    let (mut deployments, unassigned) = service::deployments(commands, now);
    assert!(unassigned.is_empty());
    assert_eq!(deployments.len(), 1);
    deployments.remove(0)
}

#[rstest]
#[case::in_place("ApplicationStop DownloadBundle Install ValidateService", "succeeded")]
#[case::between_two("ApplicationStop DownloadBundle Install", "running")]
#[case::failed("ApplicationStop !DownloadBundle", "failed")]
#[case::failure_ignored("!ApplicationStop DownloadBundle Install ValidateService", "succeeded")]
#[case::behind_a_load_balancer(
    "BeforeBlockTraffic AfterBlockTraffic ApplicationStop DownloadBundle ValidateService",
    "running"
)]
#[case::traffic_again(
    "BeforeBlockTraffic AfterBlockTraffic DownloadBundle ValidateService AfterAllowTraffic",
    "succeeded"
)]
fn the_last_event_decides(#[case] events: &str, #[case] word: &str) {
    let past = of(commands(events), at(100));
    assert_eq!(past.result.word(), word, "{past:?}");
    assert_eq!(past.began, at(0));
    assert_eq!(past.ended.is_none(), word == "running");
}

#[rstest]
#[case::replacement("DownloadBundle Install ValidateService", "running")]
#[case::replacement_over(
    "DownloadBundle Install ValidateService AfterAllowTraffic",
    "succeeded"
)]
#[case::original("BeforeBlockTraffic", "running")]
#[case::original_over("BeforeBlockTraffic AfterBlockTraffic", "succeeded")]
fn blue_green_ends_with_other_events(#[case] events: &str, #[case] word: &str) {
    let mut commands = commands(events);
    for command in &mut commands {
        command.deployment_type = Some(DeploymentType::BlueGreen);
    }
    assert_eq!(of(commands, at(100)).result.word(), word);
}

#[test]
fn a_failure_is_told_with_its_event() {
    let past = of(commands("DownloadBundle !Install"), at(100));
    let expected = DeploymentResult::Failed {
        event: "Install".into(),
        code: Some(Code::ScriptFailed),
        message: "why".into(),
    };
    assert_eq!(past.result, expected);
    assert_eq!(past.ended, Some(at(2)));
}

#[test]
fn nobody_knows_of_one_that_the_service_sent_no_more_for() {
    let hour = 60 * 60;
    let commands = || commands("ApplicationStop DownloadBundle");
    assert_eq!(of(commands(), at(hour)).result.word(), "running");
    assert_eq!(
        of(commands(), at(hour + 2)).result,
        DeploymentResult::Unknown
    );
    // Or for another one of its group.
    let mut newer = command("ApplicationStop", 5, Some(Code::Succeeded));
    newer.deployment_id = Some("d-2".into());
    let all = commands().into_iter().chain([newer]).collect();
    let (deployments, _) = service::deployments(all, at(10));
    assert_eq!(deployments[0].result, DeploymentResult::Unknown);
    assert_eq!(deployments[0].ended, Some(at(2)));
    assert_eq!(deployments[1].result.word(), "running");
}

#[test]
fn a_command_at_work_is_a_running_deployment() {
    let mut at_work = command("Install", 3, None);
    (at_work.ended, at_work.settlement) = (None, None);
    let mut commands = commands("ApplicationStop DownloadBundle");
    commands.insert(0, at_work);
    let past = of(commands, at(100_000));
    let event = Some("Install".to_owned());
    assert_eq!(past.result, DeploymentResult::Running { event });
    let names: Vec<_> = past
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(names, ["ApplicationStop", "DownloadBundle", "Install"]);
}

#[test]
fn a_command_that_was_never_run_decides_nothing() {
    let mut over = command("Install", 9, None);
    over.settlement = Some(Settlement::OverAlready);
    assert_eq!(
        of(vec![over.clone()], at(20)).result,
        DeploymentResult::Unknown
    );
    let mut commands = commands("DownloadBundle !Install");
    commands.push(over);
    assert_eq!(of(commands, at(20)).result.word(), "failed");
}

#[test]
fn an_event_without_scripts_is_over_with_its_acknowledgement() {
    let mut commands = commands("DownloadBundle Install ValidateService");
    let last = commands.last_mut().unwrap();
    (last.code, last.noop) = (None, true);
    last.settlement = Some(Settlement::OverAlready);
    let past = of(commands, at(20));
    assert_eq!(past.result, DeploymentResult::Succeeded);
    let last = past.events.last().unwrap();
    assert!(last.is_noop());
    assert_eq!(last.settlement, Some(Settlement::Accepted));
}

#[test]
fn what_an_earlier_version_did_not_keep_is_taken_from_later_commands() {
    let mut commands = commands("ApplicationStop DownloadBundle");
    commands[0].deployment_group_id = None;
    let group = of(commands.clone(), at(9)).group_id;
    assert_eq!(group.unwrap().as_str(), "g-1");
    commands[1].deployment_group_id = Some("no/group".into());
    assert_eq!(of(commands, at(9)).group_id, None);
}

#[test]
fn a_command_without_a_specification_is_kept_apart() {
    let mut lost = command("Install", 0, Some(Code::Other));
    lost.deployment_id = None;
    let (deployments, unassigned) = service::deployments(vec![lost.clone()], at(9));
    assert!(deployments.is_empty());
    assert_eq!(unassigned, [lost]);
}
