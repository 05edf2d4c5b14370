//! Whatever the service answers, the loop goes on: a row a fault.

use integration_tests::DaemonHost;
use integration_tests::fakes::command_service::{DeploymentEnd, Fault, Operation, When};
use rstest::rstest;

fn deploys_with(operation: Operation, when: When, fault: Fault) -> DaemonHost {
    let daemon = DaemonHost::with_configuration("http_read_timeout: 2");
    daemon
        .service
        .hold_polls_for(std::time::Duration::from_secs(1));
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    daemon.service.fault(operation, when, fault);
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    running.stop();
    daemon
}

#[rstest]
#[case::throttled(Fault::Throttled)]
#[case::throttled_in_text(Fault::ThrottledInText)]
#[case::server_error(Fault::ServerError)]
#[case::unavailable(Fault::Unavailable)]
#[case::expired_token(Fault::ExpiredToken)]
#[case::access_denied(Fault::AccessDenied)]
#[case::dropped(Fault::Dropped)]
#[case::stalled(Fault::Stalled)]
#[case::redirect(Fault::Redirect("http://127.0.0.1:1/".to_owned()))]
#[case::garbage(Fault::Garbage)]
#[case::enormous(Fault::Enormous)]
#[case::truncated(Fault::Truncated)]
fn a_poll_that_fails(#[case] fault: Fault) {
    deploys_with(Operation::Poll, When::Next(1), fault);
}

#[rstest]
#[case::throttled(Fault::Throttled)]
#[case::server_error(Fault::ServerError)]
#[case::dropped(Fault::Dropped)]
#[case::garbage(Fault::Garbage)]
#[case::enormous(Fault::Enormous)]
fn a_specification_that_does_not_come_at_first(#[case] fault: Fault) {
    deploys_with(Operation::Specification, When::Next(1), fault);
}

#[rstest]
#[case::throttled(Fault::Throttled)]
#[case::server_error(Fault::ServerError)]
#[case::dropped(Fault::Dropped)]
#[case::dropped_after(Fault::DroppedAfter)]
fn an_acknowledgement_that_fails_at_first(#[case] fault: Fault) {
    deploys_with(Operation::Acknowledge, When::Next(1), fault);
}
