//! The fault matrix: what goes wrong with one call of one operation, a row a case. The deployment
//! succeeds nevertheless, its script runs once, and every result reaches the service.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
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

fn slow() -> Fault {
    Fault::SlowBody(Duration::from_secs(10))
}

/// One call of this operation is struck by this fault. More rows, of the commonest faults, are in
/// `faults` and `reporting`.
#[rustfmt::skip]
fn rows() -> Vec<(Operation, Fault)> {
    use Operation::{Acknowledge, Complete, Poll, Specification};
    vec![
        // A poll takes no effect with any of these: what was handed out in an answer that is
        // lost, no agent can know.
        (Poll, Fault::Empty),
        (Poll, error(400, "SomethingNewException")),
        (Poll, error(403, "InvalidSignatureException")),
        (Poll, error(400, "UnrecognizedClientException")),
        (Poll, error(418, "")),
        (Poll, Fault::ClientException("not this host".to_owned())),
        (Specification, Fault::ThrottledInText),
        (Specification, Fault::Unavailable),
        (Specification, Fault::ExpiredToken),
        (Specification, Fault::AccessDenied),
        (Specification, Fault::Stalled),
        (Specification, elsewhere()),
        (Specification, slow()),
        (Specification, Fault::Truncated),
        (Specification, Fault::WrongContentType),
        (Specification, error(400, "SomethingNewException")),
        (Acknowledge, Fault::ThrottledInText),
        (Acknowledge, Fault::Unavailable),
        (Acknowledge, Fault::ExpiredToken),
        (Acknowledge, Fault::AccessDenied),
        (Acknowledge, Fault::Stalled),
        (Acknowledge, elsewhere()),
        (Acknowledge, slow()),
        (Acknowledge, Fault::Truncated),
        (Acknowledge, Fault::Garbage),
        (Acknowledge, Fault::Enormous),
        (Acknowledge, Fault::WrongContentType),
        (Acknowledge, Fault::Empty),
        (Complete, Fault::ThrottledInText),
        (Complete, Fault::Unavailable),
        (Complete, Fault::AccessDenied),
        (Complete, Fault::Stalled),
        (Complete, elsewhere()),
        (Complete, Fault::DroppedAfter),
        (Complete, slow()),
        (Complete, Fault::Truncated),
        (Complete, Fault::Garbage),
        (Complete, Fault::Enormous),
        (Complete, Fault::WrongContentType),
        (Complete, error(400, "SomethingNewException")),
    ]
}

/// The rows mostly wait (a failed poll is tried again after 11 s), so several go on at once.
#[test]
fn every_row_of_the_matrix() {
    const AT_ONCE: usize = 8;
    let rows = Mutex::new(rows().into_iter());
    let next = || rows.lock().unwrap_or_else(PoisonError::into_inner).next();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            while let Some((operation, fault)) = next() {
                let row = format!("{operation} {fault:?}");
                let deploys = AssertUnwindSafe(|| deploys_with(operation, fault));
                if catch_unwind(deploys).is_err() {
                    failed.push(row);
                }
            }
            failed
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.flatten().collect()
    });
    assert_eq!(failed, Vec::<String>::new());
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
