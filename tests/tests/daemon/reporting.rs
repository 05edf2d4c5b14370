//! Results reach the service, whatever happens on the way.

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Fault, HostCommand, Operation, Specification, When,
};
use integration_tests::{DaemonHost, RunningDaemon, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

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

/// An error that this agent does not know, which says that the command is not wanted.
fn unknown_command() -> Fault {
    Fault::Error {
        status: 400,
        kind: "HostCommandDoesNotExistException".to_owned(),
        message: "there is no such command".to_owned(),
    }
}

#[test]
fn results_that_cannot_be_delivered_do_not_keep_other_commands_from_being_run() {
    let daemon = host();
    let execution = "us-east-1/123456789012/d-1/1";
    let content = daemon.specification("d-1", "b.zip");
    daemon
        .service
        .specify(execution, Specification::signed(&Signer::new(), &content));
    let queue = || {
        let command = HostCommand::new(DaemonHost::IDENTIFIER, execution, "ApplicationStop");
        // A noop that the service wants to have a result of.
        daemon
            .service
            .answer_acknowledgement(&command.id, json!({"CommandStatus": "InProgress"}));
        daemon
            .service
            .queue(DaemonHost::IDENTIFIER, command.clone());
        command.id
    };
    // As many as are at work at once.
    for _ in 0..16 {
        let all = When::ForCommand(queue(), u64::MAX);
        daemon
            .service
            .fault(Operation::Complete, all, unknown_command());
    }
    let mut running = daemon.start();
    eventually("all results to wait", || daemon.pending().len() == 16);
    let last = queue();
    daemon.service.wait_for("the last result", |calls| {
        integration_tests::accepted(calls)
            .iter()
            .any(|call| call.text("HostCommandIdentifier") == last)
    });
    running.stop();
    assert_eq!(daemon.pending().len(), 16);
}

/// A host whose agent was killed, with a result that is older than AWS's agent would keep it.
fn with_an_old_result(fault: Fault) -> DaemonHost {
    let daemon = host();
    daemon
        .service
        .fault(Operation::Complete, When::Always, fault);
    let mut running = daemon.start();
    let _ = daemon.deploy("d-1", "b.zip");
    tried(&daemon);
    running.signal(Signal::SIGKILL);
    running.wait();
    daemon.rewrite_journal(|record| {
        let mut record: Value = serde_json::from_str(record).unwrap();
        if let Some(at) = record.pointer_mut("/state/at") {
            *at = json!(at.as_u64().unwrap() - 66 * 60 * 1000);
        }
        record.to_string()
    });
    daemon
}

#[test]
fn an_old_result_is_given_up_when_the_service_answers_with_an_error_that_nobody_knows() {
    let daemon = with_an_old_result(unknown_command());
    let mut running = daemon.start();
    eventually("the result to be given up", || daemon.pending().is_empty());
    running.stop();
    let log = daemon.log();
    assert!(log.contains("given up after 65 minutes"), "{log}");
}

#[test]
fn an_old_result_is_kept_while_the_host_has_no_right_to_send_it() {
    let daemon = with_an_old_result(Fault::AccessDenied);
    let before = daemon.service.calls().len();
    let mut running = daemon.start();
    daemon.service.wait_for("another two tries", |calls| {
        let tries = calls[before..]
            .iter()
            .filter(|call| call.operation == Some(Operation::Complete));
        tries.count() == 2
    });
    running.stop();
    assert_eq!(daemon.pending().len(), 1);
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
