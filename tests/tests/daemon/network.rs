//! The way to the services: endpoints, proxies, trusted certificates.

use integration_tests::fakes::command_service::{
    DeploymentEnd, Fault, Operation, ScriptedDeployment, Specification, When,
};
use integration_tests::fakes::{FakeCommandService, ForwardProxy, Manner, Signer, TlsFront};
use integration_tests::{DaemonHost, eventually};
use rstest::rstest;

const NO_METADATA: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

/// A host whose configuration does not say where the command service is.
fn without_endpoint(lines: &str) -> DaemonHost {
    let daemon = DaemonHost::with_configuration(lines);
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("deploy_control_endpoint"))
        .collect();
    fs_err::write(daemon.host.configuration(), text.join("\n")).unwrap();
    daemon
}

/// The real addresses, as the proxy is asked for them.
#[rstest]
#[case::plain("", "us-east-1", "codedeploy-commands.us-east-1.amazonaws.com")]
#[case::fips(
    "use_fips_mode: true",
    "us-east-1",
    "codedeploy-commands-fips.us-east-1.amazonaws.com"
)]
#[case::secure(
    "enable_auth_policy: true",
    "us-east-1",
    "codedeploy-commands-secure.us-east-1.amazonaws.com"
)]
#[case::both(
    "use_fips_mode: true\nenable_auth_policy: true",
    "us-gov-west-1",
    "codedeploy-commands-secure-fips.us-gov-west-1.amazonaws.com"
)]
#[case::china("", "cn-north-1", "codedeploy-commands.cn-north-1.amazonaws.com.cn")]
#[case::sovereign(
    "",
    "eusc-de-east-1",
    "codedeploy-commands.eusc-de-east-1.amazonaws.eu"
)]
fn endpoints(#[case] lines: &str, #[case] region: &str, #[case] host: &str) {
    let proxy = ForwardProxy::start(Manner::Refusing);
    let daemon = without_endpoint(lines);
    let identity = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    let identity = identity.replace("us-east-1", region);
    fs_err::write(daemon.host.on_premises_file(), identity).unwrap();
    let address = format!("http://{}", proxy.address());
    let mut running = daemon.start_with(&[NO_METADATA, ("https_proxy", &address)]);
    eventually("the proxy to be asked", || !proxy.asked().is_empty());
    // The refusal is logged with the proxy's part in it.
    eventually("the refusal to be logged", || daemon.log().contains(host));
    running.stop();
    assert_eq!(
        proxy.asked()[0].line,
        format!("CONNECT {host}:443 HTTP/1.1")
    );
}

#[test]
fn fips_outside_of_its_regions_is_exit_status_78() {
    let daemon = DaemonHost::with_configuration("use_fips_mode: true");
    let identity = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    let identity = identity.replace("us-east-1", "eu-west-1");
    fs_err::write(daemon.host.on_premises_file(), identity).unwrap();
    let mut running = daemon.start();
    assert_eq!(running.wait().code(), Some(78));
    assert!(daemon.log().contains("use_fips_mode"), "{}", daemon.log());
}

#[test]
fn another_target_and_signing_name_with_enable_auth_policy() {
    let daemon = DaemonHost::with_configuration("enable_auth_policy: true");
    let mut running = daemon.start();
    let calls = daemon.service.wait_for("a poll", |calls| !calls.is_empty());
    running.stop();
    assert_eq!(calls[0].target, "CodeDeployCommandService.PollHostCommand");
    // Signed for `codedeploy-commands-secure`, or it would be refused.
    assert!(
        !daemon.log().contains("InvalidSignature"),
        "{}",
        daemon.log()
    );
}

/// Deploys through what the configuration says; the lines that the proxy saw.
fn deployed_through(lines: &str, manner: Manner) -> (DaemonHost, ForwardProxy) {
    let proxy = ForwardProxy::start(manner);
    let daemon = DaemonHost::with_configuration(&lines.replace("PROXY", &proxy.address()));
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    running.stop();
    assert_eq!(daemon.service.violations(), Vec::<String>::new());
    (daemon, proxy)
}

/// Whether the proxy was asked for the command service, and for S3.
fn asked_for(daemon: &DaemonHost, proxy: &ForwardProxy) -> (bool, bool) {
    let asked = proxy.asked();
    let any = |endpoint: &str| asked.iter().any(|request| request.line.contains(endpoint));
    (any(&daemon.service.endpoint()), any(&daemon.s3.endpoint()))
}

#[rstest]
#[case::all("proxy_uri: http://PROXY", (true, true))]
#[case::control("proxy_uri: http://PROXY\nproxy_for: control", (true, false))]
#[case::s3("proxy_uri: http://PROXY\nproxy_for: [s3]", (false, true))]
#[case::none("proxy_uri: http://PROXY\nno_proxy: [127.0.0.1]", (false, false))]
fn a_proxy(#[case] lines: &str, #[case] expected: (bool, bool)) {
    let (daemon, proxy) = deployed_through(lines, Manner::Open);
    assert_eq!(asked_for(&daemon, &proxy), expected, "{:?}", proxy.asked());
}

#[test]
fn github_through_the_proxy_and_nothing_else() {
    let proxy = ForwardProxy::start(Manner::Refusing);
    let daemon = DaemonHost::with_configuration(&format!(
        "proxy_uri: http://{}\nproxy_for: github\ngithub_api_endpoint: http://127.0.0.1:1",
        proxy.address()
    ));
    let mut content = daemon.specification("d-1", "none");
    content["Revision"] = serde_json::json!({
        "RevisionType": "GitHub",
        "GitHubRevision": {"Account": "a", "Repository": "r", "CommitId": "c"},
    });
    let signed = Specification::signed(&Signer::new(), &content);
    let scripted = ScriptedDeployment::new("d-1", signed, &["DownloadBundle"]);
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
    let running = daemon.start();
    eventually("the proxy to be asked", || !proxy.asked().is_empty());
    drop(running);
    for asked in proxy.asked() {
        assert!(asked.line.contains("127.0.0.1:1/repos/a/r"), "{asked:?}");
    }
}

/// Where a redirection leads, nobody hears of us.
#[test]
fn a_redirection_is_not_followed() {
    let elsewhere = FakeCommandService::start("us-east-1");
    let daemon = DaemonHost::default();
    let fault = Fault::Redirect(format!("{}/", elsewhere.endpoint()));
    daemon.service.fault(Operation::Poll, When::Always, fault);
    let mut running = daemon.start();
    eventually("the redirection to be logged", || {
        daemon.log().contains("is not followed") && daemon.log().contains(&elsewhere.endpoint())
    });
    running.stop();
    assert!(elsewhere.calls().is_empty());
}

#[test]
fn a_proxy_with_a_password_that_no_log_shows() {
    // user:hush-hush
    let manner = Manner::Guarded("dXNlcjpodXNoLWh1c2g=");
    let lines = "proxy_uri: http://user:hush-hush@PROXY\nverbose: true\nlog_aws_wire: true";
    let (daemon, proxy) = deployed_through(lines, manner);
    assert_eq!(asked_for(&daemon, &proxy), (true, true));
    for entry in fs_err::read_dir(daemon.host.path("log")).unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hush-hush"), "{text}");
        assert!(!text.contains("dXNlcjpodXNoLWh1c2g="), "{text}");
    }
}

#[test]
fn a_proxy_that_wants_another_password_is_told() {
    let proxy = ForwardProxy::start(Manner::Guarded("other"));
    let daemon = DaemonHost::with_configuration(&format!(
        "proxy_uri: http://user:hush-hush@{}",
        proxy.address()
    ));
    let mut running = daemon.start();
    eventually("the refusal to be logged", || {
        daemon
            .log()
            .contains("does not accept the user and password")
    });
    running.stop();
    assert!(!daemon.log().contains("hush-hush"), "{}", daemon.log());
}

#[test]
fn an_authority_that_aws_ca_bundle_names_is_trusted_and_no_other() {
    let daemon = DaemonHost::default();
    let front = TlsFront::before(&daemon.service.endpoint());
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text = text.replace(&daemon.service.endpoint(), &front.endpoint());
    fs_err::write(daemon.host.configuration(), text).unwrap();
    let mut running = daemon.start();
    eventually("the stranger to be logged", || {
        daemon.log().contains("AWS_CA_BUNDLE")
    });
    running.stop();
    assert!(daemon.service.calls().is_empty());
    let bundle = daemon.host.path("authority.pem");
    fs_err::write(&bundle, front.authority_pem()).unwrap();
    let named = ("AWS_CA_BUNDLE", bundle.to_str().unwrap());
    let mut running = daemon.start_with(&[NO_METADATA, named]);
    daemon.service.wait_for("a poll", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Poll))
    });
    running.stop();
}

#[test]
fn a_certificate_file_that_is_not_there_is_exit_status_78() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start_with(&[NO_METADATA, ("AWS_CA_BUNDLE", "/nonexistent.pem")]);
    assert_eq!(running.wait().code(), Some(78));
    assert!(
        daemon.log().contains("/nonexistent.pem"),
        "{}",
        daemon.log()
    );
}
