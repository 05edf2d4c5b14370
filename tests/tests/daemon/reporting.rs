//! Results reach the service, whatever happens on the way.

use integration_tests::fakes::command_service::{
    DeploymentEnd, Fault, HostCommand, Operation, When,
};
use integration_tests::{DaemonHost, RunningDaemon, eventually};
use nix::sys::signal::Signal;

fn host() -> DaemonHost {
    let daemon = DaemonHost::default();
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    daemon
}

#[test]
fn a_throttled_dropped_or_failing_completion_is_sent_again_until_it_is_accepted() {
    for fault in [
        Fault::Throttled,
        Fault::ServerError,
        Fault::Dropped,
        Fault::ExpiredToken,
    ] {
        let daemon = host();
        daemon
            .service
            .fault(Operation::Complete, When::Next(1), fault.clone());
        let mut running = daemon.start();
        let deployment = daemon.deploy("d-1", "b.zip");
        assert_eq!(
            daemon.service.wait_for_end(&deployment),
            DeploymentEnd::Succeeded,
            "{fault:?}"
        );
        daemon.wait_until_idle();
        running.stop();
        assert_eq!(
            daemon.completions().len(),
            2,
            "{fault:?}: {:?}",
            daemon.completions()
        );
    }
}

#[test]
fn an_answer_that_was_lost_counts_as_accepted_when_the_service_then_refuses() {
    for fault in [Fault::DroppedAfter, Fault::Garbage] {
        let daemon = host();
        daemon
            .service
            .fault(Operation::Complete, When::Next(1), fault);
        let mut running = daemon.start();
        let deployment = daemon.deploy("d-1", "b.zip");
        assert_eq!(
            daemon.service.wait_for_end(&deployment),
            DeploymentEnd::Succeeded
        );
        eventually("the result to be settled", || daemon.pending().is_empty());
        running.stop();
    }
}

#[test]
fn a_completion_that_is_refused_for_good_is_dropped_and_said() {
    let daemon = host();
    let refusal = Fault::ClientException("no such command".to_owned());
    daemon
        .service
        .fault(Operation::Complete, When::Always, refusal);
    let mut running = daemon.start();
    let _ = daemon.deploy("d-1", "b.zip");
    eventually("the refusal to be logged", || {
        daemon.log().contains("no such command")
    });
    eventually("the result to be dropped", || daemon.pending().is_empty());
    running.stop();
}

/// Waits until a completion was tried in vain.
fn tried(daemon: &DaemonHost) {
    daemon.service.wait_for("a completion that fails", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Complete))
    });
    eventually("the result to be on disk", || !daemon.pending().is_empty());
}

fn restarted_after(end: impl FnOnce(&mut RunningDaemon)) {
    let daemon = host();
    daemon
        .service
        .fault(Operation::Complete, When::Always, Fault::ServerError);
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    tried(&daemon);
    end(&mut running);
    drop(running);
    assert_eq!(daemon.pending().len(), 1);
    daemon.service.heal();
    let mut running = daemon.start();
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    daemon.wait_until_idle();
    running.stop();
    // DownloadBundle and Install; the hooks are noops.
    assert_eq!(daemon.completions().len(), 2, "{:?}", daemon.completions());
}

#[test]
fn a_result_outlives_a_stop_of_the_agent() {
    restarted_after(RunningDaemon::stop);
}

#[test]
fn a_result_outlives_a_kill_of_the_agent() {
    restarted_after(|running| {
        running.signal(Signal::SIGKILL);
        running.wait();
    });
}

#[test]
fn commands_that_another_agent_left_unfinished_are_failed_with_code_7_every_one() {
    let daemon = host();
    let tracking = daemon.host.root().join("ongoing-deployment");
    fs_err::create_dir_all(&tracking).unwrap();
    let commands: Vec<HostCommand> = ["d-1", "d-2"]
        .map(|id| {
            HostCommand::new(
                DaemonHost::IDENTIFIER,
                &format!("a/b/{id}/1"),
                "AfterInstall",
            )
        })
        .to_vec();
    for (id, command) in ["d-1", "d-2"].iter().zip(&commands) {
        fs_err::write(tracking.join(id), &command.id).unwrap();
    }
    let mut running = daemon.start();
    let calls = daemon.service.wait_for("both completions", |calls| {
        calls
            .iter()
            .filter(|call| call.operation == Some(Operation::Complete))
            .count()
            >= 2
    });
    for command in &commands {
        let call = calls
            .iter()
            .find(|call| call.text("HostCommandIdentifier") == command.id)
            .unwrap();
        assert_eq!(call.text("CommandStatus"), "Failed");
        assert_eq!(call.diagnostics()["error_code"], 7);
    }
    assert_eq!(fs_err::read_dir(&tracking).unwrap().count(), 0);
    running.stop();
}
