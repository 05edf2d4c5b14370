//! The metrics of a daemon that has something to count: in the file for node_exporter, and asked
//! for. What the text may look like is `integration_tests::openmetrics`.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use integration_tests::fakes::command_service::{
    DeploymentEnd, Fault, Operation, ScriptedDeployment, Specification, When,
};
use integration_tests::fakes::{FakeCommandService, Signer};
use integration_tests::openmetrics::Exposition;
use integration_tests::{DaemonHost, agent, eventually, running_as_root};
use nix::sys::signal::Signal;

/// `agent metrics`.
fn ask(daemon: &DaemonHost) -> Output {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the program under test"
    )]
    let output = Command::new(agent())
        .args(["metrics", "--config"])
        .arg(daemon.host.configuration())
        .output()
        .unwrap();
    output
}

fn read(output: &Output) -> Exposition {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    Exposition::read(&String::from_utf8_lossy(&output.stdout)).unwrap()
}

fn asked(daemon: &DaemonHost) -> Exposition {
    read(&ask(daemon))
}

/// Asks an agent that starts until it says what is waited for.
fn eventually_says(what: &str, daemon: &DaemonHost, reached: impl Fn(&Exposition) -> bool) {
    eventually(what, || {
        let output = ask(daemon);
        output.status.success() && {
            let now = read(&output);
            value(&now, "up", &[]) == 1.0 && reached(&now)
        }
    });
}

/// One sample; the name without the prefix that all have.
fn value(read: &Exposition, name: &str, labels: &[(&str, &str)]) -> f64 {
    let name = format!("codedeploy_agent_{name}");
    let value = read.value(&name, labels);
    assert!(value.is_some(), "no {name}{labels:?}");
    value.unwrap()
}

fn event(read: &Exposition, event: &str, result: &str) -> f64 {
    value(
        read,
        "events_total",
        &[("event", event), ("result", result)],
    )
}

fn deployments(read: &Exposition) -> (f64, f64) {
    let ended = |result| value(read, "deployments_total", &[("result", result)]);
    (ended("succeeded"), ended("failed"))
}

fn calls(read: &Exposition, operation: &str, outcome: &str) -> f64 {
    let labels = [("operation", operation), ("outcome", outcome)];
    value(read, "calls_total", &labels)
}

/// A host that writes `metrics/m.prom`, and has revisions whose ValidateService does as it is told.
fn host(validate: &str) -> DaemonHost {
    let daemon = DaemonHost::default();
    let directory = daemon.host.path("metrics");
    fs_err::create_dir(&directory).unwrap();
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text = format!("{text}metrics_file: {}/m.prom\n", directory.display());
    fs_err::write(daemon.host.configuration(), text).unwrap();
    let bundle = daemon
        .host
        .bundle()
        .appspec(
            "hooks:\n  AfterInstall:\n  - location: good.sh\n  \
             ValidateService:\n  - location: validate.sh\n",
        )
        .script("good.sh", "exit 0")
        .script("validate.sh", validate);
    daemon.publish("b.zip", bundle.path());
    daemon
}

fn in_file(daemon: &DaemonHost) -> Option<Exposition> {
    let text = fs_err::read_to_string(daemon.host.path("metrics/m.prom")).ok()?;
    Some(Exposition::read(&text).unwrap())
}

fn end(daemon: &DaemonHost, deployment: &ScriptedDeployment) -> DeploymentEnd {
    let end = daemon.service.wait_for_end(deployment);
    daemon.wait_until_idle();
    end
}

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
fn without_an_agent_what_can_be_known_is_said() {
    let daemon = host("exit 0");
    let now = asked(&daemon);
    assert_eq!(value(&now, "up", &[]), 0.0);
    assert_eq!(now.value("codedeploy_agent_poll_age_seconds", &[]), None);
    assert_eq!(value(&now, "revisions", &[]), 0.0);

    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    running.stop();
    let now = asked(&daemon);
    assert_eq!(value(&now, "up", &[]), 0.0);
    assert_eq!(value(&now, "revisions", &[]), 1.0);
    assert!(value(&now, "disk_used_bytes", &[("kind", "archives")]) > 0.0);
    assert!(value(&now, "disk_used_bytes", &[("kind", "bundles")]) > 0.0);
}

#[test]
fn a_killed_agent_leaves_its_file_and_the_next_one_begins_anew() {
    let daemon = host("exit 0");
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    eventually("the file", || in_file(&daemon).is_some());
    running.signal(Signal::SIGKILL);
    let _ = running.wait();
    let left = in_file(&daemon).unwrap();
    assert_eq!(value(&left, "up", &[]), 1.0, "only its age tells");
    assert_eq!(value(&asked(&daemon), "up", &[]), 0.0);
    // The socket of the killed one is in the way of nobody.
    let mut next = daemon.start();
    eventually_says("nothing counted yet", &daemon, |now| {
        deployments(now) == (0.0, 0.0)
    });
    next.stop();
}

#[test]
fn the_file_follows_what_happens() {
    let daemon = host("exit 0");
    let mut running = daemon.start();
    eventually("the file", || in_file(&daemon).is_some());
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    eventually("the deployment to be in the file", || {
        deployments(&in_file(&daemon).unwrap()) == (1.0, 0.0)
    });
    running.stop();
}

/// Each of many agents, one after the other, replaces the file, at its start and at its end.
#[test]
fn whoever_reads_the_file_sees_a_whole_text() {
    let daemon = host("exit 0");
    let path = daemon.host.path("metrics/m.prom");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0_u32;
            while !done.load(Ordering::Relaxed) {
                if let Ok(text) = fs_err::read_to_string(&path) {
                    Exposition::read(&text).unwrap();
                    seen += 1;
                }
            }
            seen
        });
        for _ in 0..5 {
            let mut running = daemon.start();
            eventually("the file of an agent that runs", || {
                in_file(&daemon).is_some_and(|read| value(&read, "up", &[]) == 1.0)
            });
            running.stop();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_file_that_cannot_be_written_is_said_once_and_fails_no_deployment() {
    let daemon = host("exit 0");
    // A directory has the name.
    fs_err::create_dir(daemon.host.path("metrics/m.prom")).unwrap();
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    assert_eq!(deployments(&asked(&daemon)), (1.0, 0.0));
    running.stop();
    let log = daemon.log();
    let warnings = log.lines().filter(|line| line.contains("metrics_file"));
    let warnings: Vec<&str> = warnings.collect();
    assert_eq!(
        warnings.len(),
        1,
        "at the start and at the end it failed: {log}"
    );
    assert!(warnings[0].contains("is no regular file"), "{warnings:?}");
    assert!(daemon.host.path("metrics/m.prom").is_dir());
}

#[test]
fn when_the_directory_comes_back_that_is_said_too() {
    let daemon = host("exit 0");
    fs_err::remove_dir(daemon.host.path("metrics")).unwrap();
    let mut running = daemon.start();
    eventually("the warning", || daemon.log().contains("cannot write"));
    fs_err::create_dir(daemon.host.path("metrics")).unwrap();
    // The last text, at the end, gets there.
    running.stop();
    assert_eq!(value(&in_file(&daemon).unwrap(), "up", &[]), 0.0);
    assert!(
        daemon.log().contains("metrics_file is written again"),
        "{}",
        daemon.log()
    );
}

#[test]
fn only_root_and_the_agents_user_may_ask() {
    if !running_as_root("asking as another user") {
        return;
    }
    let daemon = host("exit 0");
    let mut running = daemon.start();
    let socket = daemon.host.path("pid/codedeploy-agent.metrics.sock");
    eventually("the socket", || socket.exists());
    // Whether an agent runs is no secret; what it says is.
    let lock = daemon.host.path("pid/codedeploy-agent.pid.lock");
    fs_err::set_permissions(lock, PermissionsExt::from_mode(0o644)).unwrap();
    let mode = fs_err::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the program under test"
    )]
    let mut command = Command::new(agent());
    command
        .args(["metrics", "--config"])
        .arg(daemon.host.configuration());
    let output = std::os::unix::process::CommandExt::uid(&mut command, 65_534)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("only root and the agent's user may"),
        "{errors}"
    );
    assert!(output.stdout.is_empty());

    // Also when the file's mode would let it.
    fs_err::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stdout.is_empty());
    running.stop();
    assert!(!socket.exists());
}

#[test]
fn who_connects_and_reads_nothing_holds_nobody_up() {
    let daemon = host("exit 0");
    let mut running = daemon.start();
    let socket = daemon.host.path("pid/codedeploy-agent.metrics.sock");
    eventually("the socket", || socket.exists());
    let idle: Vec<_> = (0..3)
        .map(|_| std::os::unix::net::UnixStream::connect(&socket).unwrap())
        .collect();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    assert_eq!(deployments(&asked(&daemon)), (1.0, 0.0));
    drop(idle);
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
