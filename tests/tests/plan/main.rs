//! `agent plan` as a process: what it tells comes true, and it leaves no trace.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure fails the test"
)]

mod bundles;
mod failures;
#[path = "../../../agent/src/install/tests/generated.rs"]
mod generated;
mod predictions;
mod shown;
mod traces;

use integration_tests::{Deployment, Outcome};
use serde_json::Value;

/// Runs the plan of a deployment: how it ended, and its JSON (null without any).
fn plan(deployment: Deployment) -> (Outcome, Value) {
    let outcome = deployment.planned().run();
    let json = serde_json::from_str(&outcome.stdout).unwrap_or(Value::Null);
    (outcome, json)
}

/// `event: message` of each reason for which it would fail.
fn reasons(json: &Value) -> Vec<String> {
    let reason = |reason: &Value| {
        let text = |key: &str| reason[key].as_str().unwrap().to_owned();
        format!("{}: {}", text("event"), text("message"))
    };
    json["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(reason)
        .collect()
}

/// The object with this path.
fn object<'j>(json: &'j Value, path: &std::path::Path) -> &'j Value {
    let objects = json["objects"].as_array().unwrap();
    let found = objects
        .iter()
        .find(|object| object["path"] == path.to_str().unwrap());
    found.unwrap_or_else(|| panic!("{} is not in {json:#}", path.display()))
}
