//! The program by itself: the names that it answers to, and its general options.
//!
//! That this file exists also makes `cargo test` build the program, which the integration tests
//! of the workspace then run.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    // What is shown of its usage can be typed.
    let usage = "Usage: codedeploy-local [OPTIONS]\n";
    assert!(text(&help.stdout).contains(usage), "{help:?}");
    let refused = run(&link, &["run-bundle", "-l", "x"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains(usage), "{refused:?}");
    for option in ["-v", "--version"] {
        assert_eq!(
            text(&run(&link, &[option]).stdout),
            format!("codedeploy-local {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
    for option in ["-c", "--config_file"] {
        let absent = run(&link, &[option, "/nonexistent/file"]);
        assert_eq!(absent.status.code(), Some(78), "{absent:?}");
    }
    let both = run(
        &link,
        &["-c", "/nonexistent/one", "--config", "/nonexistent/other"],
    );
    assert_eq!(both.status.code(), Some(2), "{both:?}");
    assert!(text(&both.stderr).contains("leave one out"), "{both:?}");
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

/// Where standard output leads.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reader {
    Attentive,
    Gone,
    FullDisk,
}

fn read_by(reader: Reader, arguments: &[&str], configuration: &str) -> Output {
    let full = || Stdio::from(fs_err::File::create("/dev/full").unwrap().into_file());
    let stdout = match reader {
        Reader::Attentive => Stdio::piped(),
        Reader::Gone => Stdio::from(std::io::pipe().unwrap().1),
        Reader::FullDisk => full(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the program under test"
    )]
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command
        .args(["--config", configuration])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .stdin(Stdio::null())
        .stdout(stdout);
    let output = command.output().unwrap();
    // The same where nobody can be told anything.
    let silent = command.stdout(full()).stderr(full()).status().unwrap();
    let expected = output.status.code().map(|code| unwritten(arguments, code));
    assert_eq!(silent.code(), expected, "{arguments:?}");
    output
}

/// The exit status for what would end with `status`, where standard output cannot be written.
fn unwritten(arguments: &[&str], status: i32) -> i32 {
    if status == 0 && arguments[0] != "run-bundle" {
        1
    } else {
        status
    }
}

/// A reader that has gone changes nothing; what could not be written ends a success as a failure, but
/// that of a deployment.
#[test]
fn standard_output_that_cannot_be_written_ends_no_command_half_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (configuration, bundle, identity) = (path("agent.yml"), path("bundle"), path("identity"));
    let lines = format!(
        "root_dir: {0}/root\nlog_dir: {0}/log\npid_dir: {0}/pid\n\
         on_premises_config_file: {0}/none\nmax_revisions: 3\n",
        directory.path().display()
    );
    fs_err::write(&configuration, lines).unwrap();
    fs_err::create_dir(&bundle).unwrap();
    fs_err::write(
        path("bundle/appspec.yml"),
        "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: hook\n",
    )
    .unwrap();
    fs_err::write(path("bundle/hook"), "#!/bin/sh\nseq 100\n").unwrap();
    let user = "arn:aws:iam::111122223333:user/host";
    let register = [
        "register",
        "--no-check",
        "--region=eu-west-1",
        "--iam-user-arn",
        user,
        "--file",
        &identity,
    ];
    for (arguments, status) in [
        (&["run-bundle", "-l", &bundle][..], 0),
        (&["run-bundle", "--output=json", "-l", &bundle], 0),
        (&["plan", "-l", &bundle], 0),
        (&["rollback", "--dry-run"], 0),
        (&["status"], 3),
        (&["status", "--output=json"], 3),
        (&["stop"], 0),
        (&["deployments"], 0),
        (&["deployments", "--output=human"], 0),
        (&["metrics"], 0),
        (&["config", "check"], 0),
        (&["config", "show"], 0),
        (&["config", "show", "--output=json"], 0),
        (&["doctor"], 1),
        (&["doctor", "--output=json"], 1),
        (&register, 0),
        (&["deregister", "--force", "--file", &identity], 0),
        (&["clean"], 0),
        (&["clean", "--dry-run", "--output=json"], 0),
        (&["validate", &bundle], 0),
        (&["explain"], 0),
        (&["schema"], 0),
    ] {
        for reader in [Reader::Attentive, Reader::Gone, Reader::FullDisk] {
            let output = read_by(reader, arguments, &configuration);
            let is_full = reader == Reader::FullDisk;
            let expected = if is_full {
                unwritten(arguments, status)
            } else {
                status
            };
            let what = format!("{reader:?} {arguments:?}: {output:?}");
            assert_eq!(output.status.code(), Some(expected), "{what}");
            let said = text(&output.stderr);
            let complaint = "error: cannot write to standard output: No space left on device";
            assert_eq!(said.contains(complaint), is_full, "{what}");
            assert!(!said.contains("panicked"), "{what}");
        }
    }
}
