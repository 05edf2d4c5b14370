//! Hosts on which everything is right.

use integration_tests::fakes::command_service::Operation;
use integration_tests::fakes::{FakeImds, ForwardProxy, Key, Manner, TlsFront};
use integration_tests::{DaemonHost, running_as_root};

use crate::examined::Examination;

const ALL: [&str; 15] = [
    "configuration",
    "hooks-runner",
    "other agent",
    "profile",
    "directories",
    "disk space",
    "inodes",
    "identity",
    "dns",
    "tcp",
    "proxy",
    "tls",
    "clock",
    "credentials",
    "permission",
];

#[test]
fn on_premises() {
    let daemon = DaemonHost::default();
    let examined = Examination::of(&daemon).run();
    examined.assert_healthy();
    // The host's own profile is no test's business, and left out by the configuration.
    let looked_at = ALL.iter().filter(|name| **name != "profile");
    for name in looked_at.chain(&["s3"]) {
        assert!(
            ["ok", "warning"].contains(&examined.status(name)),
            "{:#}",
            examined.said
        );
    }
    let identity = examined.check("identity")["detail"].to_string();
    assert!(identity.contains(DaemonHost::IDENTIFIER), "{identity}");
    // What the service sees: one request without credentials, and two about nothing.
    let calls = daemon.service.calls();
    let operations: Vec<_> = calls.iter().map(|call| call.operation).collect();
    assert_eq!(
        operations,
        [
            None,
            Some(Operation::Specification),
            Some(Operation::Acknowledge)
        ]
    );
    assert!(calls[0].header("authorization").is_empty());
}

#[test]
fn nothing_is_changed_on_the_host() {
    let daemon = DaemonHost::with_configuration("log_aws_wire: true");
    let before = integration_tests::snapshot(&daemon.host.path(""));
    Examination::of(&daemon).run().assert_healthy();
    let after = integration_tests::snapshot(&daemon.host.path(""));
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
}

#[test]
fn an_ec2_instance() {
    let daemon = DaemonHost::default();
    let imds = FakeImds::start("us-east-1");
    fs_err::remove_file(daemon.host.on_premises_file()).unwrap();
    let key = Key::session("ASIAINSTANCE", "instance-secret", "instance-token");
    daemon.service.know(key);
    let examined = Examination::of(&daemon)
        .variable("AWS_EC2_METADATA_DISABLED", "")
        .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", &imds.endpoint())
        .run();
    examined.assert_healthy();
    let identity = examined.check("identity")["detail"].to_string();
    assert!(
        identity.contains(":instance/i-0123456789abcdef0"),
        "{identity}"
    );
    let source = examined.check("credentials")["detail"].to_string();
    assert!(source.contains("instance profile"), "{source}");
    assert!(!examined.said.to_string().contains("instance-secret"));
}

#[test]
fn tls_with_an_authority_that_the_environment_names() {
    let daemon = DaemonHost::default();
    let front = TlsFront::before(&daemon.service.endpoint());
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text = text.replace(&daemon.service.endpoint(), &front.endpoint());
    fs_err::write(daemon.host.configuration(), text).unwrap();
    let bundle = daemon.host.path("authority.pem");
    fs_err::write(&bundle, front.authority_pem()).unwrap();
    let examined = Examination::of(&daemon)
        .variable("AWS_CA_BUNDLE", bundle.to_str().unwrap())
        .run();
    examined.assert_healthy();
    assert_eq!(examined.status("tls"), "ok", "{:#}", examined.said);
    // Without it the certificate is a stranger's, and nothing is sent there.
    let calls = daemon.service.calls().len();
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["tls"], "cannot connect", "AWS_CA_BUNDLE");
    assert_eq!(examined.status("permission"), "skipped");
    assert_eq!(daemon.service.calls().len(), calls);
}

#[test]
fn behind_a_proxy_with_a_password() {
    // user:hush-hush
    let proxy = ForwardProxy::start(Manner::Guarded("dXNlcjpodXNoLWh1c2g="));
    let daemon = DaemonHost::with_configuration(&format!(
        "proxy_uri: http://user:hush-hush@{}",
        proxy.address()
    ));
    let examined = Examination::of(&daemon).run();
    examined.assert_healthy();
    let shown = examined.check("proxy")["detail"].to_string();
    assert!(shown.contains("lets the agent through"), "{shown}");
    assert!(!proxy.asked().is_empty());
}

#[test]
fn while_the_agent_runs() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start();
    daemon.service.wait_for("a poll", |calls| !calls.is_empty());
    let examined = Examination::of(&daemon).run();
    examined.assert_healthy();
    let shown = examined.check("other agent")["detail"].to_string();
    let own = format!("this agent runs as process {}", running.pid());
    assert!(shown.contains(&own), "{shown}");
    running.stop();
}

#[test]
fn a_user_without_rights_is_told_what_cannot_be_seen() {
    if !running_as_root("running as another user") {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let daemon = DaemonHost::default();
    let closed = std::fs::Permissions::from_mode(0o600);
    fs_err::set_permissions(daemon.host.on_premises_file(), closed).unwrap();
    let examined = Examination::of(&daemon).user(65534).run();
    examined.assert_healthy();
    assert_eq!(
        examined.status("identity"),
        "skipped",
        "{:#}",
        examined.said
    );
    let advice = examined.check("identity")["remedy"].to_string();
    assert!(advice.contains("as root"), "{advice}");
    assert_eq!(examined.status("directories"), "warning");
    // What needs no rights is looked at all the same.
    for name in ["configuration", "tcp", "clock", "disk space"] {
        assert!(["ok", "warning"].contains(&examined.status(name)), "{name}");
    }
}

#[test]
fn people_get_aligned_lines_without_colour_in_a_pipe() {
    let daemon = DaemonHost::default();
    let output = Examination::of(&daemon).output::<&str>(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\x1b'), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), ALL.len() + 2, "{text}");
    for (line, name) in lines.iter().zip(ALL) {
        assert_eq!(&line[6..6 + name.len()], name, "{text}");
        assert_eq!(&line[19..21], "  ", "{text}");
    }
    assert!(lines.last().unwrap().starts_with("0 failed"), "{text}");
}
