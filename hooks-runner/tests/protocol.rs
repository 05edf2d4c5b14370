//! The run directory: lock states, adoption, versions, damage, and the program run by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Fixture, program, wait_for};
use fs_err as fs;
use hooks_runner::{LaunchError, Program, RunDirError, RunState, ScriptResult};
use nix::sys::signal::{self, kill};
use nix::unistd::Pid;

const WAITS: &str = "until [ -e \"$DIR/go\" ]; do sleep 0.02; done; echo went";

#[expect(
    clippy::disallowed_methods,
    reason = "runs the program as a person would"
)]
fn by_hand(fixture: &Fixture) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hooks-runner"));
    command
        .arg(fixture.run_dir())
        .stdin(Stdio::null())
        .env("DIR", fixture.directory.path());
    command
}

#[test]
fn a_directory_that_is_not_there_never_ran() {
    let fixture = Fixture::sh("");
    assert_eq!(fixture.state(), RunState::NeverRan);
    assert!(hooks_runner::adopt(&fixture.run_dir()).unwrap().is_none());
}

#[test]
fn a_request_without_a_runner_never_ran_and_can_be_launched() {
    let fixture = Fixture::sh("echo ran");
    let nothing = Program::new("/no/such/program");
    let error =
        hooks_runner::launch(&nothing, &fixture.run_dir(), &fixture.request, []).unwrap_err();
    assert!(matches!(error, LaunchError::Spawn { .. }), "{error}");
    assert!(fixture.path("run/request.json").exists());
    // A process that another test forks in the same moment has the lock until it execs.
    wait_for("the lock to be free", || {
        (fixture.state() == RunState::NeverRan).then_some(())
    });
    assert_eq!(fixture.run().result, ScriptResult::Succeeded);
    assert_eq!(fixture.stdout_entries(), ["ran"]);
}

#[test]
fn alive_while_it_runs_and_finished_afterwards() {
    let fixture = Fixture::sh(WAITS);
    let running = fixture.launch();
    let started = fixture.started();
    assert!(common::is_alive(Pid::from_raw(started.pid)));
    assert!(matches!(
        hooks_runner::launch(&program(), &fixture.run_dir(), &fixture.request, []),
        Err(LaunchError::RunDir(RunDirError::Held { .. }))
    ));
    fs::write(fixture.path("go"), "").unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!(fixture.state(), RunState::Finished(outcome));
    assert!(hooks_runner::adopt(&fixture.run_dir()).unwrap().is_none());
    assert!(matches!(
        hooks_runner::launch(&program(), &fixture.run_dir(), &fixture.request, []),
        Err(LaunchError::RunDir(RunDirError::AlreadyStarted { .. }))
    ));
}

#[test]
fn a_runner_of_somebody_else_is_adopted_and_waited_for() {
    let fixture = Fixture::sh(WAITS);
    let parent = fixture.launch();
    fixture.started();
    let adopted = hooks_runner::adopt(&fixture.run_dir()).unwrap().unwrap();
    let waiter = std::thread::spawn(move || adopted.wait().unwrap());
    assert!(!waiter.is_finished());
    fs::write(fixture.path("go"), "").unwrap();
    assert_eq!(waiter.join().unwrap().result, ScriptResult::Succeeded);
    parent.wait().unwrap();
}

#[test]
fn an_adopted_runner_is_interrupted_by_its_recorded_identity() {
    let fixture = Fixture::sh("sleep 60");
    let parent = fixture.launch();
    fixture.started();
    let adopted = hooks_runner::adopt(&fixture.run_dir()).unwrap().unwrap();
    let interrupter = adopted.interrupter();
    interrupter.interrupt().unwrap();
    assert_eq!(adopted.wait().unwrap().result, ScriptResult::Cancelled);
    parent.wait().unwrap();
    interrupter.interrupt().unwrap();
}

#[test]
fn an_adopted_runner_that_is_killed_leaves_no_outcome() {
    let fixture = Fixture::sh("echo $$ > \"$DIR/main\"; sleep 60").ends("main");
    let parent = fixture.launch();
    let adopted = hooks_runner::adopt(&fixture.run_dir()).unwrap().unwrap();
    fixture.pid("main");
    kill(Pid::from_raw(fixture.started().pid), signal::SIGKILL).unwrap();
    assert!(matches!(
        adopted.wait(),
        Err(LaunchError::NoOutcome { started: true, .. })
    ));
    assert!(parent.wait().is_err());
}

#[test]
fn a_request_of_another_version_is_refused_in_the_outcome() {
    let fixture = Fixture::sh("touch \"$DIR/ran\"");
    fs::create_dir(fixture.run_dir()).unwrap();
    fs::set_permissions(fixture.run_dir(), PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(
        fixture.path("run/request.json"),
        "{\"version\":99,\"content\":{}}",
    )
    .unwrap();
    let status = by_hand(&fixture).status().unwrap();
    assert!(status.success());
    match fixture.state() {
        RunState::Finished(outcome) => match outcome.result {
            ScriptResult::RunnerFailed { message } => {
                assert!(message.contains("99"), "{message}");
                assert!(message.contains("request.json"), "{message}");
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
    assert!(!fixture.path("ran").exists());
}

#[test]
fn by_hand_it_takes_the_lock_itself_or_is_refused() {
    let fixture = Fixture::sh(WAITS);
    let running = fixture.launch();
    fixture.started();
    let refused = by_hand(&fixture).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("another process holds"), "{text}");
    fs::write(fixture.path("go"), "").unwrap();
    running.wait().unwrap();
    for name in ["started", "outcome.json"] {
        let refused = by_hand(&fixture).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(text.contains("started before"), "{text}");
        fs::remove_file(fixture.path("run").join(name)).unwrap();
    }
    assert!(by_hand(&fixture).status().unwrap().success());
    assert_eq!(fixture.stdout_entries(), ["went", "went"]);
}

#[test]
fn bad_usage_is_exit_2_and_a_bad_directory_exit_1() {
    let fixture = Fixture::sh("");
    assert_eq!(
        by_hand(&fixture)
            .arg("more")
            .output()
            .unwrap()
            .status
            .code(),
        Some(2)
    );
    assert_eq!(by_hand(&fixture).output().unwrap().status.code(), Some(1));
    fs::create_dir(fixture.run_dir()).unwrap();
    fs::set_permissions(fixture.run_dir(), PermissionsExt::from_mode(0o777)).unwrap();
    let refused = by_hand(&fixture).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not safe"));
}

fn launched_with(program: &Program, fixture: &Fixture) -> ScriptResult {
    let environment = fixture.environment.clone();
    let running =
        hooks_runner::launch(program, &fixture.run_dir(), &fixture.request, environment).unwrap();
    running.wait().unwrap().result
}

#[test]
fn a_program_that_is_replaced_or_deleted_stays_the_one_that_was_opened() {
    type Change = fn(&Path);
    let changes: [Change; 4] = [
        // As packages do it: another program is renamed over it.
        |installed| {
            let new = installed.with_extension("new");
            fs::copy("/bin/false", &new).unwrap();
            fs::rename(new, installed).unwrap();
        },
        |installed| {
            fs::remove_file(installed).unwrap();
            fs::write(installed, "not a program").unwrap();
        },
        |installed| fs::remove_file(installed).unwrap(),
        |installed| {
            let directory = installed.parent().unwrap();
            fs::rename(directory, directory.with_extension("old")).unwrap();
        },
    ];
    for change in changes {
        let fixture = Fixture::sh("echo ran");
        fs::create_dir(fixture.path("bin")).unwrap();
        let installed = fixture.path("bin/hooks-runner");
        common::copy_program(env!("CARGO_BIN_EXE_hooks-runner"), &installed);
        let program = Program::new(&installed);
        change(&installed);
        assert_eq!(launched_with(&program, &fixture), ScriptResult::Succeeded);
        assert_eq!(fixture.stdout_entries(), ["ran"]);
    }
}

#[test]
fn a_runner_at_work_does_not_mind_that_its_program_is_replaced() {
    let fixture = Fixture::sh(WAITS);
    let installed = fixture.path("hooks-runner");
    common::copy_program(env!("CARGO_BIN_EXE_hooks-runner"), &installed);
    let running = hooks_runner::launch(
        &Program::new(&installed),
        &fixture.run_dir(),
        &fixture.request,
        fixture.environment.clone(),
    )
    .unwrap();
    fixture.started();
    fs::copy("/bin/false", fixture.path("new")).unwrap();
    fs::rename(fixture.path("new"), &installed).unwrap();
    fs::write(fixture.path("go"), "").unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::Succeeded);
}

/// An executable of `body` as the runner.
fn instead(fixture: &Fixture, body: &str) -> Program {
    let path = fixture.path("instead");
    fs::write(fixture.path("written"), format!("#!/bin/sh\n{body}\n")).unwrap();
    // By another process, see there.
    common::copy_program(fixture.path("written"), &path);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    Program::new(path)
}

#[test]
fn a_program_that_the_kernel_starts_by_an_interpreter_is_found_by_it() {
    let fixture = Fixture::sh("echo ran");
    let runner = env!("CARGO_BIN_EXE_hooks-runner");
    let program = instead(&fixture, &format!("exec '{runner}' \"$@\""));
    assert_eq!(launched_with(&program, &fixture), ScriptResult::Succeeded);
    assert_eq!(fixture.stdout_entries(), ["ran"]);
}

fn fails_to_begin(program: &Program, fixture: &Fixture) -> String {
    let environment = fixture.environment.clone();
    let running =
        hooks_runner::launch(program, &fixture.run_dir(), &fixture.request, environment).unwrap();
    let error = running.wait().unwrap_err();
    assert!(
        matches!(&error, LaunchError::NoOutcome { started: false, .. }),
        "{error}"
    );
    error.to_string()
}

#[test]
fn why_a_runner_left_no_outcome_is_in_the_error() {
    let fixture = Fixture::sh("touch \"$DIR/ran\"").ends("holder");
    let unwritable = fixture.path("run/.outcome.json.tmp");
    fs::create_dir(fixture.run_dir()).unwrap();
    fs::set_permissions(fixture.run_dir(), PermissionsExt::from_mode(0o700)).unwrap();
    fs::create_dir(&unwritable).unwrap();
    let text = fails_to_begin(&program(), &fixture);
    let reason = format!(
        "(exit code 1: cannot write {}: ",
        fixture.path("run/outcome.json").display()
    );
    assert!(
        text.contains(&reason) && text.contains("never started"),
        "{text}"
    );
    fs::remove_dir(unwritable).unwrap();

    // As the loader says it, and with somebody who holds the pipe open.
    let body =
        "printf 'libx.so:\\n not found\\n' >&2; sleep 60 & echo $! > \"$DIR/holder\"; exit 127";
    let text = fails_to_begin(&instead(&fixture, body), &fixture);
    assert!(
        text.contains("(exit code 127: libx.so:  not found)"),
        "{text}"
    );
    assert!(common::is_alive(fixture.pid("holder")), "it was waited for");
    let text = fails_to_begin(&instead(&fixture, "kill -9 $$"), &fixture);
    assert!(text.contains("(killed by signal 9)"), "{text}");
    assert!(!fixture.path("ran").exists());
}

/// Cut at each length, and each byte changed.
fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    let changed = (0..bytes.len()).map(|place| {
        let mut changed = bytes.to_vec();
        changed[place] ^= 1 << (place % 8);
        changed
    });
    cut.chain(changed).collect()
}

fn cannot_be_launched(fixture: &Fixture) {
    let again = hooks_runner::launch(&program(), &fixture.run_dir(), &fixture.request, []);
    assert!(
        matches!(
            again,
            Err(LaunchError::RunDir(RunDirError::AlreadyStarted { .. }))
        ),
        "a script is never started twice"
    );
}

#[test]
fn a_damaged_outcome_is_an_error_that_names_it_and_starts_nothing() {
    let fixture = Fixture::sh("exit 0");
    fixture.run();
    let path = fixture.path("run/outcome.json");
    for bytes in damaged(&fs::read(&path).unwrap()) {
        fs::write(&path, &bytes).unwrap();
        let error = hooks_runner::inspect(&fixture.run_dir()).unwrap_err();
        assert!(error.to_string().contains("outcome.json"), "{error}");
        cannot_be_launched(&fixture);
        assert_eq!(by_hand(&fixture).output().unwrap().status.code(), Some(1));
    }
    assert_eq!(fixture.entries().len(), 1, "the preamble of the only run");
}

#[test]
fn a_damaged_start_is_still_a_start() {
    let fixture = Fixture::sh("exit 0");
    fixture.run();
    fs::remove_file(fixture.path("run/outcome.json")).unwrap();
    let path = fixture.path("run/started");
    for bytes in damaged(&fs::read(&path).unwrap()) {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(fixture.state(), RunState::Unknown);
        hooks_runner::sweep(&fixture.run_dir()).unwrap_err();
        cannot_be_launched(&fixture);
        assert_eq!(by_hand(&fixture).output().unwrap().status.code(), Some(1));
    }
    assert_eq!(fixture.entries().len(), 1, "the preamble of the only run");
}

#[test]
fn a_runner_is_alive_whatever_became_of_its_start() {
    let fixture = Fixture::sh(WAITS);
    let running = fixture.launch();
    fixture.started();
    fs::write(fixture.path("run/started"), "torn").unwrap();
    assert_eq!(fixture.state(), RunState::Alive(None));
    fs::write(fixture.path("go"), "").unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::Succeeded);
}

#[test]
fn a_damaged_request_runs_nothing_and_the_outcome_says_so() {
    let fixture = Fixture::sh("echo x >> \"$DIR/ran\"");
    let nothing = Program::new("/no/such/program");
    hooks_runner::launch(&nothing, &fixture.run_dir(), &fixture.request, []).unwrap_err();
    let path = fixture.path("run/request.json");
    let bytes = fs::read(&path).unwrap();
    // One process each: a part of them will do, decoding has a test of all.
    for bytes in damaged(&bytes).into_iter().step_by(7) {
        fs::write(&path, bytes).unwrap();
        assert!(by_hand(&fixture).status().unwrap().success());
        match fixture.state() {
            RunState::Finished(outcome) => match outcome.result {
                ScriptResult::RunnerFailed { message } => {
                    assert!(message.contains("request.json"), "{message}");
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
        assert!(!fixture.path("run/started").exists());
        fs::remove_file(fixture.path("run/outcome.json")).unwrap();
    }
    assert!(!fixture.path("ran").exists());
}

#[test]
fn the_previous_format_is_refused_by_number_and_never_run_again() {
    let fixture = Fixture::sh("exit 0");
    fixture.run();
    let path = fixture.path("run/outcome.json");
    let text = fs::read_to_string(&path).unwrap();
    for version in ["0", "2"] {
        let other = text.replacen("\"version\":1", &format!("\"version\":{version}"), 1);
        fs::write(&path, other).unwrap();
        match hooks_runner::inspect(&fixture.run_dir()).unwrap_err() {
            LaunchError::RunDir(RunDirError::Format { source, .. }) => {
                let expected = format!("version {version}");
                assert!(source.to_string().contains(&expected), "{source}");
            }
            other => panic!("{other:?}"),
        }
        cannot_be_launched(&fixture);
    }
}

#[test]
fn an_agent_that_is_gone_does_not_disturb_its_runner() {
    let fixture = Fixture::sh(WAITS);
    drop(fixture.launch());
    let started = fixture.started();
    fs::write(fixture.path("go"), "").unwrap();
    wait_for("the outcome", || match fixture.state() {
        RunState::Finished(outcome) => Some(outcome),
        _ => None,
    });
    assert!(started.pid > 0);
    assert!(!started.boot_id.is_empty());
}
