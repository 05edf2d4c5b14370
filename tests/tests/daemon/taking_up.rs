//! What a new agent finds of a command, case by case.

use std::time::{Duration, SystemTime};

use integration_tests::fakes::command_service::{DeploymentEnd, Fault, Operation, When};
use integration_tests::{agent, eventually, is_alive};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;

use crate::scene::{Scene, calls_for, end_by, gone, kill_process};
use crate::slow_s3::HeldProxy;

/// Starts an agent that is killed at a failpoint, and waits until it is.
fn killed_at(scene: &Scene, place: &str) {
    let arm = ("CODEDEPLOY_FAILPOINT", format!("{place}=kill"));
    let mut running = scene.daemon.start_program(&agent(), &[arm]);
    running.wait();
}

#[test]
fn a_script_that_was_never_begun_is_run() {
    let scene = Scene::new();
    scene.release();
    let deployment = scene.deploy();
    killed_at(&scene, "RunnerSpawn@1");
    assert!(scene.ran().is_empty());
    let _second = scene.daemon.start();
    scene.assert_succeeded(&deployment);
}

#[test]
fn a_command_without_a_tracking_file_gets_one_when_it_is_taken_up() {
    let scene = Scene::new();
    let deployment = scene.deploy();
    // The fifth command is AfterInstall; it is in the journal already.
    killed_at(&scene, "TrackingWrite@5");
    let mut second = scene.daemon.start();
    scene.in_hook();
    end_by(&mut second, Signal::SIGKILL);
    let _third = scene.daemon.start();
    scene.release();
    scene.assert_succeeded(&deployment);
}

#[test]
fn a_script_whose_runner_and_agent_were_killed_is_ended_and_fails_with_code_7() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    let (runner, script) = scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    kill_process(runner);
    assert!(is_alive(script));
    let _second = scene.daemon.start();
    let diagnostics = scene.assert_failed(&deployment, 7);
    assert_eq!(diagnostics["script_name"], "");
    assert!(!is_alive(script));
    assert_eq!(scene.ran(), ["one"]);
}

#[test]
fn a_script_whose_runner_was_killed_is_ended_by_the_agent_that_waits_for_it() {
    let scene = Scene::new();
    let _running = scene.daemon.start();
    let deployment = scene.deploy();
    let (runner, script) = scene.in_hook();
    kill_process(runner);
    scene.assert_failed(&deployment, 7);
    gone(script);
}

/// Has the journal say that all was done before the host's last start.
fn reboot(scene: &Scene) {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    scene.daemon.rewrite_journal(|record| {
        record.replace(boot.trim(), "11111111-2222-3333-4444-555555555555")
    });
}

#[test]
fn after_the_host_went_down_a_script_is_not_run_again_on_a_doubt() {
    let scene = Scene::new();
    scene.release();
    let deployment = scene.deploy();
    // Nothing of it is on disk, which after a crash of the host means nothing.
    killed_at(&scene, "RunnerSpawn@1");
    reboot(&scene);
    let _second = scene.daemon.start();
    scene.assert_failed(&deployment, 7);
    assert!(scene.ran().is_empty());
}

#[test]
fn after_the_host_went_down_an_outcome_that_is_there_counts() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    scene.release();
    let outcome = scene.run_directory(0).join("outcome.json");
    eventually("the outcome", || outcome.exists());
    reboot(&scene);
    let _second = scene.daemon.start();
    scene.assert_succeeded(&deployment);
}

#[test]
fn an_outcome_that_cannot_be_read_is_code_7_with_the_reason_in_the_log() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    scene.release();
    let outcome = scene.run_directory(0).join("outcome.json");
    eventually("the outcome", || outcome.exists());
    fs_err::write(&outcome, "garbage").unwrap();
    let _second = scene.daemon.start();
    scene.assert_failed(&deployment, 7);
    assert!(
        scene.daemon.log().contains("outcome.json"),
        "{}",
        scene.daemon.log()
    );
    assert_eq!(scene.ran(), ["one"]);
}

#[test]
fn a_download_is_given_up_at_once_and_done_again() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let scene = Scene::new();
        scene.release();
        let held = HeldProxy::before(&scene.daemon);
        let mut first = scene.daemon.start();
        let deployment = scene.deploy();
        held.wait_for_a_call();
        end_by(&mut first, signal);
        let (_, state) = scene.daemon.at_work().pop().unwrap();
        assert_eq!(state, "Downloading");
        held.open();
        let _second = scene.daemon.start();
        scene.assert_succeeded(&deployment);
    }
}

#[test]
fn an_install_is_given_up_and_done_again() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let scene = Scene::new();
        scene.release();
        let instructions = scene.daemon.host.root().join("deployment-instructions");
        let mut first = scene.daemon.start();
        let deployment = scene.deploy();
        // Held from before the Install on: it waits, as for another deployment of the group.
        let lock = instructions.join(".group-1.lock");
        eventually("the download to take the lock", || lock.exists());
        let file = fs_err::File::open(&lock).unwrap().into_file();
        let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
        let held = held.unwrap();
        eventually("the Install to begin", || {
            scene
                .daemon
                .at_work()
                .iter()
                .any(|(_, state)| *state == "Installing")
        });
        end_by(&mut first, signal);
        drop(held);
        let _second = scene.daemon.start();
        scene.assert_succeeded(&deployment);
        let label = scene.daemon.host.destination().join("label");
        assert_eq!(fs_err::read_to_string(label).unwrap(), "installed");
    }
}

#[test]
fn a_command_of_which_nothing_was_done_is_not_lost() {
    let scene = Scene::new();
    scene.release();
    scene
        .daemon
        .service
        .fault(Operation::Specification, When::Always, Fault::Stalled);
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.daemon.service.wait_for("a specification", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Specification))
    });
    end_by(&mut first, Signal::SIGTERM);
    scene.daemon.service.heal();
    // The service does not hand it out again.
    let _second = scene.daemon.start();
    scene.assert_succeeded(&deployment);
}

#[test]
fn a_result_reaches_the_service_also_when_the_specification_cannot_be_had_any_more() {
    let scene = Scene::with("", "exit 3");
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    end_by(&mut first, Signal::SIGTERM);
    scene.daemon.service.fault(
        Operation::Specification,
        When::Always,
        Fault::ClientException("the deployment is gone".to_owned()),
    );
    let _second = scene.daemon.start();
    scene.release();
    scene.assert_failed(&deployment, 4);
}

#[test]
fn a_refusal_of_a_result_that_a_killed_agent_may_have_sent_counts_as_accepted() {
    let scene = Scene::with("", "exit 3");
    scene.release();
    let deployment = scene.deploy();
    scene.daemon.service.fault(
        Operation::Complete,
        When::Call(3),
        Fault::SlowBody(Duration::from_secs(60)),
    );
    let mut first = scene.daemon.start();
    assert_eq!(
        scene.daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Failed
    );
    end_by(&mut first, Signal::SIGKILL);
    let mut second = scene.daemon.start();
    eventually("the result to be settled", || {
        scene.daemon.pending().is_empty()
    });
    second.stop();
    let log = scene.daemon.log();
    assert!(!log.contains("refuses the result"), "{log}");
}

#[test]
fn a_command_that_another_agent_has_disposed_of_is_not_gone_on_with() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    let (_, script) = scene.in_hook();
    end_by(&mut first, Signal::SIGTERM);
    let tracking = scene.daemon.host.root().join("ongoing-deployment/d-1");
    fs_err::remove_file(tracking).unwrap();
    let command = scene.command();
    let _second = scene.daemon.start();
    scene.taken_up(1);
    // What runs of it is awaited first.
    assert!(is_alive(script));
    assert_eq!(
        calls_for(&scene.daemon.service.calls(), Operation::Complete, &command),
        0
    );
    scene.release();
    scene.assert_failed(&deployment, 7);
    assert_eq!(scene.ran(), ["one"]);
}

#[test]
fn a_command_whose_tracking_file_is_old_is_gone_on_with() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    // As after a jump of the clock, or after the agent was stopped for long.
    let tracking = scene.daemon.host.root().join("ongoing-deployment/d-1");
    let file = fs_err::OpenOptions::new().write(true).open(tracking);
    let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    file.unwrap().set_modified(long_ago).unwrap();
    let _second = scene.daemon.start();
    scene.taken_up(1);
    scene.release();
    scene.assert_succeeded(&deployment);
}

#[test]
fn without_its_journal_an_agent_awaits_what_runs_and_fails_what_the_tracking_files_tell() {
    let scene = Scene::new();
    let mut first = scene.daemon.start();
    let deployment = scene.deploy();
    let (_, script) = scene.in_hook();
    end_by(&mut first, Signal::SIGKILL);
    fs_err::write(scene.daemon.journal(), "this is no journal\n").unwrap();
    let command = scene.command();
    let _second = scene.daemon.start();
    eventually("the script to be awaited", || {
        scene.daemon.log().contains("waiting for its end")
    });
    assert!(is_alive(script));
    assert_eq!(
        calls_for(&scene.daemon.service.calls(), Operation::Complete, &command),
        0
    );
    scene.release();
    scene.assert_failed(&deployment, 7);
    assert_eq!(scene.ran(), ["one"]);
    let log = scene.daemon.log();
    assert!(log.contains("cannot be used as the journal"), "{log}");
}
