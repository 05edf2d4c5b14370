//! A credentials file that something else rewrites while the daemon runs.

use std::path::PathBuf;
use std::time::Duration;

use integration_tests::fakes::Key;
use integration_tests::fakes::command_service::{DeploymentEnd, Operation};
use integration_tests::{DaemonHost, RunningDaemon, eventually};
use rstest::rstest;

fn content(key: &str) -> String {
    format!(
        "[default]\naws_access_key_id = {key}\naws_secret_access_key = secret-of-{key}\n\
         aws_session_token = token-of-{key}\n"
    )
}

/// A session whose first credentials work, polling.
fn session() -> (DaemonHost, PathBuf, RunningDaemon) {
    let daemon = DaemonHost::default();
    let file = daemon.host.path("credentials");
    for key in ["ASIAFIRST", "ASIASECOND"] {
        let (secret, token) = (format!("secret-of-{key}"), format!("token-of-{key}"));
        daemon.service.know(Key::session(key, &secret, &token));
    }
    daemon.service.hold_polls_for(Duration::from_millis(200));
    fs_err::write(&file, content("ASIAFIRST")).unwrap();
    let identity = format!(
        "region: us-east-1\niam_session_arn: {}\naws_credentials_file: {}\n",
        DaemonHost::IDENTIFIER,
        file.display()
    );
    fs_err::write(daemon.host.on_premises_file(), identity).unwrap();
    let running = daemon.start();
    polls_with(&daemon, "ASIAFIRST");
    (daemon, file, running)
}

fn polls_with(daemon: &DaemonHost, key: &str) {
    daemon
        .service
        .wait_for(&format!("a poll with {key}"), |calls| {
            calls.iter().any(|call| {
                call.operation == Some(Operation::Poll)
                    && call.access_key == key
                    && call.succeeded()
            })
        });
}

/// What becomes of the file, with no whole one to read in between.
#[rstest]
#[case::deleted(None)]
#[case::half_written(Some("[default]\naws_access_key_id = ASIASECOND\naws_secret_acc"))]
#[case::truncated(Some(""))]
#[case::another_profile(Some("[other]\naws_access_key_id = X\n"))]
#[case::garbage(Some("\u{0}\u{1}\u{2}"))]
fn is_waited_for_until_it_is_whole_again(#[case] broken: Option<&str>) {
    let (daemon, file, mut running) = session();
    match broken {
        None => fs_err::remove_file(&file).unwrap(),
        Some(text) => fs_err::write(&file, text).unwrap(),
    }
    daemon.service.expire("ASIAFIRST");
    eventually("the trouble to be logged", || {
        let log = daemon.log();
        log.contains("credentials") && log.contains("ERROR")
    });
    fs_err::write(&file, content("ASIASECOND")).unwrap();
    polls_with(&daemon, "ASIASECOND");
    running.stop();
    let log = daemon.log();
    assert!(
        !log.contains("secret-of") && !log.contains("token-of"),
        "{log}"
    );
}

/// Good credentials are used on while the file is away.
#[test]
fn a_file_that_is_away_for_a_while_stops_nothing() {
    let (daemon, file, mut running) = session();
    fs_err::remove_file(&file).unwrap();
    let bundle = daemon.host.bundle().appspec("");
    daemon.publish("b.zip", bundle.path());
    let commands = ["ApplicationStop"];
    let content = daemon.specification("d-1", "b.zip");
    let signed = integration_tests::fakes::command_service::Specification::signed(
        &integration_tests::fakes::Signer::new(),
        &content,
    );
    let scripted = integration_tests::fakes::command_service::ScriptedDeployment::new(
        "d-1", signed, &commands,
    );
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    running.stop();
}
