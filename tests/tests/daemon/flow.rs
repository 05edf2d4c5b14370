//! The rows of the contract's "flow of one command".

use integration_tests::DaemonHost;
use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{Call, HostCommand, Operation, Specification};
use serde_json::json;

/// A host with one deployment's specification and a revision whose hooks touch files.
fn host() -> (DaemonHost, String) {
    let daemon = DaemonHost::default();
    let marker = daemon.host.path("ran");
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", &format!("echo ran >>{}", marker.display()));
    daemon.publish("b.zip", bundle.path());
    let execution = "us-east-1/123456789012/d-1/1".to_owned();
    let content = daemon.specification("d-1", "b.zip");
    daemon
        .service
        .specify(&execution, Specification::signed(&Signer::new(), &content));
    (daemon, execution)
}

fn of(calls: &[Call], operation: Operation, command: &HostCommand) -> usize {
    calls
        .iter()
        .filter(|call| call.operation == Some(operation))
        .filter(|call| call.text("HostCommandIdentifier") == command.id)
        .count()
}

fn queue(daemon: &DaemonHost, execution: &str, name: &str) -> HostCommand {
    let command = HostCommand::new(DaemonHost::IDENTIFIER, execution, name);
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, command.clone());
    command
}

fn wait_for_completion(daemon: &DaemonHost, command: &HostCommand) -> serde_json::Value {
    let calls = daemon
        .service
        .wait_for(&format!("completion of {}", command.name), |calls| {
            calls.iter().any(|call| {
                call.operation == Some(Operation::Complete)
                    && call.text("HostCommandIdentifier") == command.id
                    && call.succeeded()
            })
        });
    calls
        .iter()
        .rfind(|call| {
            call.operation == Some(Operation::Complete)
                && call.text("HostCommandIdentifier") == command.id
        })
        .unwrap()
        .diagnostics()
}

/// How often the hook has run.
fn runs(daemon: &DaemonHost) -> usize {
    fs_err::read_to_string(daemon.host.path("ran"))
        .unwrap_or_default()
        .lines()
        .count()
}

#[test]
fn a_command_for_another_host_or_without_a_name_is_refused_and_the_loop_goes_on() {
    let (daemon, execution) = host();
    let _running = daemon.start();
    let foreign = HostCommand::new("arn:aws:iam::1:user/other", &execution, "DownloadBundle");
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, foreign.clone());
    let nameless = queue(&daemon, &execution, "");
    let good = queue(&daemon, &execution, "DownloadBundle");
    wait_for_completion(&daemon, &good);
    let calls = daemon.service.calls();
    for refused in [&foreign, &nameless] {
        assert_eq!(of(&calls, Operation::Acknowledge, refused), 0);
        assert_eq!(of(&calls, Operation::Complete, refused), 0);
    }
}

#[test]
fn a_command_that_the_service_holds_for_over_is_not_run() {
    for status in ["Succeeded", "Failed"] {
        let (daemon, execution) = host();
        let _running = daemon.start();
        let download = queue(&daemon, &execution, "DownloadBundle");
        wait_for_completion(&daemon, &download);
        let over = HostCommand::new(DaemonHost::IDENTIFIER, &execution, "AfterInstall");
        daemon
            .service
            .answer_acknowledgement(&over.id, json!({"CommandStatus": status}));
        daemon.service.queue(DaemonHost::IDENTIFIER, over.clone());
        // Commands of one deployment take turns: once the next is over, this one is, too.
        let next = queue(&daemon, &execution, "ApplicationStart");
        daemon.service.wait_for("the next command", |calls| {
            of(calls, Operation::Acknowledge, &next) == 1
                && of(calls, Operation::Acknowledge, &over) == 1
        });
        assert_eq!(runs(&daemon), 0, "{status}");
        assert_eq!(
            of(&daemon.service.calls(), Operation::Complete, &over),
            0,
            "{status}"
        );
    }
}

#[test]
fn a_noop_that_the_service_holds_for_failed_is_set_right() {
    let (daemon, execution) = host();
    let _running = daemon.start();
    let noop = HostCommand::new(DaemonHost::IDENTIFIER, &execution, "ApplicationStop");
    daemon
        .service
        .answer_acknowledgement(&noop.id, json!({"CommandStatus": "Failed"}));
    daemon.service.queue(DaemonHost::IDENTIFIER, noop.clone());
    let diagnostics = wait_for_completion(&daemon, &noop);
    assert_eq!(diagnostics["message"], "Succeeded: CompletedNoopCommand");
}

#[test]
fn any_other_reply_to_the_acknowledgement_means_run() {
    for reply in [
        json!({"CommandStatus": "Pending"}),
        json!({"CommandStatus": "InProgress"}),
        json!({}),
    ] {
        let (daemon, execution) = host();
        let _running = daemon.start();
        let download = queue(&daemon, &execution, "DownloadBundle");
        wait_for_completion(&daemon, &download);
        let command = HostCommand::new(DaemonHost::IDENTIFIER, &execution, "AfterInstall");
        daemon.service.answer_acknowledgement(&command.id, reply);
        daemon
            .service
            .queue(DaemonHost::IDENTIFIER, command.clone());
        assert_eq!(wait_for_completion(&daemon, &command)["error_code"], 0);
        assert_eq!(runs(&daemon), 1);
    }
}

#[test]
fn a_command_handed_out_twice_is_run_once() {
    let (daemon, execution) = host();
    let _running = daemon.start();
    let download = queue(&daemon, &execution, "DownloadBundle");
    wait_for_completion(&daemon, &download);
    let command = queue(&daemon, &execution, "AfterInstall");
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, command.clone());
    wait_for_completion(&daemon, &command);
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, command.clone());
    let last = queue(&daemon, &execution, "ApplicationStart");
    daemon.service.wait_for("the last command", |calls| {
        of(calls, Operation::Acknowledge, &last) == 1
    });
    assert_eq!(runs(&daemon), 1);
    assert_eq!(
        of(&daemon.service.calls(), Operation::Complete, &command),
        1
    );
}

#[test]
fn an_unknown_command_is_a_noop_that_fails_when_it_is_to_be_run() {
    let (daemon, execution) = host();
    let _running = daemon.start();
    let unknown = HostCommand::new(DaemonHost::IDENTIFIER, &execution, "MakeCoffee");
    daemon
        .service
        .answer_acknowledgement(&unknown.id, json!({"CommandStatus": "InProgress"}));
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, unknown.clone());
    let diagnostics = wait_for_completion(&daemon, &unknown);
    assert_eq!(diagnostics["error_code"], 5);
    assert!(
        diagnostics["message"]
            .as_str()
            .unwrap()
            .contains("MakeCoffee")
    );
    let calls = daemon.service.calls();
    let acknowledged = calls
        .iter()
        .find(|call| call.operation == Some(Operation::Acknowledge))
        .unwrap();
    assert_eq!(
        acknowledged.body["Diagnostics"]["Payload"],
        "{\"IsCommandNoop\":true}"
    );
}

#[test]
fn an_update_of_the_agent_is_refused_politely() {
    let (daemon, execution) = host();
    let _running = daemon.start();
    let update = queue(&daemon, &execution, "UpdateDeploymentAgent");
    let diagnostics = wait_for_completion(&daemon, &update);
    assert_eq!(diagnostics["error_code"], 5);
    assert!(
        diagnostics["message"]
            .as_str()
            .unwrap()
            .contains("package manager")
    );
    let calls = daemon.service.calls();
    let acknowledged = calls
        .iter()
        .find(|call| call.operation == Some(Operation::Acknowledge))
        .unwrap();
    assert_eq!(
        acknowledged.body["Diagnostics"]["Payload"],
        "{\"IsCommandNoop\":false}"
    );
}
