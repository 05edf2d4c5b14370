//! A client of the command service, written after the protocol and not after the agent.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use integration_tests::fakes::command_service::{
    ACCESS_KEY, Operation, SECRET_KEY, ScriptedDeployment, Specification, s3_revision,
    specification,
};
use integration_tests::fakes::{FakeCommandService, Key, Signer};
use serde_json::{Value, json};

pub(crate) const HOST: &str = "arn:aws:iam::123456789012:user/web-1";
const DATED: &str = "CodeDeployCommandService_v20141006";

/// A client as the protocol has it; each part can be made wrong.
pub(crate) struct Client {
    pub(crate) endpoint: String,
    pub(crate) key: Key,
    pub(crate) prefix: &'static str,
    pub(crate) service: &'static str,
    pub(crate) region: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) version: &'static str,
    pub(crate) at: SystemTime,
}

impl Client {
    pub(crate) fn of(service: &FakeCommandService) -> Self {
        Self {
            endpoint: service.endpoint(),
            key: Key::new(ACCESS_KEY, SECRET_KEY),
            prefix: DATED,
            service: "codedeploy-commands",
            region: "us-east-1",
            content_type: "application/x-amz-json-1.1",
            version: "2.1.0",
            at: SystemTime::now(),
        }
    }

    pub(crate) fn request(&self, operation: Operation, body: &Value) -> reqwest::RequestBuilder {
        let body = body.to_string();
        let url = format!("{}/", self.endpoint);
        let target = format!("{}.{operation}", self.prefix);
        let host = self.endpoint.strip_prefix("http://").unwrap();
        let headers = [
            ("host", host),
            ("content-type", self.content_type),
            ("x-amz-target", &target),
            ("x-amz-codedeploy-agent-version", self.version),
        ];
        let Key { id, secret, token } = &self.key;
        let identity = Credentials::new(id, secret, token.clone(), None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(self.at)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let signable = SignableRequest::new(
            "POST",
            &url,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut request = http.post(url).header("user-agent", "test/1").body(body);
        for (name, value) in &headers[1..] {
            request = request.header(*name, *value);
        }
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        request
    }

    pub(crate) async fn call(&self, operation: Operation, body: Value) -> (u16, Value) {
        let response = self.request(operation, &body).send().await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap(),
        )
    }

    pub(crate) async fn poll(&self) -> (u16, Value) {
        self.call(Operation::Poll, json!({"HostIdentifier": HOST}))
            .await
    }

    pub(crate) async fn acknowledge(&self, command: &str, noop: bool) -> (u16, Value) {
        let payload = format!("{{\"IsCommandNoop\":{noop}}}");
        let diagnostics = json!({"Format": "JSON", "Payload": payload});
        let body = json!({"HostCommandIdentifier": command, "Diagnostics": diagnostics});
        self.call(Operation::Acknowledge, body).await
    }

    pub(crate) async fn complete(&self, command: &str, status: &str) -> (u16, Value) {
        self.call(
            Operation::Complete,
            completion(command, status, DIAGNOSTICS),
        )
        .await
    }
}

pub(crate) const DIAGNOSTICS: &str =
    r#"{"error_code":0,"script_name":"","message":"Succeeded: ","log":""}"#;

pub(crate) fn completion(command: &str, status: &str, payload: &str) -> Value {
    json!({
        "HostCommandIdentifier": command, "CommandStatus": status,
        "Diagnostics": {"Format": "JSON", "Payload": payload},
    })
}

/// A service that does not hold polls, and its client.
pub(crate) fn setting() -> (FakeCommandService, Client) {
    let service = FakeCommandService::start("us-east-1");
    service.hold_polls_for(Duration::ZERO);
    let client = Client::of(&service);
    (service, client)
}

pub(crate) fn kind(answer: &(u16, Value)) -> (u16, &str) {
    let kind = answer.1["__type"].as_str().unwrap();
    (answer.0, kind.rsplit('#').next().unwrap())
}

pub(crate) fn id_of(answer: &(u16, Value)) -> String {
    answer.1["HostCommand"]["HostCommandIdentifier"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub(crate) fn deployment(commands: &[&str]) -> ScriptedDeployment {
    let content = specification("d-TEST", "group", &s3_revision("b", "k", "zip"));
    let specification = Specification::signed(&Signer::new(), &content);
    ScriptedDeployment::new("d-TEST", specification, commands)
}

/// In a runtime of its own: when that goes, so do the connections that it had open.
pub(crate) fn alone<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
