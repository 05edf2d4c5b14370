use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::signature::assert_signed;
use super::*;
use crate::control_plane::{CommandStatus, CompletionStatus, ControlPlane, Envelope, Error};

/// Calls through the trait, as the daemon does.
async fn all_five(service: &impl ControlPlane) {
    let command = service.poll_host_command(HOST).await.unwrap().unwrap();
    assert_eq!(command.command_name, "BeforeInstall");
    let id = &command.host_command_identifier;
    let reply = service
        .get_deployment_specification(&command.deployment_execution_id, HOST)
        .await
        .unwrap();
    assert_eq!(reply.generic_envelope.unwrap().payload, "PEM");
    let reply = service
        .put_host_command_acknowledgement(id, false)
        .await
        .unwrap();
    assert_eq!(reply.command_status, Some(CommandStatus::InProgress));
    let diagnostics = Envelope::json("{}".to_owned());
    let time = Some(UNIX_EPOCH);
    let reply = service
        .post_host_command_update(id, time, Some(&diagnostics))
        .await
        .unwrap();
    assert_eq!(reply.command_status, None);
    let status = CompletionStatus::Succeeded;
    service
        .put_host_command_complete(id, status, &diagnostics)
        .await
        .unwrap();
}

async fn scripted() -> Fake {
    Fake::start(|before, _| match before {
        0 => Reply::json(
            200,
            r#"{"HostCommand":{"HostIdentifier":"h","HostCommandIdentifier":"c/1",
               "DeploymentExecutionId":"a/b/c/d","CommandName":"BeforeInstall","Nonce":1}}"#,
        ),
        1 => Reply::json(
            200,
            r#"{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":
               {"GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"PEM"}}}"#,
        ),
        2 => Reply::json(200, r#"{"CommandStatus":"InProgress"}"#),
        3 => Reply::json(200, "{}"),
        // Some gateways leave an empty answer's type away.
        _ => Reply::new(200, &[], ""),
    })
    .await
}

#[rstest::rstest]
#[case::default(false, "CodeDeployCommandService_v20141006", "codedeploy-commands")]
#[case::enable_auth_policy(true, "CodeDeployCommandService", "codedeploy-commands-secure")]
#[tokio::test]
async fn five_operations(#[case] secure: bool, #[case] target: &str, #[case] service: &str) {
    let fake = scripted().await;
    let settings = Settings {
        secure,
        ..settings(&fake.url())
    };
    all_five(&client_with(settings)).await;
    let expected = [
        ("PollHostCommand", format!(r#"{{"HostIdentifier":"{HOST}"}}"#)),
        (
            "GetDeploymentSpecification",
            format!(r#"{{"DeploymentExecutionId":"a/b/c/d","HostIdentifier":"{HOST}"}}"#),
        ),
        (
            "PutHostCommandAcknowledgement",
            r#"{"HostCommandIdentifier":"c/1","Diagnostics":{"Format":"JSON","Payload":"{\"IsCommandNoop\":false}"}}"#.to_owned(),
        ),
        (
            "PostHostCommandUpdate",
            r#"{"HostCommandIdentifier":"c/1","EstimatedCompletionTime":0,"Diagnostics":{"Format":"JSON","Payload":"{}"}}"#.to_owned(),
        ),
        (
            "PutHostCommandComplete",
            r#"{"HostCommandIdentifier":"c/1","CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{}"}}"#.to_owned(),
        ),
    ];
    let received = fake.received();
    assert_eq!(received.len(), expected.len());
    for (request, (operation, body)) in received.iter().zip(expected) {
        assert_eq!(request.first_line, "POST / HTTP/1.1");
        let header = |name| request.header(name).unwrap();
        assert_eq!(header("x-amz-target"), format!("{target}.{operation}"));
        assert_eq!(header("content-type"), "application/x-amz-json-1.1");
        assert_eq!(header("x-amz-codedeploy-agent-version"), "2.1.0");
        assert_eq!(header("x-amz-security-token"), TOKEN);
        let own = concat!("codedeploy-host-agent/", env!("CARGO_PKG_VERSION"));
        assert_eq!(header("user-agent"), own);
        assert_eq!(request.text(), body);
        assert_signed(request, SECRET_KEY, service);
    }
}

#[tokio::test]
async fn a_key_pair_without_a_token() {
    let fake = Fake::replying(Reply::json(200, "{}")).await;
    let pair = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let provider = SharedCredentialsProvider::new(pair);
    let client = Client::new(settings(&fake.url()), &TrustRoots::default(), provider).unwrap();
    assert_eq!(client.poll_host_command(HOST).await.unwrap(), None);
    let received = fake.received();
    assert_eq!(received[0].header("x-amz-security-token"), None);
    assert_signed(&received[0], SECRET_KEY, "codedeploy-commands");
}

/// Another secret at each request; none at the third.
#[derive(Debug, Default)]
struct Rotating(AtomicU64);

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        future::ProvideCredentials::ready(match number {
            2 => Err(CredentialsError::not_loaded("the file is being rewritten")),
            _ => {
                let secret = format!("secret-key-{number}");
                Ok(Credentials::new(ACCESS_KEY, secret, None, None, "test"))
            }
        })
    }
}

#[tokio::test]
async fn credentials_are_fetched_for_every_attempt() {
    let fake = Fake::replying(Reply::json(200, "{}")).await;
    let provider = SharedCredentialsProvider::new(Rotating::default());
    let client = Client::new(settings(&fake.url()), &TrustRoots::default(), provider).unwrap();
    client.poll_host_command(HOST).await.unwrap();
    client.poll_host_command(HOST).await.unwrap();
    let error = client.poll_host_command(HOST).await.unwrap_err();
    assert!(matches!(error, Error::Credentials { .. }) && error.is_credentials());
    assert!(
        shown(&error).contains("the file is being rewritten"),
        "{}",
        shown(&error)
    );
    client.poll_host_command(HOST).await.unwrap();
    let received = fake.received();
    assert_eq!(received.len(), 3);
    for (request, number) in received.iter().zip([0, 1, 3]) {
        let secret = format!("secret-key-{number}");
        assert_signed(request, &secret, "codedeploy-commands");
    }
}

#[tokio::test]
async fn credentials_that_fit_into_no_header_are_an_error() {
    let token = Some("session\ntoken-value".to_owned());
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, token, None, "test");
    let provider = SharedCredentialsProvider::new(credentials);
    let settings = settings("http://127.0.0.1:9/");
    let client = Client::new(settings, &TrustRoots::default(), provider).unwrap();
    let error = client.poll_host_command(HOST).await.unwrap_err();
    assert!(matches!(error, Error::Sign { .. }), "{error:?}");
    assert!(!format!("{error:?} {}", shown(&error)).contains("token-value"));
}

#[tokio::test]
async fn a_poll_that_is_given_up_closes_its_connection() {
    let mut fake = Fake::replying(Reply::Stall(Vec::new())).await;
    let client = client(&fake.url());
    let poll = client.poll_host_command(HOST);
    let given_up = tokio::time::timeout(Duration::from_millis(50), poll).await;
    assert!(given_up.is_err());
    fake.wait_for_closed().await;
}
