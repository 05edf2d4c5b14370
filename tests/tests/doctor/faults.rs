//! A fault for every check of configuration, identity and network: a row a case.

use std::net::TcpListener;

use integration_tests::fakes::command_service::{Fault, Operation, When};
use integration_tests::fakes::{ForwardProxy, Manner};
use integration_tests::{DaemonHost, agent_command};
use rstest::rstest;

use crate::examined::Examination;

/// A setting that is wrong: the checks that fail, what the first says, what it advises.
#[rstest]
#[case::configuration("max_revisions: none", &["configuration"], "max_revisions", "config check")]
#[case::configured_user("user: no-such-user", &["configuration"], "no-such-user", "config check")]
#[case::signer("signer_ca_file: /nonexistent.pem", &["configuration"], "signer_ca_file", "config check")]
#[case::dns("deploy_control_endpoint: http://no-such-host.invalid", &["dns"], "no-such-host.invalid", "resolv.conf")]
#[case::dns_of_the_proxy("proxy_uri: http://no-such-proxy.invalid:1\nproxy_for: control", &["dns"], "no-such-proxy", "proxy_uri")]
#[case::tcp("deploy_control_endpoint: http://127.0.0.1:1", &["tcp"], "refused", "firewalls")]
#[case::tcp_to_the_proxy("proxy_uri: http://127.0.0.1:1\nproxy_for: control", &["tcp"], "refused", "the proxy runs")]
#[case::s3("s3_endpoint_override: http://127.0.0.1:1", &["s3"], "cannot connect", "s3_endpoint_override")]
fn a_setting(
    #[case] lines: &str,
    #[case] failed: &[&str],
    #[case] says: &str,
    #[case] advises: &str,
) {
    let daemon = DaemonHost::with_configuration(lines);
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(failed, says, advises);
}

#[test]
fn what_needs_the_configuration_is_skipped_without_one() {
    let daemon = DaemonHost::with_configuration("verbose: perhaps");
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["configuration"], "verbose", "correct it");
    assert_eq!(examined.names_with("skipped").len(), 14);
}

#[rstest]
#[case::incomplete_file("iam_user_arn: arn:aws:iam::1:user/x\n", "region")]
#[case::empty_file("{}\n", "empty")]
#[case::instance_without_metadata("region: us-east-1\n", "did not answer")]
fn an_identity(#[case] file: &str, #[case] says: &str) {
    let daemon = DaemonHost::default();
    fs_err::write(daemon.host.on_premises_file(), file).unwrap();
    let examined = Examination::of(&daemon)
        .variable("AWS_EC2_METADATA_DISABLED", "")
        .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
        .run();
    // The file is read twice: what is wrong with it is wrong with the configuration, too.
    let failed = examined.names_with("failed");
    assert!(failed.contains(&"identity"), "{:#}", examined.said);
    let check = examined.check("identity");
    assert!(
        check["detail"].as_str().unwrap().contains(says),
        "{check:#}"
    );
    assert!(
        check["remedy"]
            .as_str()
            .unwrap()
            .contains("codedeploy.onpremises.yml")
    );
    // The service's address is in the configuration, so the way there is looked at nevertheless.
    assert_eq!(examined.status("tcp"), "ok", "{:#}", examined.said);
    assert_eq!(examined.status("permission"), "skipped");
}

#[test]
fn a_switched_off_metadata_service() {
    let daemon = DaemonHost::default();
    fs_err::remove_file(daemon.host.on_premises_file()).unwrap();
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["identity"], "switched off", "AWS_EC2_METADATA_DISABLED");
}

#[rstest]
#[case::an_hour_behind(3600, "behind", "failed")]
#[case::an_hour_ahead(-3600, "ahead", "failed")]
#[case::two_minutes(120, "behind", "warning")]
fn a_clock(#[case] seconds: i64, #[case] says: &str, #[case] status: &str) {
    let daemon = DaemonHost::default();
    daemon.service.move_clock(seconds);
    let examined = Examination::of(&daemon).run();
    let check = examined.check("clock");
    assert_eq!(check["status"], status, "{:#}", examined.said);
    assert!(
        check["detail"].as_str().unwrap().contains(says),
        "{check:#}"
    );
    assert!(
        check["remedy"].as_str().unwrap().contains("chrony"),
        "{check:#}"
    );
    // Beyond five minutes signatures are refused, which is told as what it is.
    let permission = examined.check("permission");
    assert_eq!(permission["status"] == "failed", status == "failed");
    if status == "failed" {
        assert!(permission["remedy"].as_str().unwrap().contains("clock"));
        assert_eq!(examined.exit, Some(1));
    }
}

#[rstest]
#[case::wrong_password(Manner::Guarded("other"), "does not accept", "proxy_uri")]
#[case::no_way_through(Manner::Refusing, "cannot connect", "at the proxy")]
fn a_proxy(#[case] manner: Manner, #[case] says: &str, #[case] advises: &str) {
    let proxy = ForwardProxy::start(manner);
    // A tunnel, as for the real service.
    let daemon = DaemonHost::with_configuration(&format!(
        "proxy_uri: http://user:hush-hush@{}\nproxy_for: control\n\
         deploy_control_endpoint: https://service.invalid",
        proxy.address()
    ));
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["proxy"], says, advises);
    assert_eq!(examined.status("tls"), "skipped");
    assert_eq!(examined.status("dns"), "ok");
}

#[test]
fn a_variable_that_is_no_proxy() {
    let daemon = DaemonHost::default();
    let examined = Examination::of(&daemon)
        .variable("http_proxy", "socks5://user:hush-hush@127.0.0.1:1")
        .run();
    let failed = examined.names_with("failed");
    assert!(failed.contains(&"dns"), "{:#}", examined.said);
    assert!(
        examined.check("dns")["detail"]
            .as_str()
            .unwrap()
            .contains("http_proxy")
    );
}

#[test]
fn a_server_that_does_not_speak_tls() {
    let daemon = DaemonHost::default();
    let endpoint = daemon.service.endpoint().replace("http://", "https://");
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text = text.replace(&daemon.service.endpoint(), &endpoint);
    fs_err::write(daemon.host.configuration(), text).unwrap();
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["tls"], "cannot connect", "TLS");
}

#[test]
fn certificates_that_are_not_there() {
    let daemon = DaemonHost::default();
    let examined = Examination::of(&daemon)
        .variable("AWS_CA_BUNDLE", "/nonexistent.pem")
        .run();
    examined.assert_failed(&["tls"], "/nonexistent.pem", "AWS_CA_BUNDLE");
    assert_eq!(examined.status("permission"), "skipped");
    assert_eq!(examined.status("s3"), "skipped");
}

/// Somebody takes the connection and says nothing: the check ends all the same.
#[test]
fn a_service_that_never_answers() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let daemon = DaemonHost::with_configuration(&format!(
        "deploy_control_endpoint: http://{}",
        silent.local_addr().unwrap()
    ));
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["tls"], "no answer", "firewalls");
    assert_eq!(examined.status("clock"), "skipped");
}

#[test]
fn a_call_that_is_never_answered() {
    let daemon = DaemonHost::default();
    daemon
        .service
        .fault(Operation::Specification, When::Always, Fault::Stalled);
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["permission"], "no answer", "network");
}

#[rstest]
#[case::none("", "No such file")]
#[case::half("[default]\naws_access_key_id = ASIA\n", "aws_secret_access_key")]
fn credentials(#[case] content: &str, #[case] says: &str) {
    let daemon = DaemonHost::default();
    let file = daemon.host.path("credentials");
    if !content.is_empty() {
        fs_err::write(&file, content).unwrap();
    }
    let identity = format!(
        "region: us-east-1\niam_session_arn: {}\naws_credentials_file: {}\n",
        DaemonHost::IDENTIFIER,
        file.display()
    );
    fs_err::write(daemon.host.on_premises_file(), identity).unwrap();
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["credentials"], says, "credentials file");
    assert_eq!(examined.status("permission"), "skipped");
}

#[rstest]
#[case::denied(
    Operation::Specification,
    Fault::AccessDenied,
    "AccessDenied",
    "allow the host's role"
)]
#[case::denied_to_acknowledge(
    Operation::Acknowledge,
    Fault::AccessDenied,
    "PutHostCommandAcknowledgement",
    "allow the host's role"
)]
#[case::expired(
    Operation::Specification,
    Fault::ExpiredToken,
    "ExpiredToken",
    "expired"
)]
#[case::server(Operation::Specification, Fault::ServerError, "500", "later")]
#[case::portal(Operation::Specification, Fault::Redirect("http://portal.invalid/".to_owned()), "portal.invalid", "portal")]
#[case::page(
    Operation::Specification,
    Fault::WrongContentType,
    "text/html",
    "portal"
)]
#[case::garbage(
    Operation::Specification,
    Fault::Garbage,
    "not JSON",
    "deploy_control_endpoint"
)]
#[case::enormous(
    Operation::Specification,
    Fault::Enormous,
    "refused",
    "deploy_control_endpoint"
)]
fn permission(
    #[case] operation: Operation,
    #[case] fault: Fault,
    #[case] says: &str,
    #[case] advises: &str,
) {
    let daemon = DaemonHost::default();
    daemon.service.fault(operation, When::Always, fault);
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["permission"], says, advises);
}

/// The head of the answer comes, and then nothing.
#[test]
fn an_answer_that_never_ends() {
    let daemon = DaemonHost::default();
    let slow = Fault::SlowBody(std::time::Duration::from_secs(3600));
    daemon
        .service
        .fault(Operation::Specification, When::Always, slow);
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["permission"], "HTTP 400", "cut off");
}

#[test]
fn no_configuration_file() {
    // Only where no agent is installed.
    let usual = [
        "/etc/codedeploy-agent/conf/codedeployagent.yml",
        "/opt/codedeploy-agent/conf/codedeployagent.yml",
    ];
    if usual.iter().any(|path| std::path::Path::new(path).exists()) {
        return;
    }
    for arguments in [&["doctor"][..], &["config", "check"]] {
        let output = agent_command()
            .args(arguments)
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains("there is no configuration file"), "{said}");
    }
}

#[test]
fn a_key_that_the_service_does_not_know() {
    let daemon = DaemonHost::default();
    let file = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    let other = file.replace("AKIDEXAMPLE", "AKIDSTRANGER");
    fs_err::write(daemon.host.on_premises_file(), other).unwrap();
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["permission"], "UnrecognizedClient", "does not know");
}

#[test]
fn throttling_is_no_fault_of_the_host() {
    let daemon = DaemonHost::default();
    daemon
        .service
        .fault(Operation::Specification, When::Always, Fault::Throttled);
    let examined = Examination::of(&daemon).run();
    examined.assert_healthy();
    assert_eq!(examined.status("permission"), "warning");
}

#[test]
fn fips_outside_of_its_regions() {
    let daemon = DaemonHost::with_configuration("use_fips_mode: true");
    let file = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    let other = file.replace("us-east-1", "eu-west-1");
    fs_err::write(daemon.host.on_premises_file(), other).unwrap();
    let examined = Examination::of(&daemon).run();
    let failed = examined.names_with("failed");
    assert!(failed.contains(&"identity"), "{:#}", examined.said);
    assert!(
        examined.check("identity")["detail"]
            .as_str()
            .unwrap()
            .contains("use_fips_mode")
    );
}
