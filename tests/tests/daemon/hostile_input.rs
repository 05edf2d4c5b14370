//! Commands and clocks that are not as they should be: the loop goes on.

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, HostCommand, Operation, Specification,
};
use integration_tests::{DaemonHost, eventually};
use rstest::rstest;

/// A host that can deploy `b.zip`.
fn host() -> DaemonHost {
    let daemon = DaemonHost::default();
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    daemon
}

fn deploys(daemon: &DaemonHost) {
    let deployment = daemon.deploy("d-GOOD", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded,
        "{}",
        daemon.log()
    );
}

#[test]
fn a_clock_that_is_off_by_an_hour_is_told_and_the_loop_goes_on() {
    let daemon = host();
    daemon.service.move_clock(3600);
    let mut running = daemon.start();
    eventually("the clock to be logged", || {
        daemon.log().contains("this host's clock is") && daemon.log().contains("chrony")
    });
    daemon.service.move_clock(0);
    deploys(&daemon);
    running.stop();
}

/// A command with these names and ids, before a good deployment; whether it was completed.
fn before_a_good_one(change: impl FnOnce(&mut HostCommand)) -> (DaemonHost, HostCommand, bool) {
    let daemon = host();
    let content = daemon.specification("d-1", "b.zip");
    let execution = "us-east-1/123456789012/d-1/1";
    let mut command = HostCommand::new(DaemonHost::IDENTIFIER, execution, "ApplicationStop");
    change(&mut command);
    daemon.service.specify(
        &command.execution_id,
        Specification::signed(&Signer::new(), &content),
    );
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, command.clone());
    let mut running = daemon.start();
    deploys(&daemon);
    // What is still at work when the agent stops is the next one's, with its tracking file.
    daemon.wait_until_idle();
    running.stop();
    let completed = daemon.service.calls().iter().any(|call| {
        call.operation == Some(Operation::Complete)
            && call.text("HostCommandIdentifier") == command.id
    });
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
    (daemon, command, completed)
}

#[test]
fn a_command_without_an_identifier() {
    let (daemon, _, completed) = before_a_good_one(|command| command.id = String::new());
    assert!(!completed);
    assert!(daemon.log().contains("no identifier"), "{}", daemon.log());
}

#[rstest]
#[case::slashes("../../../../etc/passwd")]
#[case::absolute("/etc/passwd")]
#[case::dots("..")]
#[case::line_break("a\nb")]
#[case::long(&"x".repeat(2000))]
fn a_command_whose_identifier_is_no_file_name(#[case] id: &str) {
    let (daemon, _, _) = before_a_good_one(|command| command.id = id.to_owned());
    // Acknowledged under its name, and not a path anywhere.
    let acknowledged = daemon.service.calls().iter().any(|call| {
        call.operation == Some(Operation::Acknowledge) && call.text("HostCommandIdentifier") == id
    });
    assert!(acknowledged, "{}", daemon.log());
    assert_eq!(
        fs_err::read_dir(daemon.host.root().join("ongoing-deployment"))
            .unwrap()
            .count(),
        0
    );
}

#[rstest]
#[case::slashes("../../x")]
#[case::blank(" ")]
#[case::line_break("Install\nInstall")]
#[case::long(&"X".repeat(3000))]
#[case::wrong_case("install")]
fn a_command_of_an_unknown_name(#[case] name: &str) {
    let (daemon, command, _) = before_a_good_one(|command| command.name = name.to_owned());
    // A noop to begin with, which the service then holds for done.
    let calls = daemon.service.calls();
    let acknowledged = calls
        .iter()
        .find(|call| {
            call.operation == Some(Operation::Acknowledge)
                && call.text("HostCommandIdentifier") == command.id
        })
        .unwrap();
    assert_eq!(
        acknowledged.body["Diagnostics"]["Payload"],
        "{\"IsCommandNoop\":true}"
    );
}

#[test]
fn a_deployment_id_with_a_slash_is_refused_before_it_is_a_path() {
    let daemon = host();
    let mut content = daemon.specification("d-1", "b.zip");
    content["DeploymentId"] = "d-1/../../escaped".into();
    let execution = "us-east-1/123456789012/d-1/1";
    let signed = Specification::signed(&Signer::new(), &content);
    daemon.service.specify(execution, signed);
    let command = HostCommand::new(DaemonHost::IDENTIFIER, execution, "DownloadBundle");
    daemon
        .service
        .queue(DaemonHost::IDENTIFIER, command.clone());
    let mut running = daemon.start();
    let calls = daemon.service.wait_for("the completion", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Complete))
    });
    let failed = calls
        .iter()
        .find(|call| call.operation == Some(Operation::Complete))
        .unwrap();
    assert_eq!(failed.text("CommandStatus"), "Failed");
    assert_eq!(failed.diagnostics()["error_code"], 5);
    deploys(&daemon);
    running.stop();
    assert!(!daemon.host.path("escaped").exists());
}
