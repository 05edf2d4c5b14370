//! What a client may send: headers and members, as the protocol has them.

use serde_json::Value;

use super::Operation;
use crate::fakes::server::Received;

/// Everything that is wrong with a call; empty when nothing is.
pub(super) fn violations(received: &Received, operation: Operation, body: &Value) -> Vec<String> {
    let mut wrong = headers(received);
    wrong.extend(members(operation, body));
    wrong
        .iter()
        .map(|violation| format!("{operation}: {violation}"))
        .collect()
}

fn headers(received: &Received) -> Vec<String> {
    let mut wrong = Vec::new();
    if received.method != "POST" || received.uri != "/" {
        wrong.push(format!(
            "{} {} instead of POST /",
            received.method, received.uri
        ));
    }
    let content_type = received.header("content-type");
    if content_type != "application/x-amz-json-1.1" {
        wrong.push(format!("Content-Type is {content_type:?}"));
    }
    let version = received.header("x-amz-codedeploy-agent-version");
    let numbers = version.split('.').collect::<Vec<_>>();
    if numbers.len() != 3 || numbers.iter().any(|number| number.parse::<u32>().is_err()) {
        wrong.push(format!("x-amz-codedeploy-agent-version is {version:?}"));
    }
    if received.header("user-agent").is_empty() {
        wrong.push("there is no User-Agent".to_owned());
    }
    wrong
}

fn members(operation: Operation, body: &Value) -> Vec<String> {
    let Some(object) = body.as_object() else {
        return vec!["the body is no JSON object".to_owned()];
    };
    let (required, optional): (&[&str], &[&str]) = match operation {
        Operation::Poll => (&["HostIdentifier"], &[]),
        Operation::Specification => (&["DeploymentExecutionId", "HostIdentifier"], &[]),
        Operation::Acknowledge => (&["HostCommandIdentifier", "Diagnostics"], &[]),
        Operation::Complete => (
            &["HostCommandIdentifier", "CommandStatus", "Diagnostics"],
            &[],
        ),
        Operation::Update => (
            &["HostCommandIdentifier"],
            &["EstimatedCompletionTime", "Diagnostics"],
        ),
    };
    let mut wrong = Vec::new();
    for name in required.iter().filter(|name| !object.contains_key(**name)) {
        wrong.push(format!("there is no {name}"));
    }
    for (name, value) in object {
        match name.as_str() {
            name if !required.contains(&name) && !optional.contains(&name) => {
                wrong.push(format!("{name} is not known"));
            }
            "Diagnostics" => wrong.extend(envelope(operation, value)),
            "EstimatedCompletionTime" => {}
            name if value.as_str().is_none_or(str::is_empty) => {
                wrong.push(format!("{name} is no text"));
            }
            "CommandStatus" if !["Succeeded", "Failed"].iter().any(|known| value == known) => {
                wrong.push(format!("CommandStatus is {value}"));
            }
            "DeploymentExecutionId" => {
                let id = value.as_str().unwrap_or_default();
                if id.chars().count() > 129 || id.split('/').count() < 4 {
                    wrong.push(format!("DeploymentExecutionId is {id:?}"));
                }
            }
            _ => {}
        }
    }
    wrong
}

/// The two payloads of an acknowledgement.
const NOOPS: [&str; 2] = [r#"{"IsCommandNoop":true}"#, r#"{"IsCommandNoop":false}"#];

fn envelope(operation: Operation, envelope: &Value) -> Vec<String> {
    let text = |name| {
        envelope
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (format, payload) = (text("Format"), text("Payload"));
    let mut wrong = Vec::new();
    if format != "JSON" {
        wrong.push(format!("Diagnostics.Format is {format:?}"));
    }
    let length = payload.chars().count();
    if length > 8192 {
        wrong.push(format!("Diagnostics.Payload has {length} characters"));
    }
    match operation {
        Operation::Acknowledge if !NOOPS.contains(&payload) => {
            wrong.push(format!("the acknowledgement's payload is {payload:?}"));
        }
        Operation::Complete => wrong.extend(diagnostics(payload)),
        _ => {}
    }
    wrong
}

/// The four members in their order, which the raw text has to show: a map would sort them.
fn diagnostics(payload: &str) -> Vec<String> {
    let Ok(Value::Object(object)) = serde_json::from_str(payload) else {
        return vec![format!("the diagnostics are no JSON object: {payload:?}")];
    };
    let mut wrong = Vec::new();
    if object
        .get("error_code")
        .and_then(Value::as_u64)
        .is_none_or(|code| code > 7)
    {
        wrong.push(format!(
            "the diagnostics have no known error_code: {payload:?}"
        ));
    }
    if object.len() != 4 {
        wrong.push(format!("the diagnostics have {} members", object.len()));
    }
    let names = ["error_code", "script_name", "message", "log"];
    for name in &names[1..] {
        if object.get(*name).and_then(Value::as_str).is_none() {
            wrong.push(format!("the diagnostics have no text {name}"));
        }
    }
    let mut rest = payload;
    for name in names {
        match rest.split_once(&format!("\"{name}\":")) {
            Some((_, after)) => rest = after,
            None => wrong.push(format!("{name} is not in its place: {payload:?}")),
        }
    }
    let log = object
        .get("log")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .chars()
        .count();
    if log > 2047 {
        wrong.push(format!("the diagnostics have a log of {log} characters"));
    }
    wrong
}
