//! Commands, handed out and completed.

use std::time::{Duration, Instant};

use integration_tests::fakes::FakeCommandService;
use integration_tests::fakes::command_service::{
    Call, DeploymentEnd, Ending, HostCommand, Operation,
};
use serde_json::json;

use crate::client::{Client, HOST, alone, deployment, id_of, kind, setting};

#[tokio::test]
async fn a_deployment_goes_command_by_command() {
    let (service, client) = setting();
    let deployment = deployment(&["ApplicationStop", "DownloadBundle"]);
    let commands = service.deploy(HOST, &deployment);

    let answer = client.poll().await;
    assert_eq!(
        answer.1["HostCommand"],
        json!({
            "HostIdentifier": HOST, "HostCommandIdentifier": commands[0].id,
            "DeploymentExecutionId": deployment.execution_id, "CommandName": "ApplicationStop",
            "Nonce": commands[0].nonce,
        })
    );
    let body = json!({"DeploymentExecutionId": deployment.execution_id, "HostIdentifier": HOST});
    let (_, answer) = client.call(Operation::Specification, body).await;
    assert_eq!(answer["DeploymentSystem"], "CodeDeploy");
    let envelope = &answer["DeploymentSpecification"]["GenericEnvelope"];
    assert_eq!(envelope["Format"], "PKCS7/JSON");
    assert_eq!(envelope["Payload"], deployment.specification.payload);

    // The second command waits for the first, which ends as a noop.
    assert_eq!(client.poll().await, (200, json!({})));
    let answer = client.acknowledge(&commands[0].id, true).await;
    assert_eq!(answer.1, json!({"CommandStatus": "Succeeded"}));
    assert_eq!(id_of(&client.poll().await), commands[1].id);
    let answer = client.acknowledge(&commands[1].id, false).await;
    assert_eq!(answer.1, json!({"CommandStatus": "InProgress"}));
    assert_eq!(
        client.complete(&commands[1].id, "Succeeded").await,
        (200, json!({}))
    );
    assert_eq!(service.wait_for_end(&deployment), DeploymentEnd::Succeeded);

    let answer = client.complete(&commands[1].id, "Succeeded").await;
    assert_eq!(kind(&answer), (400, "ClientException"));
    assert_eq!(service.violations(), Vec::<String>::new());
    let operations: Vec<_> = service
        .calls()
        .iter()
        .filter_map(|call| call.operation)
        .collect();
    use Operation::{Acknowledge, Complete, Poll, Specification};
    assert_eq!(
        operations,
        [
            Poll,
            Specification,
            Poll,
            Acknowledge,
            Poll,
            Acknowledge,
            Complete,
            Complete
        ]
    );
}

#[tokio::test]
async fn a_failed_command_ends_the_deployment() {
    let (service, client) = setting();
    let deployment = deployment(&["ApplicationStop", "DownloadBundle"]);
    let commands = service.deploy(HOST, &deployment);
    client.poll().await;
    client.complete(&commands[0].id, "Failed").await;
    assert_eq!(service.wait_for_end(&deployment), DeploymentEnd::Failed);
    assert_eq!(client.poll().await, (200, json!({})));
}

#[tokio::test]
async fn acknowledgements_are_answered_as_scripted() {
    let (service, client) = setting();
    for status in ["Pending", "InProgress", "Succeeded", "Failed"] {
        let command = HostCommand::new(HOST, "a/b/c/d", "Install");
        service.queue(HOST, command.clone());
        service.answer_acknowledgement(&command.id, json!({"CommandStatus": status}));
        client.poll().await;
        let answer = client.acknowledge(&command.id, true).await;
        assert_eq!(answer.1, json!({"CommandStatus": status}));
        assert_eq!(client.complete(&command.id, "Succeeded").await.0, 200);
    }
}

#[tokio::test]
async fn a_command_may_come_twice_and_for_another_host() {
    let (service, client) = setting();
    let command = HostCommand::new("arn:other", "a/b/c/d", "Install");
    service.queue(HOST, command.clone());
    service.queue(HOST, command.clone());
    for _ in 0..2 {
        let answer = client.poll().await;
        assert_eq!(id_of(&answer), command.id);
        assert_eq!(answer.1["HostCommand"]["HostIdentifier"], "arn:other");
    }
    assert_eq!(client.poll().await, (200, json!({})));
}

#[tokio::test]
async fn a_held_poll_is_answered_when_a_command_comes() {
    let service = FakeCommandService::start("us-east-1");
    let client = Client::of(&service);
    let started = Instant::now();
    let deployment = deployment(&["Install"]);
    let (answer, ()) = tokio::join!(client.poll(), async {
        while service.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        service.deploy(HOST, &deployment);
    });
    assert_eq!(answer.1["HostCommand"]["CommandName"], "Install");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_poll_that_the_client_gives_up_is_told_and_takes_no_command() {
    let service = FakeCommandService::start("us-east-1");
    let client = Client::of(&service);
    let poll = json!({"HostIdentifier": HOST});
    let error = alone(async {
        let request = client
            .request(Operation::Poll, &poll)
            .timeout(Duration::from_millis(200));
        request.send().await.unwrap_err()
    });
    assert!(error.is_timeout());
    let abandoned = |calls: &[Call]| calls.iter().any(|call| call.ending == Ending::Abandoned);
    service.wait_for("the end of the poll", abandoned);
    service.deploy(HOST, &deployment(&["Install"]));
    assert_eq!(
        alone(client.poll()).1["HostCommand"]["CommandName"],
        "Install"
    );
}
