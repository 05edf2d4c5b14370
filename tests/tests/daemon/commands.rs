//! `agent start`, `stop`, `restart`, `status` and `config`, without systemd.

use std::process::Output;

use integration_tests::{DaemonHost, agent_command, eventually};
use nix::sys::signal::Signal;

fn run(daemon: &DaemonHost, arguments: &[&str]) -> Output {
    agent_command()
        .arg("--config_file")
        .arg(daemon.host.configuration())
        .args(arguments)
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap()
}

fn asserted(daemon: &DaemonHost, arguments: &[&str], code: i32, said: &str) {
    let output = run(daemon, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(shown.contains(said), "{arguments:?}: {shown}");
}

#[test]
fn start_status_restart_stop() {
    let daemon = DaemonHost::default();
    asserted(&daemon, &["status"], 3, "not running");
    asserted(&daemon, &["stop"], 0, "not running");
    asserted(&daemon, &["start"], 0, "running as PID ");
    asserted(&daemon, &["start"], 0, "already");
    let pid = || fs_err::read_to_string(daemon.host.path("pid/codedeploy-agent.pid")).unwrap();
    let first = pid();
    let line = format!("running as PID {}", first.trim());
    asserted(&daemon, &["status"], 0, &line);
    asserted(&daemon, &["restart"], 0, "running as PID ");
    assert_ne!(pid(), first);
    asserted(&daemon, &["stop", "--wait"], 0, "has stopped");
    asserted(&daemon, &["status"], 3, "not running");
}

#[test]
fn a_broken_configuration_is_told_by_each() {
    let daemon = DaemonHost::with_configuration("max_revisions: none\nverbose: perhaps");
    asserted(&daemon, &["status"], 4, "max_revisions");
    asserted(&daemon, &["start"], 78, "max_revisions");
    asserted(&daemon, &["config", "check"], 78, "max_revisions");
    asserted(&daemon, &["config", "check"], 78, "verbose");
}

#[test]
fn a_check_tells_all_problems_at_once() {
    let daemon = DaemonHost::with_configuration(
        "max_revisions: none\nuser: no-such-user\nsigner_ca_file: /nonexistent.pem\nfrobnicate: 1",
    );
    for said in [
        "max_revisions is \"none\"",
        "no-such-user",
        "/nonexistent.pem",
        "warning: ",
        "frobnicate",
    ] {
        asserted(&daemon, &["config", "check"], 78, said);
    }
    let daemon = DaemonHost::default();
    let taken = daemon.host.path("taken");
    fs_err::write(&taken, "").unwrap();
    let configuration = daemon.host.configuration();
    let lines = format!("log_dir: {}/below\n", taken.display());
    fs_err::write(&configuration, lines).unwrap();
    let said = format!("{} is no directory", taken.display());
    asserted(&daemon, &["config", "check"], 78, &said);
}

#[test]
fn an_agent_that_is_halted_is_said_to_be() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start();
    eventually("the agent to run", || {
        run(&daemon, &["status"]).status.success()
    });
    running.signal(Signal::SIGSTOP);
    let remedy = format!("kill -CONT {}", running.pid());
    asserted(&daemon, &["stop"], 1, &remedy);
    running.signal(Signal::SIGCONT);
    assert!(running.wait().success());
}

#[test]
fn a_good_configuration_can_be_used_with_its_warnings() {
    let daemon = DaemonHost::with_configuration("frobnicate: 1");
    asserted(&daemon, &["config", "check"], 0, "can be used");
    asserted(&daemon, &["config", "check"], 0, "frobnicate");
}

#[test]
fn secrets_are_hidden_in_what_is_shown() {
    let daemon = DaemonHost::with_configuration("proxy_uri: http://me:hush-hush@127.0.0.1:1");
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--output", "json"],
    ] {
        let output = run(&daemon, arguments);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && shown.contains("127.0.0.1:1"),
            "{shown}"
        );
        assert!(!shown.contains("hush-hush"), "{shown}");
    }
}
