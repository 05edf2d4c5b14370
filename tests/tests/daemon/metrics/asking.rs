//! `agent metrics`, with an agent and without, and by whom.

use std::os::unix::fs::PermissionsExt;

use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::{agent_command, eventually, running_as_root};

use super::{asked, deployments, end, host, value};

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
    let mut command = agent_command();
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
