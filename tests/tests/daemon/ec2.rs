//! EC2 instances: who the host is, and its credentials, from instance metadata.

use std::time::Duration;

use integration_tests::fakes::command_service::{
    DeploymentEnd, Operation, ScriptedDeployment, Specification,
};
use integration_tests::fakes::imds::{Mode, Tokens};
use integration_tests::fakes::{FakeImds, ForwardProxy, Key, Manner, Signer};
use integration_tests::{DaemonHost, RunningDaemon, eventually};
use rstest::rstest;

const INSTANCE: &str = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0";

/// An instance with its metadata service; the daemon is not started yet.
fn instance(lines: &str) -> (DaemonHost, FakeImds) {
    let daemon = DaemonHost::with_configuration(lines);
    fs_err::remove_file(daemon.host.on_premises_file()).unwrap();
    let key = Key::session("ASIAINSTANCE", "instance-secret", "instance-token");
    daemon.service.know(key);
    daemon.service.hold_polls_for(Duration::from_secs(1));
    (daemon, FakeImds::start("us-east-1"))
}

fn start(daemon: &DaemonHost, imds: &FakeImds) -> RunningDaemon {
    daemon.start_with(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.endpoint())])
}

fn polls_with(daemon: &DaemonHost, key: &str) {
    daemon
        .service
        .wait_for(&format!("a poll with {key}"), |calls| {
            calls.iter().any(|call| {
                call.operation == Some(Operation::Poll)
                    && call.text("HostIdentifier") == INSTANCE
                    && call.access_key == key
                    && call.succeeded()
            })
        });
}

#[test]
fn version_2_and_a_command_carried_out() {
    let (daemon, imds) = instance("");
    imds.tokens(Tokens::Required);
    let mut running = start(&daemon, &imds);
    polls_with(&daemon, "ASIAINSTANCE");
    let content = daemon.specification("d-1", "none.zip");
    let signed = Specification::signed(&Signer::new(), &content);
    let scripted = ScriptedDeployment::new("d-1", signed, &["ApplicationStop"]);
    let _ = daemon.service.deploy(INSTANCE, &scripted);
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    running.stop();
    let requests = imds.requests();
    let gets = requests.iter().filter(|request| request.method == "GET");
    for request in gets {
        assert!(request.token.is_some(), "{request:?}");
    }
    let log = daemon.log();
    assert!(log.contains("instance profile"), "{log}");
    for secret in ["instance-secret", "instance-token"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
}

#[rstest]
#[case::forbidden(Tokens::Refused(403))]
#[case::not_found(Tokens::Refused(404))]
#[case::swallowed_by_the_network(Tokens::Swallowed)]
fn version_1_where_there_is_no_version_2(#[case] tokens: Tokens) {
    let (daemon, imds) = instance("");
    imds.tokens(tokens);
    let mut running = start(&daemon, &imds);
    polls_with(&daemon, "ASIAINSTANCE");
    running.stop();
    let gets = imds.requests().into_iter().filter(|it| it.method == "GET");
    for request in gets {
        assert_eq!(request.token, None);
    }
}

#[test]
fn version_1_can_be_switched_off_and_the_agent_waits_and_can_be_stopped() {
    let (daemon, imds) = instance("disable_imds_v1: true");
    imds.tokens(Tokens::Refused(403));
    let mut running = start(&daemon, &imds);
    eventually("the reason to be logged", || {
        daemon.log().contains("disable_imds_v1")
    });
    // Somebody switches version 2 on.
    imds.tokens(Tokens::Required);
    polls_with(&daemon, "ASIAINSTANCE");
    running.stop();
    let asked: Vec<_> = imds
        .requests()
        .into_iter()
        .filter(|request| request.method == "GET" && request.token.is_none())
        .collect();
    assert_eq!(asked, []);
}

#[test]
fn tokens_that_are_forgotten_are_renewed() {
    let (daemon, imds) = instance("");
    imds.tokens(Tokens::Required);
    let mut running = start(&daemon, &imds);
    polls_with(&daemon, "ASIAINSTANCE");
    imds.forget_tokens();
    let rotated = Key::session("ASIAROTATED", "rotated-secret", "rotated-token");
    daemon.service.know(rotated);
    imds.set_credentials("ASIAROTATED", "rotated-secret", "rotated-token");
    daemon.service.expire("ASIAINSTANCE");
    polls_with(&daemon, "ASIAROTATED");
    running.stop();
    let refused = imds.requests().iter().any(|it| it.status == Some(401));
    assert!(refused, "{:?}", imds.requests());
}

#[rstest]
#[case::nobody_there(Mode::Absent)]
#[case::garbage(Mode::Garbage)]
#[case::out_of_order(Mode::Status(503))]
#[case::enormous(Mode::Enormous)]
#[case::a_portal(Mode::Redirect("http://portal.invalid/".to_owned()))]
fn absent_at_boot_and_then_coming(#[case] mode: Mode) {
    let (daemon, imds) = instance("");
    imds.behave(mode);
    let mut running = start(&daemon, &imds);
    eventually("the trouble to be logged", || {
        daemon.log().contains("cannot find out who this host is")
    });
    assert!(daemon.service.calls().is_empty());
    imds.behave(Mode::Answering);
    polls_with(&daemon, "ASIAINSTANCE");
    running.stop();
}

#[test]
fn slow() {
    let (daemon, imds) = instance("");
    imds.behave(Mode::Slow(Duration::from_millis(300)));
    let mut running = start(&daemon, &imds);
    polls_with(&daemon, "ASIAINSTANCE");
    running.stop();
}

#[test]
fn a_stop_while_nobody_answers_is_obeyed() {
    let (daemon, imds) = instance("");
    imds.behave(Mode::Silent);
    let mut running = start(&daemon, &imds);
    imds.wait_for("a request", |requests| !requests.is_empty());
    running.stop();
}

#[test]
fn never_through_a_proxy() {
    let proxy = ForwardProxy::start(Manner::Open);
    let (daemon, imds) = instance(&format!("proxy_uri: http://{}", proxy.address()));
    let variables = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.endpoint()),
        ("http_proxy", format!("http://{}", proxy.address())),
    ];
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut running = daemon.start_with(&variables);
    polls_with(&daemon, "ASIAINSTANCE");
    running.stop();
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    for request in asked {
        assert!(
            request.line.contains(&daemon.service.endpoint()),
            "{request:?}"
        );
    }
}

#[test]
fn keys_in_the_environment_are_not_the_daemons() {
    let (daemon, imds) = instance("");
    let endpoint = imds.endpoint();
    let mut running = daemon.start_with(&[
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret-for-tests-only"),
    ]);
    polls_with(&daemon, "ASIAINSTANCE");
    running.stop();
    let keys: Vec<_> = daemon
        .service
        .calls()
        .into_iter()
        .map(|it| it.access_key)
        .collect();
    assert!(!keys.contains(&"AKIDEXAMPLE".to_owned()), "{keys:?}");
}
