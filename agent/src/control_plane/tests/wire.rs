use super::*;
use crate::control_plane::{CompletionStatus, ControlPlane as _, Envelope, WireLog};

async fn logged(reply: Reply) -> (String, Client) {
    let directory = tempfile::tempdir().unwrap();
    let fake = Fake::replying(reply).await;
    let settings = Settings {
        wire_log: Some(WireLog::open(directory.path(), "agent").unwrap()),
        ..settings(&fake.url())
    };
    let client = client_with(settings);
    let _ = client.get_deployment_specification("a/b/c/d", HOST).await;
    let diagnostics = Envelope::json(r#"{"log":"script-output"}"#.to_owned());
    let _ = client
        .put_host_command_complete("c", CompletionStatus::Failed, &diagnostics)
        .await;
    let text = fs_err::read_to_string(directory.path().join("agent.aws_wire.log")).unwrap();
    for secret in [
        SECRET_KEY,
        TOKEN,
        "AWS4-HMAC",
        "github-token",
        "script-output",
        "cookie-value",
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    (text, client)
}

#[tokio::test]
async fn both_directions_are_logged_without_secrets() {
    let body = format!(
        r#"{{"DeploymentSystem":"CodeDeploy","Echo":"{TOKEN}","DeploymentSpecification":{{"GenericEnvelope":{{"Format":"PKCS7/JSON","Payload":"github-token"}}}}}}"#
    );
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("set-cookie", "a=cookie-value"),
        ("x-amzn-requestid", "0123-request"),
    ];
    let (text, _) = logged(Reply::new(200, &headers, &body)).await;
    for part in [
        " #1 > POST http://127.0.0.1:",
        " #1 > authorization: (hidden)\n",
        " #1 > x-amz-security-token: (hidden)\n",
        " #1 > x-amz-target: CodeDeployCommandService_v20141006.GetDeploymentSpecification\n",
        r#" #1 > {"DeploymentExecutionId":"a/b/c/d","HostIdentifier":"arn:"#,
        " #1 < 200 after ",
        " #1 < set-cookie: (hidden)\n",
        " #1 < x-amzn-requestid: 0123-request\n",
        r#""GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"(hidden, 12 bytes)"}"#,
        r#""Echo":"(hidden)""#,
        r#" #2 > {"CommandStatus":"Failed","Diagnostics":{"Format":"JSON","Payload":"(hidden, 23 bytes)"}"#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_damaged_specification_is_not_logged() {
    let body = r#"{"DeploymentSpecification":{"GenericEnvelope":{"Payload":"github-token"#;
    let (text, _) = logged(Reply::json(200, body)).await;
    assert!(
        text.contains(" #1 < (70 bytes that are not JSON)\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_call_without_an_answer_is_logged() {
    let (text, _) = logged(Reply::Close).await;
    assert!(
        text.contains(" #2 ! the connection to 127.0.0.1:"),
        "{text}"
    );
}
