//! The fault matrix: what goes wrong with one call of one operation, a row a case. The deployment
//! succeeds nevertheless, its script runs once, and every result reaches the service.

use std::time::Duration;

use integration_tests::DaemonHost;
use integration_tests::fakes::command_service::{DeploymentEnd, Fault, Operation, When};
use rstest::rstest;

/// Deploys with one call struck by a fault.
fn deploys_with(operation: Operation, fault: Fault) {
    let daemon = DaemonHost::with_configuration("http_read_timeout: 2");
    daemon.service.hold_polls_for(Duration::from_secs(1));
    let ran = daemon.host.path("ran");
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", &format!("echo ran >>{}", ran.display()));
    daemon.publish("b.zip", bundle.path());
    daemon.service.fault(operation, When::Next(1), fault);
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded,
        "{}",
        daemon.log()
    );
    integration_tests::eventually("all results to be settled", || daemon.pending().is_empty());
    running.stop();
    assert_eq!(fs_err::read_to_string(&ran).unwrap(), "ran\n");
    // What went wrong is in the log.
    let log = daemon.log();
    assert!(log.contains(" WARN ") || log.contains(" ERROR"), "{log}");
    assert!(!log.contains("a-secret-for-tests-only"));
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
}

fn elsewhere() -> Fault {
    Fault::Redirect("http://elsewhere.invalid/".to_owned())
}

fn error(status: u16, kind: &str) -> Fault {
    Fault::Error {
        status,
        kind: kind.to_owned(),
        message: "said so".to_owned(),
    }
}

/// A poll takes no effect with any of these: what was handed out in an answer that is lost, no
/// agent can know.
#[rstest]
#[case::empty_body(Fault::Empty)]
#[case::unknown_error(error(400, "SomethingNewException"))]
#[case::signature(error(403, "InvalidSignatureException"))]
#[case::unknown_credentials(error(400, "UnrecognizedClientException"))]
#[case::refused(Fault::ClientException("not this host".to_owned()))]
#[case::not_http_at_all(error(418, ""))]
fn poll(#[case] fault: Fault) {
    deploys_with(Operation::Poll, fault);
}

#[rstest]
#[case::throttled_in_text(Fault::ThrottledInText)]
#[case::unavailable(Fault::Unavailable)]
#[case::expired_token(Fault::ExpiredToken)]
#[case::access_denied(Fault::AccessDenied)]
#[case::stalled(Fault::Stalled)]
#[case::redirect(elsewhere())]
#[case::slow_body(Fault::SlowBody(Duration::from_secs(10)))]
#[case::truncated(Fault::Truncated)]
#[case::wrong_content_type(Fault::WrongContentType)]
#[case::unknown_error(error(400, "SomethingNewException"))]
fn specification(#[case] fault: Fault) {
    deploys_with(Operation::Specification, fault);
}

#[rstest]
#[case::throttled_in_text(Fault::ThrottledInText)]
#[case::unavailable(Fault::Unavailable)]
#[case::expired_token(Fault::ExpiredToken)]
#[case::access_denied(Fault::AccessDenied)]
#[case::stalled(Fault::Stalled)]
#[case::redirect(elsewhere())]
#[case::slow_body(Fault::SlowBody(Duration::from_secs(10)))]
#[case::truncated(Fault::Truncated)]
#[case::garbage(Fault::Garbage)]
#[case::enormous(Fault::Enormous)]
#[case::wrong_content_type(Fault::WrongContentType)]
#[case::empty_body(Fault::Empty)]
fn acknowledgement(#[case] fault: Fault) {
    deploys_with(Operation::Acknowledge, fault);
}

#[rstest]
#[case::throttled_in_text(Fault::ThrottledInText)]
#[case::unavailable(Fault::Unavailable)]
#[case::access_denied(Fault::AccessDenied)]
#[case::stalled(Fault::Stalled)]
#[case::redirect(elsewhere())]
#[case::dropped_after(Fault::DroppedAfter)]
#[case::slow_body(Fault::SlowBody(Duration::from_secs(10)))]
#[case::truncated(Fault::Truncated)]
#[case::garbage(Fault::Garbage)]
#[case::enormous(Fault::Enormous)]
#[case::wrong_content_type(Fault::WrongContentType)]
#[case::unknown_error(error(400, "SomethingNewException"))]
fn completion(#[case] fault: Fault) {
    deploys_with(Operation::Complete, fault);
}

/// An answer without a specification is the service's word that there is none.
#[rstest]
#[case::empty_body(Fault::Empty, "the system \"\"")]
#[case::refused(Fault::ClientException("no such deployment".to_owned()), "no such deployment")]
fn a_specification_that_never_comes_is_reported_once(#[case] fault: Fault, #[case] says: &str) {
    let daemon = DaemonHost::default();
    daemon
        .service
        .fault(Operation::Specification, When::Always, fault);
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "none.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Failed
    );
    running.stop();
    let calls = daemon.service.calls();
    let completions = integration_tests::accepted(&calls);
    assert_eq!(completions.len(), 1);
    let diagnostics = completions[0].diagnostics();
    assert_eq!(diagnostics["error_code"], 5);
    let message = diagnostics["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
}
