//! `agent register` and `agent deregister`: a host becomes an on-premises instance, and ceases to
//! be one.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use integration_tests::fakes::command_service::{ACCESS_KEY, DeploymentEnd, Operation, SECRET_KEY};
use integration_tests::{DaemonHost, TestHost, running_as_root, snapshot};
use rstest::rstest;

use crate::program::{Program, Run};

const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/web/web-1";

/// A host that nobody has registered yet.
fn unregistered() -> DaemonHost {
    let daemon = DaemonHost::default();
    fs_err::remove_file(daemon.host.on_premises_file()).unwrap();
    daemon
}

fn register(host: &TestHost, more: &[&str]) -> Program {
    let arguments = ["register", "--region", "us-east-1"];
    Program::new(host, arguments.iter().chain(more))
}

fn as_user(daemon: &DaemonHost, more: &[&str]) -> Program {
    let arguments = [&["--iam-user-arn", DaemonHost::IDENTIFIER], more].concat();
    register(&daemon.host, &arguments)
        .variable("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .variable("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
}

/// No secret is shown, whatever happens.
fn run(program: Program) -> Run {
    let run = program.run();
    for said in [&run.stdout, &run.stderr] {
        assert!(
            !said.contains(SECRET_KEY) && !said.contains("HUSH"),
            "{said}"
        );
    }
    run
}

fn mode(path: PathBuf) -> u32 {
    fs_err::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn polls(daemon: &DaemonHost) -> usize {
    let calls = daemon.service.calls();
    let of_host = |call: &&integration_tests::fakes::command_service::Call| {
        call.operation == Some(Operation::Poll)
            && call.text("HostIdentifier") == DaemonHost::IDENTIFIER
    };
    calls.iter().filter(of_host).count()
}

#[test]
fn a_host_is_registered_deploys_and_is_deregistered() {
    let daemon = unregistered();
    let file = daemon.host.on_premises_file();
    let registered = run(as_user(&daemon, &[])).assert_exit(0);
    registered
        .assert_says("aws deploy register-on-premises-instance --region us-east-1")
        .assert_says(&format!("--iam-user-arn {}", DaemonHost::IDENTIFIER))
        .assert_says("ok    permission");
    assert_eq!(mode(file.clone()), 0o600);
    // Nothing was taken away from an agent.
    assert_eq!(polls(&daemon), 0);

    daemon.publish("one.zip", daemon.host.bundle().appspec("").path());
    let mut running = daemon.start();
    let scripted = daemon.deploy("d-ONE", "one.zip");
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    assert!(polls(&daemon) > 0);

    let refused = run(Program::new(&daemon.host, ["deregister"])).assert_exit(1);
    refused
        .assert_says("the agent runs (PID")
        .assert_says("agent stop");
    assert!(file.exists());
    let again = run(as_user(&daemon, &[])).assert_exit(0);
    again.assert_says("agent restart");
    running.stop();
    let removed = run(Program::new(&daemon.host, ["deregister"])).assert_exit(0);
    removed
        .assert_says("aws deploy deregister-on-premises-instance --region us-east-1")
        .assert_says(DaemonHost::IDENTIFIER);
    assert!(!file.exists());
    let nothing = run(Program::new(&daemon.host, ["deregister"])).assert_exit(0);
    nothing.assert_says("nothing to remove");
}

#[test]
fn force_deregisters_beside_an_agent() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start();
    daemon.service.wait_for("a poll", |calls| !calls.is_empty());
    run(Program::new(&daemon.host, ["deregister", "--force"])).assert_exit(0);
    assert!(!daemon.host.on_premises_file().exists());
    running.stop();
}

#[test]
fn the_key_pair_may_come_on_standard_input() {
    let daemon = unregistered();
    let arguments = ["--iam-user-arn", DaemonHost::IDENTIFIER];
    let input = format!("{ACCESS_KEY}\n{SECRET_KEY}\n");
    run(register(&daemon.host, &arguments).input(&input)).assert_exit(0);
    let text = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    assert!(text.contains(SECRET_KEY));
}

#[test]
fn a_session_is_registered_with_the_file_that_is_renewed() {
    let daemon = unregistered();
    let credentials = daemon.host.path("credentials");
    let text = format!(
        "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    );
    fs_err::write(&credentials, text).unwrap();
    let file = credentials.to_str().unwrap();
    let arguments = ["--iam-session-arn", SESSION, "--credentials-file", file];
    let registered = run(register(&daemon.host, &arguments)).assert_exit(0);
    registered.assert_says(&format!("--iam-session-arn {SESSION}"));
    let written = fs_err::read_to_string(daemon.host.on_premises_file()).unwrap();
    assert!(written.contains(SESSION) && written.contains(file));
    assert!(!written.contains(SECRET_KEY));
    daemon.service.hold_polls_for(Duration::from_millis(200));
    let mut running = daemon.start();
    daemon.service.wait_for("a poll of the session", |calls| {
        calls.iter().any(|call| {
            call.operation == Some(Operation::Poll)
                && call.text("HostIdentifier") == SESSION
                && call.succeeded()
        })
    });
    running.stop();
}

#[test]
fn credentials_that_the_service_does_not_accept_are_not_written() {
    let daemon = unregistered();
    let program = as_user(&daemon, &[]).variable("AWS_SECRET_ACCESS_KEY", "HUSH");
    let refused = run(program).assert_exit(1);
    refused
        .assert_says("FAIL  permission")
        .assert_says("--no-check");
    assert!(!daemon.host.on_premises_file().exists());
}

#[test]
fn without_a_network_the_check_can_be_left_out() {
    let host = TestHost::with_configuration("deploy_control_endpoint: http://127.0.0.1:9\n");
    let program = |more: &[&str]| {
        let arguments = [&["--iam-user-arn", DaemonHost::IDENTIFIER], more].concat();
        register(&host, &arguments)
            .variable("AWS_ACCESS_KEY_ID", "AKIDX")
            .variable("AWS_SECRET_ACCESS_KEY", "HUSH")
    };
    run(program(&[])).assert_exit(1).assert_says("FAIL  tcp");
    assert!(!host.on_premises_file().exists());
    run(program(&["--no-check"])).assert_exit(0);
    assert_eq!(mode(host.on_premises_file()), 0o600);
    let elsewhere = host.path("made/for/it.yml");
    let named = ["--no-check", "--file", elsewhere.to_str().unwrap()];
    run(program(&named))
        .assert_exit(0)
        .assert_says("on_premises_config_file");
    assert!(elsewhere.exists());
}

#[test]
fn another_identity_is_replaced_only_when_told_and_kept_beside() {
    let daemon = DaemonHost::default();
    let file = daemon.host.on_premises_file();
    let before = fs_err::read(&file).unwrap();
    let other = "arn:aws:iam::123456789012:user/somebody-else";
    let program = |more: &[&str]| {
        let arguments = [&["--iam-user-arn", other, "--no-check"], more].concat();
        register(&daemon.host, &arguments)
            .variable("AWS_ACCESS_KEY_ID", "AKIDX")
            .variable("AWS_SECRET_ACCESS_KEY", "HUSH")
    };
    let refused = run(program(&[])).assert_exit(1);
    refused
        .assert_says(DaemonHost::IDENTIFIER)
        .assert_says("--force");
    assert_eq!(fs_err::read(&file).unwrap(), before);
    let kept = daemon.host.path("codedeploy.onpremises.yml.replaced");
    run(program(&["--force"]))
        .assert_exit(0)
        .assert_says(kept.to_str().unwrap());
    assert_eq!(fs_err::read(&kept).unwrap(), before);
    assert_eq!(mode(kept.clone()), 0o600);
    assert!(fs_err::read_to_string(&file).unwrap().contains(other));
    for content in ["---\n{", "---\nregion: us-east-1\n"] {
        fs_err::write(&file, content).unwrap();
        run(program(&[])).assert_exit(1).assert_says("--force");
        assert_eq!(fs_err::read_to_string(&file).unwrap(), content);
        run(Program::new(&daemon.host, ["deregister"])).assert_exit(1);
        assert!(file.exists());
    }
    // It holds secrets, and nobody else would tell of it.
    let gone = run(Program::new(&daemon.host, ["deregister", "--force"])).assert_exit(0);
    gone.assert_says(kept.to_str().unwrap());
    assert!(!file.exists() && kept.exists());
}

#[test]
fn nothing_is_written_through_a_link_or_where_others_write() {
    let host = TestHost::new();
    let program = || {
        register(
            &host,
            &["--no-check", "--iam-user-arn", DaemonHost::IDENTIFIER],
        )
        .variable("AWS_ACCESS_KEY_ID", "AKIDX")
        .variable("AWS_SECRET_ACCESS_KEY", "HUSH")
    };
    let target = host.path("target");
    fs_err::write(&target, "precious").unwrap();
    fs_err::os::unix::fs::symlink(&target, host.on_premises_file()).unwrap();
    run(program()).assert_exit(1).assert_says("no regular file");
    assert_eq!(fs_err::read_to_string(&target).unwrap(), "precious");
    fs_err::remove_file(host.on_premises_file()).unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    fs_err::set_permissions(host.path(""), open).unwrap();
    run(program()).assert_exit(1).assert_says("chmod o-w");
    assert!(!host.on_premises_file().exists());
}

#[rstest]
#[case::nobody(&[], "--iam-user-arn")]
#[case::both(&["--iam-user-arn", DaemonHost::IDENTIFIER, "--iam-session-arn", SESSION], "cannot be used")]
#[case::no_arn(&["--iam-user-arn", "web-1"], "one looks like")]
#[case::session_as_user(&["--iam-user-arn", SESSION], "one looks like")]
#[case::partition(&["--iam-user-arn", "arn:aws-cn:iam::123456789012:user/web"], "partition")]
#[case::no_credentials_file(&["--iam-session-arn", SESSION], "--credentials-file")]
#[case::relative(&["--iam-session-arn", SESSION, "--credentials-file", "c"], "absolute")]
#[case::missing(&["--iam-session-arn", SESSION, "--credentials-file", "/nonexistent"], "cannot read")]
#[case::no_input(&["--iam-user-arn", DaemonHost::IDENTIFIER], "standard input")]
fn what_cannot_be_an_identity_is_bad_usage(#[case] arguments: &[&str], #[case] says: &str) {
    let host = TestHost::new();
    let before = snapshot(&host.path(""));
    run(register(&host, arguments))
        .assert_exit(2)
        .assert_says(says);
    assert!(snapshot(&host.path("")) == before);
}

#[rstest]
#[case::region("us-east", "AKIDX", "HUSH", None, "is not a region")]
#[case::half("us-east-1", "AKIDX", "", None, "AWS_SECRET_ACCESS_KEY")]
#[case::token("us-east-1", "AKIDX", "HUSH", Some("HUSH"), "temporary")]
#[case::temporary("us-east-1", "ASIAX", "HUSH", None, "temporary")]
#[case::line_break("us-east-1", "AKIDX", "HUSH\nHUSH", None, "one word")]
fn a_key_pair_that_cannot_be_used_is_bad_usage(
    #[case] region: &str,
    #[case] id: &str,
    #[case] secret: &str,
    #[case] token: Option<&str>,
    #[case] says: &str,
) {
    let host = TestHost::new();
    let arguments = [
        "register",
        "--iam-user-arn",
        DaemonHost::IDENTIFIER,
        "--region",
        region,
    ];
    let mut program = Program::new(&host, arguments)
        .variable("AWS_ACCESS_KEY_ID", id)
        .variable("AWS_SECRET_ACCESS_KEY", secret);
    if let Some(token) = token {
        program = program.variable("AWS_SESSION_TOKEN", token);
    }
    run(program).assert_exit(2).assert_says(says);
    assert!(!host.on_premises_file().exists());
}

#[test]
fn what_is_no_on_premises_file_is_not_removed() {
    let host = TestHost::new();
    let file = host.path("notes");
    fs_err::write(&file, "my notes").unwrap();
    let named = ["deregister", "--file", file.to_str().unwrap()];
    run(Program::new(&host, named))
        .assert_exit(1)
        .assert_says("--force");
    assert!(file.exists());
}

#[test]
fn the_file_is_the_configured_users() {
    if !running_as_root("giving a file to another user") {
        return;
    }
    let host = TestHost::with_configuration("user: nobody\n");
    let arguments = ["--no-check", "--iam-user-arn", DaemonHost::IDENTIFIER];
    let program = register(&host, &arguments)
        .variable("AWS_ACCESS_KEY_ID", "AKIDX")
        .variable("AWS_SECRET_ACCESS_KEY", "HUSH");
    run(program).assert_exit(0);
    let file = fs_err::metadata(host.on_premises_file()).unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    assert_eq!(file.uid(), nobody.uid.as_raw());
    assert_eq!(mode(host.on_premises_file()), 0o600);
}
