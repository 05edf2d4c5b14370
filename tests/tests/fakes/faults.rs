//! Faults on demand.

use std::time::Duration;

use integration_tests::fakes::FakeCommandService;
use integration_tests::fakes::command_service::{
    Call, DeploymentEnd, Ending, Fault, Operation, When,
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::client::{Client, DIAGNOSTICS, HOST, alone, completion, deployment, kind, setting};

#[rstest]
#[case(Fault::Throttled, 429, "ThrottlingException")]
#[case(Fault::ThrottledInText, 400, "ClientException")]
#[case(Fault::ServerError, 500, "ServerException")]
#[case(Fault::ClientException("no".to_owned()), 400, "ClientException")]
#[case(Fault::ExpiredToken, 400, "ExpiredTokenException")]
#[case(Fault::AccessDenied, 403, "AccessDeniedException")]
#[tokio::test]
async fn errors_on_demand(#[case] fault: Fault, #[case] status: u16, #[case] expected: &str) {
    let (service, client) = setting();
    service.fault(Operation::Poll, When::Call(2), fault);
    assert_eq!(client.poll().await.0, 200);
    assert_eq!(kind(&client.poll().await), (status, expected));
    assert_eq!(client.poll().await.0, 200);
}

#[tokio::test]
async fn faults_in_number_and_for_one_command() {
    let (service, client) = setting();
    service.fault(Operation::Poll, When::Next(2), Fault::ServerError);
    service.fault(
        Operation::Acknowledge,
        When::ForCommand("b".to_owned(), 1),
        Fault::Throttled,
    );
    let statuses = [
        client.poll().await.0,
        client.poll().await.0,
        client.poll().await.0,
    ];
    assert_eq!(statuses, [500, 500, 200]);
    let mut statuses = Vec::new();
    for command in ["a", "b", "b"] {
        statuses.push(client.acknowledge(command, false).await.0);
    }
    assert_eq!(statuses, [400, 429, 400]);
    service.fault(Operation::Poll, When::Always, Fault::Unavailable);
    let poll = json!({"HostIdentifier": HOST});
    let response = client.request(Operation::Poll, &poll).send().await.unwrap();
    assert_eq!(response.status(), 503);
    service.heal();
    assert_eq!(client.poll().await.0, 200);
}

/// What a client sees of a fault: the status with the body, or None.
fn seen(service: &FakeCommandService, client: &Client, fault: Fault) -> Option<(u16, Vec<u8>)> {
    service.fault(Operation::Poll, When::Next(1), fault);
    let poll = json!({"HostIdentifier": HOST});
    alone(async {
        let request = client
            .request(Operation::Poll, &poll)
            .timeout(Duration::from_millis(500));
        let response = request.send().await.ok()?;
        Some((
            response.status().as_u16(),
            response.bytes().await.ok()?.to_vec(),
        ))
    })
}

#[test]
fn faults_below_the_protocol() {
    let (service, client) = setting();
    assert_eq!(seen(&service, &client, Fault::Dropped), None);
    assert_eq!(service.calls()[0].ending, Ending::HungUp);
    assert_eq!(seen(&service, &client, Fault::Stalled), None);
    let abandoned = |calls: &[Call]| calls[1].ending == Ending::Abandoned;
    service.wait_for("the client to give up", abandoned);
    assert_eq!(seen(&service, &client, Fault::Truncated), None);
    assert_eq!(
        seen(&service, &client, Fault::SlowBody(Duration::from_secs(30))),
        None
    );
    let right = Some((200, b"{}".to_vec()));
    assert_eq!(
        seen(&service, &client, Fault::SlowBody(Duration::from_millis(1))),
        right
    );
    assert_eq!(seen(&service, &client, Fault::WrongContentType), right);
    assert_eq!(
        seen(&service, &client, Fault::Empty),
        Some((200, Vec::new()))
    );
    let (status, garbage) = seen(&service, &client, Fault::Garbage).unwrap();
    assert!(status == 200 && serde_json::from_slice::<Value>(&garbage).is_err());
    let redirect = Fault::Redirect("http://127.0.0.1:9/".to_owned());
    assert_eq!(seen(&service, &client, redirect).unwrap().0, 307);
}

#[tokio::test]
async fn an_enormous_body_is_64_mib() {
    let (service, client) = setting();
    service.fault(Operation::Poll, When::Next(1), Fault::Enormous);
    let poll = json!({"HostIdentifier": HOST});
    let response = client.request(Operation::Poll, &poll).send().await.unwrap();
    assert_eq!(response.content_length(), Some(64 * 1024 * 1024));
}

#[tokio::test]
async fn an_answer_that_is_lost_has_taken_effect() {
    let (service, client) = setting();
    let deployment = deployment(&["Install"]);
    let commands = service.deploy(HOST, &deployment);
    client.poll().await;
    service.fault(Operation::Complete, When::Call(1), Fault::DroppedAfter);
    let body = completion(&commands[0].id, "Succeeded", DIAGNOSTICS);
    client
        .request(Operation::Complete, &body)
        .send()
        .await
        .unwrap_err();
    assert_eq!(service.wait_for_end(&deployment), DeploymentEnd::Succeeded);
    let answer = client.complete(&commands[0].id, "Succeeded").await;
    assert_eq!(kind(&answer), (400, "ClientException"));
}

#[test]
fn no_command_is_lost_in_an_answer_that_is_no_answer() {
    let (service, client) = setting();
    service.deploy(HOST, &deployment(&["Install"]));
    for fault in [
        Fault::Garbage,
        Fault::Truncated,
        Fault::Empty,
        Fault::ServerError,
    ] {
        seen(&service, &client, fault);
    }
    assert_eq!(
        alone(client.poll()).1["HostCommand"]["CommandName"],
        "Install"
    );
}
