//! The agent's log as JSON, and the wire log.

use std::os::unix::fs::MetadataExt as _;

use integration_tests::fakes::Key;
use integration_tests::fakes::command_service::{DeploymentEnd, Operation};
use integration_tests::{Bundle, DaemonHost, eventually};
use rstest::rstest;
use serde_json::Value;

fn bundle(daemon: &DaemonHost) -> Bundle {
    daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", "echo out")
}

fn deploy(daemon: &DaemonHost) {
    daemon.publish("b.zip", bundle(daemon).path());
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    running.stop();
}

#[test]
fn each_line_is_an_object_with_log_format_json() {
    let daemon = DaemonHost::with_configuration("log_format: json\nfrobnicate: 1");
    deploy(&daemon);
    let errors = fs_err::read_to_string(daemon.host.path("standard-error")).unwrap();
    for text in [daemon.log(), errors] {
        let lines: Vec<Value> = text
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect();
        assert!(lines.len() > 5, "{text}");
        for line in &lines {
            for member in ["timestamp", "level", "message"] {
                assert!(line[member].is_string(), "{line}");
            }
        }
        assert!(lines.iter().any(|line| line["level"] == "WARN"), "{text}");
        assert!(
            lines.iter().any(|line| line["command"] == "AfterInstall"),
            "{text}"
        );
    }
}

/// What the daemon would only drop would cost its one thread time.
#[test]
fn the_daemon_does_not_read_what_scripts_print() {
    let daemon = DaemonHost::default();
    let path = |name: &str| daemon.host.path(name).display().to_string();
    let wait = format!(
        "echo out; touch {}; while [ ! -e {} ] && [ -d {} ]; do sleep 0.02; done",
        path("entered"),
        path("gate"),
        path("")
    );
    let bundle = daemon
        .host
        .bundle()
        .appspec(
            "hooks:\n  BeforeInstall:\n  - location: s.sh\n  \
             AfterInstall:\n  - location: wait.sh\n",
        )
        .script("s.sh", "echo out")
        .script("wait.sh", &wait);
    daemon.publish("b.zip", bundle.path());
    let running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    let entered = daemon.host.path("entered");
    eventually("the second script to run", || entered.exists());
    // The first one has made the log.
    let log = daemon.host.root().join("group-1/d-1/logs/scripts.log");
    assert!(log.exists());
    let opened = fs_err::read_dir(format!("/proc/{}/fd", running.pid())).unwrap();
    let opened: Vec<_> = opened
        .filter_map(|entry| fs_err::read_link(entry.ok()?.path()).ok())
        .collect();
    assert!(!opened.contains(&log), "{opened:?}");
    fs_err::write(daemon.host.path("gate"), "").unwrap();
    let end = daemon.service.wait_for_end(&deployment);
    assert_eq!(end, DeploymentEnd::Succeeded);
}

#[test]
fn lines_are_as_aws_has_them_with_log_format_text() {
    let daemon = DaemonHost::default();
    deploy(&daemon);
    for line in daemon.log().lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!((time.len(), &time[10..11]), (25, "T"), "{line}");
        let (level, rest) = rest.trim_start().split_once(' ').unwrap();
        assert!(["INFO", "WARN", "ERROR"].contains(&level), "{line}");
        assert!(
            rest.trim_start().starts_with("[codedeploy-agent("),
            "{line}"
        );
    }
}

#[test]
fn verbose_shows_each_call() {
    let daemon = DaemonHost::with_configuration("verbose: true");
    deploy(&daemon);
    let log = daemon.log();
    assert!(
        log.contains("DEBUG") && log.contains("PutHostCommandComplete"),
        "{log}"
    );
}

/// The log of what goes over the wire, without what must not be in it.
#[rstest]
#[case::user(false)]
#[case::session(true)]
fn the_wire_log_has_every_call_and_no_secret(#[case] is_session: bool) {
    let daemon = DaemonHost::with_configuration("log_aws_wire: true\nverbose: true");
    if is_session {
        let file = daemon.host.path("credentials");
        fs_err::write(
            &file,
            "[default]\naws_access_key_id = ASIASESSION\naws_secret_access_key = hush-secret\n\
             aws_session_token = hush-token\n",
        )
        .unwrap();
        daemon
            .service
            .know(Key::session("ASIASESSION", "hush-secret", "hush-token"));
        let identity = format!(
            "region: us-east-1\niam_session_arn: {}\naws_credentials_file: {}\n",
            DaemonHost::IDENTIFIER,
            file.display()
        );
        fs_err::write(daemon.host.on_premises_file(), identity).unwrap();
    }
    let mut running = daemon.start();
    daemon.service.wait_for("a poll", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Poll))
    });
    let path = daemon.host.path("log/codedeploy-agent.aws_wire.log");
    eventually("the poll to be in the wire log", || {
        fs_err::read_to_string(&path).is_ok_and(|text| text.contains("PollHostCommand"))
    });
    running.stop();
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.contains(DaemonHost::IDENTIFIER), "{text}");
    assert_eq!(fs_err::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    for secret in [
        "a-secret-for-tests-only",
        "hush-secret",
        "hush-token",
        "Signature=",
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn the_token_of_a_private_repository_is_in_no_log() {
    let daemon = DaemonHost::with_configuration("log_aws_wire: true\nverbose: true");
    let mut content = daemon.specification("d-1", "b.zip");
    content["GitHubAccessToken"] = "ghp_hushhush".into();
    content["Revision"] = serde_json::json!({
        "RevisionType": "GitHub",
        "GitHubRevision": {"Account": "a", "Repository": "r", "CommitId": "c"},
    });
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let line = "github_api_endpoint: http://127.0.0.1:1";
    fs_err::write(daemon.host.configuration(), format!("{text}{line}\n")).unwrap();
    let running = daemon.start();
    let signed = integration_tests::fakes::command_service::Specification::signed(
        &integration_tests::fakes::Signer::new(),
        &content,
    );
    let scripted = integration_tests::fakes::command_service::ScriptedDeployment::new(
        "d-1",
        signed,
        &["DownloadBundle"],
    );
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
    daemon.service.wait_for("the acknowledgement", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Acknowledge))
    });
    drop(running);
    for entry in fs_err::read_dir(daemon.host.path("log")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(!text.contains("ghp_hushhush"), "{}", path.display());
        // Inside its envelope it would be in base64.
        assert!(!text.contains("BEGIN PKCS7"), "{}", path.display());
    }
}
