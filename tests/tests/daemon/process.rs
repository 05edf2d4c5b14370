//! The daemon as a process: signals, its lock and pid file, broken configurations.

use std::process::Output;

use integration_tests::fakes::command_service::{DeploymentEnd, Ending, Operation};
use integration_tests::{DaemonHost, agent, agent_command, eventually, running_as_root};
use nix::sys::signal::Signal;
use rstest::rstest;

use crate::scene::Scene;

fn polling(daemon: &DaemonHost) {
    daemon.service.wait_for("a poll", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Poll))
    });
}

#[test]
fn sigterm_and_sigint_give_up_the_poll_and_end_it_well() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let daemon = DaemonHost::default();
        let mut running = daemon.start();
        polling(&daemon);
        running.signal(signal);
        assert!(running.wait().success());
        daemon.service.wait_for("the poll to be given up", |calls| {
            calls.iter().any(|call| call.ending == Ending::Abandoned)
        });
        assert!(!daemon.host.path("pid/codedeploy-agent.pid").exists());
    }
}

#[test]
fn sighup_is_survived_and_a_moved_log_is_made_anew() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start();
    polling(&daemon);
    let log = daemon.host.path("log/codedeploy-agent.log");
    fs_err::rename(&log, daemon.host.path("log/moved")).unwrap();
    running.signal(Signal::SIGHUP);
    eventually("the log to be made anew", || log.exists());
    running.stop();
}

fn run(daemon: &DaemonHost) -> Output {
    agent_command()
        .args(["run", "--config"])
        .arg(daemon.host.configuration())
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap()
}

#[test]
fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start();
    polling(&daemon);
    let pid = fs_err::read_to_string(daemon.host.path("pid/codedeploy-agent.pid")).unwrap();
    assert_eq!(pid, format!("{}\n", running.pid()));
    let second = run(&daemon);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&running.pid().to_string()), "{said}");
    running.stop();
}

#[test]
fn a_configuration_that_cannot_be_used_is_exit_status_78() {
    let daemon = DaemonHost::with_configuration("max_revisions: none");
    let output = run(&daemon);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("max_revisions")
    );
}

#[rstest]
#[case::before_anything_runs("Acknowledge@2")]
#[case::in_an_install("InstallPlace@1")]
#[case::in_the_journal("JournalSync@6")]
fn a_panic_ends_the_command_only_and_is_reported(#[case] place: &str) {
    let scene = Scene::new();
    let arm = ("CODEDEPLOY_FAILPOINT", format!("{place}=panic"));
    let mut running = scene.daemon.start_program(&agent(), &[arm]);
    let diagnostics = scene.assert_failed(&scene.deploy(), 5);
    let message = diagnostics["message"].as_str().unwrap();
    assert!(message.contains("at the failpoint"), "{message}");
    scene.daemon.wait_until_idle();
    // The agent goes on.
    let next = scene.daemon.deploy("d-2", "b.zip");
    scene.release();
    scene.assert_succeeded(&next);
    scene.daemon.wait_until_idle();
    running.stop();
    let tracking = scene.daemon.host.root().join("ongoing-deployment");
    assert_eq!(fs_err::read_dir(tracking).unwrap().count(), 0);
}

#[test]
fn an_on_premises_file_that_cannot_be_used_is_exit_status_78_and_in_the_log() {
    let daemon = DaemonHost::default();
    fs_err::write(
        daemon.host.on_premises_file(),
        "iam_user_arn: arn:aws:iam::1:user/x\n",
    )
    .unwrap();
    let output = run(&daemon);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(daemon.log().contains("region"), "{}", daemon.log());
}

#[test]
fn odd_things_in_the_configuration_are_in_the_log() {
    let daemon =
        DaemonHost::with_configuration("frobnicate: true\nwait_between_spawning_children: 1");
    let mut running = daemon.start();
    polling(&daemon);
    running.stop();
    let log = daemon.log();
    assert!(
        log.contains("frobnicate") && log.contains("wait_between_spawning_children"),
        "{log}"
    );
}

#[test]
fn secrets_are_in_no_log() {
    let daemon = DaemonHost::with_configuration("verbose: true");
    let mut running = daemon.start();
    polling(&daemon);
    running.stop();
    let errors = fs_err::read_to_string(daemon.host.path("standard-error")).unwrap();
    assert!(!format!("{}{errors}", daemon.log()).contains("a-secret-for-tests-only"));
}

#[test]
fn the_daemon_becomes_the_configured_user() {
    if !running_as_root("becoming another user") {
        return;
    }
    let daemon = DaemonHost::with_configuration("user: daemon");
    for entry in [
        daemon.host.path(""),
        daemon.host.configuration(),
        daemon.host.on_premises_file(),
    ] {
        fs_err::os::unix::fs::chown(entry, Some(1), Some(1)).unwrap();
    }
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script(
            "s.sh",
            &format!("id -un >{}", daemon.host.path("who").display()),
        );
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    polling(&daemon);
    let status = fs_err::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let uid = nix::unistd::User::from_name("daemon").unwrap().unwrap().uid;
    assert!(
        status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")),
        "{status}"
    );
    let log = daemon.log();
    let told = log.matches("this agent is not root but user id 1").count();
    assert_eq!(told, 1, "{log}");
    // Hooks run all the same: the runner is found although the agent cannot be dumped.
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    let who = fs_err::read_to_string(daemon.host.path("who")).unwrap();
    assert_eq!(who, "daemon\n");
    running.stop();
}

#[test]
fn a_configured_user_that_does_not_exist_is_exit_status_78() {
    let daemon = DaemonHost::with_configuration("user: no-such-user");
    let output = run(&daemon);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("no-such-user")
    );
}
