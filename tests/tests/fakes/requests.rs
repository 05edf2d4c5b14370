//! Requests that are right and wrong.

use std::time::Duration;

use integration_tests::fakes::Key;
use integration_tests::fakes::command_service::{Ending, Operation};
use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Client, DIAGNOSTICS, HOST, completion, kind, setting};

#[tokio::test]
async fn both_targets_are_served_each_with_its_signing_name() {
    let (service, client) = setting();
    let secure = Client {
        prefix: "CodeDeployCommandService",
        service: "codedeploy-commands-secure",
        ..Client::of(&service)
    };
    assert_eq!(secure.poll().await, (200, json!({})));
    let mixed = Client {
        service: "codedeploy-commands-secure",
        ..client
    };
    assert_eq!(
        kind(&mixed.poll().await),
        (400, "InvalidSignatureException")
    );
    let unknown = Client {
        prefix: "CodeDeploy_20141006",
        ..Client::of(&service)
    };
    assert_eq!(
        kind(&unknown.poll().await),
        (400, "UnknownOperationException")
    );
    assert_eq!(service.violations().len(), 1);
}

#[rstest]
#[case::secret(|c: &mut Client| c.key.secret = "other".to_owned(), "InvalidSignatureException")]
#[case::id(|c: &mut Client| c.key.id = "AKIDOTHER".to_owned(), "UnrecognizedClientException")]
#[case::token(
    |c: &mut Client| c.key.token = Some("t".to_owned()),
    "UnrecognizedClientException"
)]
#[case::region(|c: &mut Client| c.region = "eu-west-1", "InvalidSignatureException")]
#[case::clock(
    |c: &mut Client| c.at -= Duration::from_secs(3600),
    "InvalidSignatureException"
)]
#[tokio::test]
async fn a_wrong_signature_is_refused(#[case] change: fn(&mut Client), #[case] expected: &str) {
    let (service, mut client) = setting();
    change(&mut client);
    assert_eq!(kind(&client.poll().await), (400, expected));
    assert_eq!(service.calls()[0].ending, Ending::Answered(400));
}

#[tokio::test]
async fn sessions_and_expired_keys() {
    let (service, mut client) = setting();
    client.key = Key::session("ASIAONE", "s", "t");
    service.know(client.key.clone());
    assert_eq!(client.poll().await.0, 200);
    assert_eq!(service.calls()[0].access_key, "ASIAONE");
    service.expire("ASIAONE");
    assert_eq!(kind(&client.poll().await), (400, "ExpiredTokenException"));
}

#[tokio::test]
async fn a_moved_clock_judges_signatures_and_shows() {
    let (service, client) = setting();
    service.move_clock(3600);
    let poll = client.request(Operation::Poll, &json!({"HostIdentifier": HOST}));
    let response = poll.send().await.unwrap();
    assert_eq!(response.status(), 400);
    let date = response.headers()["date"].to_str().unwrap();
    let date = jiff::fmt::rfc2822::parse(date).unwrap().timestamp();
    let ahead = date.as_second() - jiff::Timestamp::now().as_second();
    assert!((3590..=3600).contains(&ahead), "{ahead}");
}

#[rstest]
#[case::content_type(|c: &mut Client| c.content_type = "application/json", "Content-Type")]
#[case::version(|c: &mut Client| c.version = "two", "x-amz-codedeploy-agent-version")]
#[tokio::test]
async fn a_wrong_header_is_a_violation(#[case] change: fn(&mut Client), #[case] expected: &str) {
    let (service, mut client) = setting();
    change(&mut client);
    assert_eq!(kind(&client.poll().await), (400, "ValidationException"));
    let violations = service.violations();
    assert!(
        violations.len() == 1 && violations[0].contains(expected),
        "{violations:?}"
    );
}

#[rstest]
#[case(Operation::Poll, json!({}))]
#[case(Operation::Poll, json!([]))]
#[case(Operation::Poll, json!({"HostIdentifier": ""}))]
#[case(Operation::Poll, json!({"HostIdentifier": HOST, "Other": 1}))]
#[case(
    Operation::Specification,
    json!({"HostIdentifier": HOST, "DeploymentExecutionId": "a/b"})
)]
#[case(
    Operation::Acknowledge,
    json!({"HostCommandIdentifier": "c", "Diagnostics": {"Format": "JSON", "Payload": "{}"}})
)]
#[case(Operation::Complete, completion("c", "Pending", DIAGNOSTICS))]
#[case(Operation::Complete, completion("c", "Failed", "no JSON"))]
#[case(
    Operation::Complete,
    completion(
        "c",
        "Failed",
        r#"{"error_code":9,"script_name":"","message":"","log":""}"#
    )
)]
#[case(
    Operation::Complete,
    completion(
        "c",
        "Failed",
        r#"{"script_name":"","error_code":5,"message":"","log":""}"#
    )
)]
#[case(
    Operation::Complete,
    completion("c", "Failed", r#"{"error_code":5,"script_name":"","message":""}"#)
)]
#[case(Operation::Complete, completion("c", "Failed", &" ".repeat(8193)))]
#[tokio::test]
async fn a_wrong_body_is_a_violation(#[case] operation: Operation, #[case] body: Value) {
    let (service, client) = setting();
    assert_eq!(
        kind(&client.call(operation, body).await),
        (400, "ValidationException")
    );
    assert!(!service.violations().is_empty());
}
