//! An installation in a directory of its own: its version file, starting it, closing it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::{DaemonHost, agent, take_umask};
use rstest::rstest;

/// `<...>/codedeploy-agent/bin/agent`, with the runner beside it.
fn installed(daemon: &DaemonHost) -> PathBuf {
    let programs = daemon.host.path("codedeploy-agent/bin");
    fs_err::create_dir_all(&programs).unwrap();
    for name in ["agent", "hooks-runner"] {
        fs_err::copy(agent().with_file_name(name), programs.join(name)).unwrap();
    }
    programs.join("agent")
}

fn run(program: &Path, daemon: &DaemonHost, command: &str, variables: &[(&str, &str)]) -> Output {
    integration_tests::command(program)
        .arg(command)
        .arg("--config")
        .arg(daemon.host.configuration())
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn the_version_file_tells_which_agent_runs() {
    let daemon = DaemonHost::default();
    let program = installed(&daemon);
    let file = daemon.host.path("codedeploy-agent/.version");
    // AWS's, before this program was copied over it.
    fs_err::write(&file, "agent_version: OFFICIAL_1.8.1-12_deb\n").unwrap();
    let output = run(&program, &daemon, "start", &[]);
    assert!(output.status.success(), "{output:?}");
    let text = fs_err::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        format!("agent_version: {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(fs_err::metadata(&file).unwrap().mode() & 0o7777, 0o644);
    assert!(run(&program, &daemon, "stop", &[]).status.success());
}

#[test]
fn start_says_that_it_runs_when_it_is_ready() {
    let daemon = DaemonHost::default();
    let output = run(&agent(), &daemon, "start", &[]);
    assert!(output.status.success(), "{output:?}");
    // Ready: signals are handled, so a stop at once ends it well.
    assert!(
        daemon.log().contains("started as process"),
        "{}",
        daemon.log()
    );
    let output = run(&agent(), &daemon, "stop", &[]);
    assert!(said(&output).contains("has stopped"), "{output:?}");
    // Nothing is said to a service manager that is not there.
    assert!(
        !daemon.log().contains("service manager"),
        "{}",
        daemon.log()
    );
}

#[test]
fn start_waits_for_no_metadata_service() {
    let daemon = DaemonHost::default();
    fs_err::remove_file(daemon.host.on_premises_file()).unwrap();
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", ""),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"),
    ];
    let output = run(&agent(), &daemon, "start", &variables);
    assert!(output.status.success(), "{output:?}");
    assert!(run(&agent(), &daemon, "stop", &[]).status.success());
}

#[test]
fn a_failing_start_tells_the_reason_and_the_line_of_the_log() {
    let daemon = DaemonHost::default();
    let variables = [("AWS_CA_BUNDLE", "/nonexistent.pem")];
    let output = run(&agent(), &daemon, "start", &variables);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output);
    for part in ["ended at once", "exit status: 78", "/nonexistent.pem"] {
        assert!(said.contains(part), "{said}");
    }
    let log = daemon.host.path("log/codedeploy-agent.log");
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{}: ", log.display())))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(daemon.log().contains(line), "{said}");
    assert!(line.contains(" ERROR ["), "{line}");
    let output = run(&agent(), &daemon, "status", &[]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_log_that_cannot_be_opened_is_told() {
    let daemon = DaemonHost::default();
    fs_err::create_dir_all(daemon.host.path("log/codedeploy-agent.log")).unwrap();
    let output = run(&agent(), &daemon, "start", &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("correct log_dir"), "{output:?}");
}

#[test]
fn status_says_in_its_first_line_whether_the_agent_runs_and_reasons_elsewhere() {
    let daemon = DaemonHost::default();
    let mut running = daemon.start();
    daemon.service.wait_for("a poll", |calls| !calls.is_empty());
    let output = run(&agent(), &daemon, "status", &[]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let first = format!(
        "The CodeDeploy host agent is running as PID {}",
        running.pid()
    );
    assert_eq!(stdout.lines().next(), Some(first.as_str()), "{stdout}");
    assert_eq!(output.status.code(), Some(0));
    // The lock is held, but nobody can tell by whom.
    fs_err::remove_file(daemon.host.path("pid/codedeploy-agent.pid")).unwrap();
    let output = run(&agent(), &daemon, "status", &[]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(said(&output).contains("does not tell"), "{output:?}");
    running.stop();
    let output = run(&agent(), &daemon, "status", &[]);
    assert_eq!(output.status.code(), Some(3));
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().mode() & 0o7777
}

/// What a shell with a umask of 077 starts: the daemon, in the background or not.
#[rstest]
#[case::in_the_background(true)]
#[case::in_the_foreground(false)]
fn modes_are_the_same_whatever_the_umask(#[case] background: bool) {
    let daemon = DaemonHost::default();
    let destination = daemon.host.destination().join("made");
    let bundle = daemon
        .host
        .bundle()
        .appspec(&format!(
            "files:\n- source: s.sh\n  destination: {}\nhooks:\n  AfterInstall:\n  - location: s.sh\n",
            destination.display()
        ))
        .script(
            "s.sh",
            &format!("stat -c %a {0}/*", daemon.host.root().join("ongoing-deployment").display()),
        );
    daemon.publish("b.zip", bundle.path());
    take_umask(0o077);
    let running = if background {
        let output = run(&agent(), &daemon, "start", &[("PATH", "/usr/bin:/bin")]);
        assert!(output.status.success(), "{output:?}");
        None
    } else {
        Some(daemon.start())
    };
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    match running {
        Some(mut running) => running.stop(),
        None => assert!(run(&agent(), &daemon, "stop", &[]).status.success()),
    }
    for (name, expected) in [
        ("log", 0o755),
        ("log/codedeploy-agent.log", 0o644),
        ("pid", 0o755),
        ("deployment-root", 0o755),
        ("deployment-root/ongoing-deployment", 0o755),
        ("deployment-root/group-1/d-1", 0o755),
        ("deployment-root/group-1/d-1/deployment-archive", 0o755),
        ("deployment-root/group-1/d-1/logs/scripts.log", 0o644),
    ] {
        let found = mode(&daemon.host.path(name));
        assert_eq!(found, expected, "{name} has {found:o}");
    }
    let scripts = daemon
        .host
        .path("deployment-root/group-1/d-1/logs/scripts.log");
    let tracked = fs_err::read_to_string(scripts).unwrap();
    assert!(tracked.contains("[stdout]644"), "{tracked}");
    // In the foreground it is for whoever starts it to say.
    let made = if background { 0o755 } else { 0o700 };
    assert_eq!(mode(&destination), made);
}

#[test]
fn directories_are_closed_on_request() {
    let daemon = DaemonHost::with_configuration(
        "restrict_agent_dir_permissions: true\nrestrict_log_dir_permissions: true",
    );
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", "true");
    daemon.publish("b.zip", bundle.path());
    // As an agent without the settings has left them.
    for name in [
        "log",
        "deployment-root",
        "deployment-root/ongoing-deployment",
    ] {
        let path = daemon.host.path(name);
        fs_err::create_dir_all(&path).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let log = daemon.host.path("log/codedeploy-agent.log");
    fs_err::write(&log, "").unwrap();
    fs_err::set_permissions(&log, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded
    );
    running.stop();
    for (name, expected) in [
        ("log", 0o750),
        ("log/codedeploy-agent.log", 0o640),
        ("pid", 0o700),
        ("deployment-root", 0o711),
        ("deployment-root/ongoing-deployment", 0o700),
        ("deployment-root/deployment-instructions", 0o700),
        ("deployment-root/group-1", 0o711),
        ("deployment-root/group-1/d-1", 0o711),
        ("deployment-root/group-1/d-1/logs", 0o750),
        ("deployment-root/group-1/d-1/logs/scripts.log", 0o640),
    ] {
        let found = mode(&daemon.host.path(name));
        assert_eq!(found, expected, "{name} has {found:o}");
    }
}
