//! What is counted when.

use std::os::unix::fs::PermissionsExt as _;

use integration_tests::DaemonHost;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Fault, Operation, ScriptedDeployment, Specification, When,
};
use integration_tests::fakes::{FakeCommandService, Signer};

use super::{ask, asked, calls, deployments, end, event, eventually_says, host, in_file, value};

#[test]
fn a_deployment_is_counted_event_by_event() {
    let daemon = host("exit 0");
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    eventually_says("the last command to be over", &daemon, |now| {
        value(now, "commands_at_work", &[]) == 0.0
    });
    let now = asked(&daemon);
    assert_eq!(value(&now, "up", &[]), 1.0);
    assert_eq!(
        value(
            &now,
            "build_info",
            &[("version", env!("CARGO_PKG_VERSION"))]
        ),
        1.0
    );
    assert_eq!(deployments(&now), (1.0, 0.0));
    for (name, result) in [
        ("ApplicationStop", "skipped"),
        ("DownloadBundle", "succeeded"),
        ("BeforeInstall", "skipped"),
        ("Install", "succeeded"),
        ("AfterInstall", "succeeded"),
        ("ApplicationStart", "skipped"),
        ("ValidateService", "succeeded"),
    ] {
        assert_eq!(event(&now, name, result), 1.0, "{name}");
    }
    let events = now
        .samples
        .iter()
        .filter(|s| s.name == "codedeploy_agent_events_total");
    assert_eq!(events.map(|sample| sample.value).sum::<f64>(), 7.0);
    let hooks = value(&now, "hook_runs_total", &[("result", "succeeded")]);
    assert_eq!(hooks, 2.0);
    let install = [("event", "Install")];
    assert_eq!(value(&now, "event_duration_seconds_count", &install), 1.0);
    let succeeded = [("result", "succeeded")];
    assert_eq!(
        value(&now, "deployment_duration_seconds_count", &succeeded),
        1.0
    );
    let of_all = value(&now, "deployment_duration_seconds_sum", &succeeded);
    assert!(of_all >= value(&now, "event_duration_seconds_sum", &install));
    let bundle = daemon.host.root().join("group-1/d-1/bundle.tar");
    let size = fs_err::metadata(bundle).unwrap().len();
    let size = f64::from(u32::try_from(size).unwrap());
    assert_eq!(value(&now, "downloaded_bytes_total", &[]), size);
    assert!(value(&now, "download_seconds_total", &[]) > 0.0);
    assert_eq!(calls(&now, "GetDeploymentSpecification", "ok"), 7.0);
    assert!(calls(&now, "PollHostCommand", "ok") >= 7.0);
    let last = value(&now, "last_successful_poll_timestamp_seconds", &[]);
    assert!(last >= value(&now, "start_time_seconds", &[]));
    assert_eq!(value(&now, "results_undelivered", &[]), 0.0);
    assert!(value(&now, "disk_free_bytes", &[]) > 0.0);
    // No identifier of the host, the account or the deployment.
    let text = String::from_utf8(ask(&daemon).stdout).unwrap();
    for secret in [
        "arn:",
        "123456789012",
        "d-1",
        "group-1",
        "Fleet",
        "test-host",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }

    running.stop();
    let last = in_file(&daemon).unwrap();
    assert_eq!(value(&last, "up", &[]), 0.0, "it has stopped");
    assert_eq!(deployments(&last), (1.0, 0.0));
    let path = daemon.host.path("metrics/m.prom");
    let mode = fs_err::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let entries = fs_err::read_dir(daemon.host.path("metrics")).unwrap();
    assert_eq!(entries.count(), 1, "nothing else is left there");
}

#[test]
fn a_hook_that_fails_fails_its_event_and_its_deployment_once() {
    let daemon = host("exit 7");
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Failed);
    let now = asked(&daemon);
    running.stop();
    assert_eq!(deployments(&now), (0.0, 1.0));
    assert_eq!(event(&now, "ValidateService", "failed"), 1.0);
    assert_eq!(event(&now, "ValidateService", "succeeded"), 0.0);
    assert_eq!(value(&now, "hook_runs_total", &[("result", "failed")]), 1.0);
    assert_eq!(
        value(&now, "hook_runs_total", &[("result", "succeeded")]),
        1.0
    );
}

#[test]
fn throttling_faults_and_retries_are_counted() {
    let daemon = host("exit 0");
    let next = |operation, fault| daemon.service.fault(operation, When::Next(1), fault);
    next(Operation::Poll, Fault::Throttled);
    next(Operation::Complete, Fault::ServerError);
    next(Operation::Acknowledge, Fault::Dropped);
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    let now = asked(&daemon);
    running.stop();
    assert_eq!(calls(&now, "PollHostCommand", "throttled"), 1.0);
    assert_eq!(calls(&now, "PutHostCommandComplete", "server_error"), 1.0);
    assert_eq!(
        calls(&now, "PutHostCommandAcknowledgement", "no_answer"),
        1.0
    );
    for operation in ["PutHostCommandComplete", "PutHostCommandAcknowledgement"] {
        let retries = value(&now, "retries_total", &[("operation", operation)]);
        assert_eq!(retries, 1.0, "{operation}");
    }
}

#[test]
fn a_lost_network_shows_in_the_calls_and_in_the_age_of_the_last_poll() {
    let daemon = host("exit 0");
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    // Nobody listens there any more.
    let gone = FakeCommandService::start("us-east-1").endpoint();
    let text = text.replace(&daemon.service.endpoint(), &gone);
    fs_err::write(daemon.host.configuration(), text).unwrap();
    let mut running = daemon.start();
    eventually_says("a poll to fail", &daemon, |now| {
        calls(now, "PollHostCommand", "no_connection") >= 1.0
    });
    let now = asked(&daemon);
    running.stop();
    assert_eq!(calls(&now, "PollHostCommand", "ok"), 0.0);
    assert_eq!(
        value(&now, "last_successful_poll_timestamp_seconds", &[]),
        0.0
    );
    assert!(value(&now, "poll_age_seconds", &[]) > 0.0);
    let last = in_file(&daemon).unwrap();
    assert_eq!(calls(&last, "PollHostCommand", "ok"), 0.0);
}

#[test]
fn a_result_that_waits_for_the_service_is_counted_until_it_is_delivered() {
    let daemon = host("exit 0");
    daemon
        .service
        .fault(Operation::Complete, When::Always, Fault::ServerError);
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    eventually_says("a result to wait", &daemon, |now| {
        value(now, "results_undelivered", &[]) == 1.0
    });
    assert_eq!(value(&asked(&daemon), "commands_at_work", &[]), 1.0);
    daemon.service.heal();
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    eventually_says("nothing to wait", &daemon, |now| {
        let gauge = |name| value(now, name, &[]);
        gauge("results_undelivered") + gauge("commands_at_work") + gauge("commands_waiting") == 0.0
    });
    running.stop();
}

#[test]
fn a_load_balancers_deployment_has_succeeded_with_its_last_event() {
    let daemon = host("exit 0");
    let commands = [
        "BeforeBlockTraffic",
        "AfterBlockTraffic",
        "ApplicationStop",
        "DownloadBundle",
        "Install",
        "ValidateService",
        "BeforeAllowTraffic",
    ];
    let deploy = |execution: u32, commands: &[&str]| {
        let content = daemon.specification("d-1", "b.zip");
        let signed = Specification::signed(&Signer::new(), &content);
        let mut deployment = ScriptedDeployment::new("d-1", signed, commands);
        deployment.execution_id = format!("us-east-1/123456789012/d-1/{execution}");
        let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &deployment);
        assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
        deployments(&asked(&daemon))
    };
    let mut running = daemon.start();
    assert_eq!(deploy(1, &commands), (0.0, 0.0), "it is not over");
    let whole = [&commands[..], &["AfterAllowTraffic"]].concat();
    assert_eq!(deploy(2, &whole), (1.0, 0.0));
    running.stop();
}
