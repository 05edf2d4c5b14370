//! Specifications that cannot be used: reported with code 5, without an acknowledgement, and
//! nothing is run.

use integration_tests::DaemonHost;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Operation, ScriptedDeployment, Specification,
};
use integration_tests::fakes::{Signer, replaced_in_pem};
use rstest::rstest;
use serde_json::json;

/// Deploys with this specification; the message of the one completion.
#[track_caller]
fn refused(daemon: &DaemonHost, specification: Specification) -> String {
    let mut running = daemon.start();
    let scripted = ScriptedDeployment::in_place("d-1", specification);
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Failed
    );
    running.stop();
    let calls = daemon.service.calls();
    assert!(
        !calls
            .iter()
            .any(|call| call.operation == Some(Operation::Acknowledge))
    );
    let completions: Vec<_> = calls
        .iter()
        .filter(|call| call.operation == Some(Operation::Complete))
        .collect();
    assert_eq!(completions.len(), 1);
    let diagnostics = completions[0].diagnostics();
    assert_eq!(diagnostics["error_code"], 5);
    assert!(!daemon.host.root().join("group-1").exists());
    diagnostics["message"].as_str().unwrap().to_owned()
}

fn content(daemon: &DaemonHost) -> serde_json::Value {
    daemon.specification("d-1", "b.zip")
}

#[test]
fn one_that_was_tampered_with() {
    let daemon = DaemonHost::default();
    let signed = Specification::signed(&Signer::new(), &content(&daemon));
    let payload = replaced_in_pem(&signed.payload, "b.zip", "c.zip");
    let message = refused(&daemon, Specification { payload, ..signed });
    assert!(
        message.contains("signature") || message.contains("digest"),
        "{message}"
    );
}

#[test]
fn one_without_a_signature() {
    let daemon = DaemonHost::default();
    let message = refused(&daemon, Specification::unsigned(&content(&daemon)));
    assert!(message.contains("TEXT/JSON"), "{message}");
}

#[test]
fn one_by_a_stranger_when_a_signer_ca_is_given() {
    let probe = Signer::new();
    let ca = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(ca.path(), probe.authority_pem()).unwrap();
    let daemon =
        DaemonHost::with_configuration(&format!("signer_ca_file: {}", ca.path().display()));
    let stranger = Specification::signed(&Signer::stranger(), &content(&daemon));
    assert!(!refused(&daemon, stranger).is_empty());
}

#[test]
fn one_by_a_stranger_is_a_warning_without_a_signer_ca() {
    let daemon = DaemonHost::default();
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    let specification = Specification::signed(&Signer::stranger(), &content(&daemon));
    let scripted = ScriptedDeployment::in_place("d-1", specification);
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    running.stop();
    assert!(daemon.log().contains("WARN"), "{}", daemon.log());
}

#[rstest]
#[case::unknown_format("PKCS8/XML", "payload")]
#[case::garbage("PKCS7/JSON", "garbage")]
#[case::empty("PKCS7/JSON", "")]
fn an_envelope_that_means_nothing(#[case] format: &str, #[case] payload: &str) {
    let daemon = DaemonHost::default();
    assert!(!refused(&daemon, Specification::of(format, payload)).is_empty());
}

#[rstest]
#[case::id_with_a_slash("DeploymentGroupId", json!("../../etc"))]
#[case::no_id("DeploymentId", json!(null))]
#[case::empty_application("ApplicationName", json!(""))]
#[case::local_file("Revision", json!({"RevisionType": "Local File", "LocalRevision": {"Location": "/etc/passwd", "BundleType": "tar"}}))]
fn content_that_breaks_a_rule(#[case] member: &str, #[case] value: serde_json::Value) {
    let daemon = DaemonHost::default();
    let mut content = content(&daemon);
    content[member] = value;
    let message = refused(&daemon, Specification::signed(&Signer::new(), &content));
    assert!(!message.is_empty());
}

#[test]
fn another_deployment_system() {
    let daemon = DaemonHost::default();
    let mut specification = Specification::signed(&Signer::new(), &content(&daemon));
    specification.system = "Other".to_owned();
    assert!(refused(&daemon, specification).contains("Other"));
}
