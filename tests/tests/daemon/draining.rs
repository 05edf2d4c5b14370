//! SIGQUIT, `agent stop --wait`, and process 1: commands at work come to their end first.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};

use integration_tests::fakes::command_service::{Fault, Operation, When};
use integration_tests::{
    RunningDaemon, agent, agent_command, eventually, is_alive, running_as_root,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::scene::{Scene, end_by};

fn draining(scene: &Scene) {
    eventually("the agent to be draining", || {
        scene
            .daemon
            .log()
            .contains("stopping when those at work are over")
    });
}

#[test]
fn sigquit_lets_commands_at_work_come_to_their_end() {
    let scene = Scene::new();
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    running.signal(Signal::SIGQUIT);
    draining(&scene);
    assert_eq!(running.ended(), None);
    scene.release();
    assert!(running.wait().success());
    assert_eq!(scene.ran(), ["one", "two"]);
    assert!(scene.daemon.at_work().is_empty());
    // The deployment's other commands are the next agent's.
    let _second = scene.daemon.start();
    scene.assert_succeeded(&deployment);
}

#[test]
fn under_a_service_manager_a_drained_agent_asks_not_to_be_started_again() {
    let scene = Scene::new();
    let socket = scene.daemon.host.path("notify");
    let _manager = UnixDatagram::bind(&socket).unwrap();
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap().to_owned())];
    let mut running = scene.daemon.start_program(&agent(), &environment);
    let _ = scene.deploy();
    scene.in_hook();
    running.signal(Signal::SIGQUIT);
    draining(&scene);
    scene.release();
    assert_eq!(running.wait().code(), Some(79));
    // Handed over, it is to be started again.
    let mut running = scene.daemon.start_program(&agent(), &environment);
    eventually("the agent to take over", || {
        scene.daemon.log().matches("command received").count() > 5
    });
    running.stop();
}

#[test]
fn a_draining_agent_that_is_told_to_stop_hands_over() {
    for signal in [Signal::SIGTERM, Signal::SIGQUIT] {
        let scene = Scene::new();
        let mut running = scene.daemon.start();
        let deployment = scene.deploy();
        let (_, script) = scene.in_hook();
        running.signal(Signal::SIGQUIT);
        draining(&scene);
        end_by(&mut running, signal);
        assert!(is_alive(script));
        let _second = scene.daemon.start();
        scene.release();
        scene.assert_succeeded(&deployment);
    }
}

#[test]
fn a_draining_agent_sends_a_result_again_until_the_service_has_it() {
    for fault in [Fault::Throttled, Fault::ServerError] {
        let scene = Scene::with("", "exit 3");
        let mut running = scene.daemon.start();
        let deployment = scene.deploy();
        scene.in_hook();
        scene
            .daemon
            .service
            .fault(Operation::Complete, When::Next(2), fault);
        running.signal(Signal::SIGQUIT);
        draining(&scene);
        scene.release();
        assert!(running.wait().success());
        // By the same agent.
        scene.assert_failed(&deployment, 4);
        assert!(scene.daemon.at_work().is_empty());
    }
}

#[test]
fn a_draining_agent_with_a_result_that_cannot_be_sent_hands_over_when_told_to_stop() {
    let scene = Scene::with("", "exit 3");
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    let service = &scene.daemon.service;
    service.fault(Operation::Complete, When::Always, Fault::ServerError);
    let before = service.calls().len();
    running.signal(Signal::SIGQUIT);
    draining(&scene);
    scene.release();
    service.wait_for("the result to be sent again", |calls| {
        let tries = calls[before..]
            .iter()
            .filter(|call| call.operation == Some(Operation::Complete));
        tries.count() > 2
    });
    assert_eq!(running.ended(), None);
    end_by(&mut running, Signal::SIGTERM);
    service.heal();
    let _second = scene.daemon.start();
    scene.assert_failed(&deployment, 4);
}

fn stop_waiting(scene: &Scene) -> Child {
    agent_command()
        .args(["stop", "--wait", "--config"])
        .arg(scene.daemon.host.configuration())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn stop_with_wait_waits_for_the_hook() {
    let scene = Scene::new();
    let mut running = scene.daemon.start();
    let _ = scene.deploy();
    scene.in_hook();
    let mut stopping = stop_waiting(&scene);
    draining(&scene);
    assert_eq!(stopping.try_wait().unwrap(), None);
    scene.release();
    assert!(running.wait().success());
    let output = stopping.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("has stopped"), "{said}");
    assert_eq!(scene.ran(), ["one", "two"]);
}

#[test]
fn stop_with_wait_hands_over_when_the_time_is_over_and_says_so() {
    let scene = Scene::with("kill_agent_max_wait_time_seconds: 1", "exit 0");
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    let (_, script) = scene.in_hook();
    let stopping = stop_waiting(&scene);
    assert!(running.wait().success());
    let output = stopping.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("after 1 seconds"), "{said}");
    assert!(is_alive(script));
    let _second = scene.daemon.start();
    scene.release();
    scene.assert_succeeded(&deployment);
}

/// The one child of a process.
fn child_of(pid: i32) -> i32 {
    let mut child = None;
    eventually("a child process", || {
        let children = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        child = children.ok().and_then(|pids| pids.trim().parse().ok());
        child.is_some()
    });
    child.unwrap()
}

/// Starts the agent as process 1 of a container; it is the child of what this returns.
fn start_in_container(scene: &Scene) -> RunningDaemon {
    let program = scene.daemon.host.path("container");
    let script = format!(
        "#!/bin/sh\nexec unshare --pid --fork --kill-child --mount-proc {} \"$@\"\n",
        agent().display()
    );
    fs_err::write(&program, script).unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    scene.daemon.start_program(&program, &[])
}

#[test]
fn as_process_1_sigterm_lets_commands_at_work_come_to_their_end() {
    if !running_as_root("making a container") {
        return;
    }
    let scene = Scene::new();
    let mut container = start_in_container(&scene);
    let deployment = scene.deploy();
    scene.in_hook();
    let agent = Pid::from_raw(child_of(container.pid()));
    kill(agent, Signal::SIGTERM).unwrap();
    draining(&scene);
    assert_eq!(container.ended(), None);
    scene.release();
    assert!(container.wait().success());
    assert_eq!(scene.ran(), ["one", "two"]);
    let _second = scene.daemon.start();
    scene.assert_succeeded(&deployment);
}

#[test]
fn process_1_collects_processes_that_hooks_have_left() {
    if !running_as_root("making a container") {
        return;
    }
    let scene = Scene::with("", "sleep 0.1 >/dev/null 2>&1 &\nexit 0");
    scene.release();
    let container = start_in_container(&scene);
    let deployment = scene.deploy();
    scene.assert_succeeded(&deployment);
    let agent = child_of(container.pid());
    eventually("all that have ended to be collected", || {
        let children = format!("/proc/{agent}/task/{agent}/children");
        fs_err::read_to_string(children).unwrap().is_empty()
    });
}
