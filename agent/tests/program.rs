//! The program by itself: the names that it answers to, and its general options.
//!
//! That this file exists also makes `cargo test` build the program, which the integration tests
//! of the workspace then run.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

use std::path::Path;
use std::process::{Command, Output};

fn run(program: &Path, arguments: &[&str]) -> Output {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the program under test"
    )]
    Command::new(program)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn agent(arguments: &[&str]) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_agent")), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_succeed_and_go_to_standard_output() {
    let help = agent(&["--help"]);
    assert!(help.status.success());
    assert!(text(&help.stdout).contains("run-bundle"));
    let version = agent(&["--version"]);
    assert_eq!(
        text(&version.stdout),
        format!("agent {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn bad_usage_is_exit_status_2_on_standard_error() {
    for arguments in [&["frobnicate"][..], &["--frobnicate"], &[]] {
        let output = agent(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert!(text(&output.stderr).contains("Usage"), "{arguments:?}");
    }
}

#[test]
fn called_as_codedeploy_local_it_is_run_bundle() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("codedeploy-local");
    fs_err::os::unix::fs::symlink(env!("CARGO_BIN_EXE_agent"), &link).unwrap();
    let help = run(&link, &["-h"]);
    assert!(help.status.success());
    assert!(text(&help.stdout).contains("--bundle-location"));
    let version = run(&link, &["-v"]);
    assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn called_as_hooks_runner_it_is_the_runner() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("hooks-runner");
    fs_err::os::unix::fs::symlink(env!("CARGO_BIN_EXE_agent"), &link).unwrap();
    // Without a run directory there is nothing to run.
    assert!(!run(&link, &[]).status.success());
}

/// `cargo run -p agent` alone does not build the runner: the agent is then its own.
#[test]
fn alone_it_runs_hooks_through_itself() {
    let directory = tempfile::tempdir().unwrap();
    let alone = directory.path().join("agent");
    fs_err::copy(env!("CARGO_BIN_EXE_agent"), &alone).unwrap();
    let bundle = directory.path().join("bundle");
    fs_err::create_dir(&bundle).unwrap();
    let appspec = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: hook\n";
    fs_err::write(bundle.join("appspec.yml"), appspec).unwrap();
    fs_err::write(bundle.join("hook"), "echo by itself\n").unwrap();
    let configuration = directory.path().join("agent.yml");
    let lines = format!(
        "root_dir: {0}/root\nlog_dir: {0}/log\n",
        directory.path().display()
    );
    fs_err::write(&configuration, lines).unwrap();
    let paths = [&bundle, &configuration].map(|path| path.to_str().unwrap().to_owned());
    let output = run(&alone, &["run-bundle", "-l", &paths[0], "-c", &paths[1]]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("by itself"), "{shown}");
}
