//! Every result that a script can come to, through the real program.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Fixture, HEADLESS, exists, is_alive, wait_for};
use fs_err as fs;
use hooks_runner::{
    LaunchError, Outcome, OutputsLeftOpen, Request, RunState, ScriptResult, Signal, Stream,
};
use nix::sys::signal::{self, kill};
use nix::unistd::Pid;

fn reason(outcome: &Outcome) -> &str {
    match &outcome.result {
        ScriptResult::CouldNotStart { reason } | ScriptResult::NotExecutable { reason } => reason,
        other => panic!("it started: {other:?}"),
    }
}

#[test]
fn succeeded_with_output_in_order_in_logs_and_tail() {
    let fixture = Fixture::sh("echo out; echo err >&2; printf last");
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    let mut entries = outcome.tail.clone();
    assert_eq!(entries.remove(0), "LifecycleEvent - AfterInstall\n");
    entries.sort();
    assert_eq!(
        entries,
        ["[stderr]err\n", "[stdout]last\n", "[stdout]out\n"]
    );
    let logged: Vec<String> = outcome
        .tail
        .iter()
        .map(|e| e.trim_end().to_owned())
        .collect();
    assert_eq!(fixture.entries(), logged);
    let all = fs::read_to_string(fixture.path("all/deployments.log")).unwrap();
    let line = all.lines().last().unwrap();
    assert!(
        line.starts_with('[') && line.get(24..34) == Some("] [d-TEST]"),
        "{line}"
    );
    assert_eq!(fixture.state(), RunState::Finished(outcome));
    let mode = |path: &str| {
        fs::metadata(fixture.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("run"), 0o700);
    assert_eq!(mode("run/request.json"), 0o600);
    assert_eq!(mode("run/outcome.json"), 0o600);
    assert_eq!(mode("logs"), 0o755);
    assert_eq!(mode("logs/scripts.log"), 0o644);
}

#[test]
fn restricted_logs_are_not_for_others() {
    let mut fixture = Fixture::sh("exit 0");
    fixture.request.restrict_log_permissions = true;
    fixture.run();
    let mode = |path: &str| {
        fs::metadata(fixture.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("logs"), 0o750);
    assert_eq!(mode("logs/scripts.log"), 0o640);
    assert_eq!(mode("all/deployments.log"), 0o640);
}

#[test]
fn failed_with_its_exit_code() {
    let outcome = Fixture::sh("exit 77").run();
    assert_eq!(outcome.result, ScriptResult::Failed { exit_code: 77 });
}

#[test]
fn missing() {
    let mut fixture = Fixture::sh("");
    fixture.request.script = fixture.path("nothing here");
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Missing);
    assert_eq!(outcome.tail, ["LifecycleEvent - AfterInstall\n"]);
    assert!(!fixture.path("run/started").exists());
}

#[test]
fn a_directory_could_not_be_started() {
    let mut fixture = Fixture::sh("");
    fixture.request.script = fixture.path("");
    assert!(reason(&fixture.run()).contains("directory"));
}

#[test]
fn not_executable_is_made_executable_with_a_warning() {
    let fixture = Fixture::sh("echo ran");
    let script = &fixture.request.script;
    fs::set_permissions(script, PermissionsExt::from_mode(0o640)).unwrap();
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert!(outcome.warnings[0].contains("not executable"));
    assert_eq!(
        fs::metadata(script).unwrap().permissions().mode() & 0o777,
        0o751
    );
}

#[test]
fn not_executable_and_not_ours_to_change() {
    // Nobody, not even root, can change modes under /proc.
    let mut fixture = Fixture::sh("");
    fixture.request.script = "/proc/1/status".into();
    let outcome = fixture.run();
    assert!(
        matches!(outcome.result, ScriptResult::NotExecutable { .. }),
        "{outcome:?}"
    );
}

#[test]
fn a_carriage_return_in_line_1_is_explained() {
    let outcome = Fixture::new("#!/bin/sh\r\necho x\r\n").run();
    assert!(
        reason(&outcome).contains("line 1 ends in CR"),
        "{outcome:?}"
    );
}

#[test]
fn a_carriage_return_behind_env_is_a_warning() {
    let outcome = Fixture::new("#!/usr/bin/env sh\r\necho x\r\n").run();
    assert_eq!(outcome.result, ScriptResult::Failed { exit_code: 127 });
    assert!(outcome.warnings[0].contains("ends in CR"), "{outcome:?}");
}

#[test]
fn a_missing_interpreter_is_named() {
    let outcome = Fixture::new("#!/no/such/python3 -u\n").run();
    assert!(reason(&outcome).contains("/no/such/python3"), "{outcome:?}");
}

#[test]
fn an_interpreter_that_cannot_be_executed_is_a_reason() {
    let outcome = Fixture::new("#!/etc/passwd\n").run();
    assert!(
        matches!(outcome.result, ScriptResult::CouldNotStart { .. }),
        "{outcome:?}"
    );
}

#[test]
fn without_a_shebang_the_shell_runs_it() {
    let fixture = Fixture::new("echo \"$0\"\nexit 3\n");
    assert_eq!(fixture.run().result, ScriptResult::Failed { exit_code: 3 });
    assert_eq!(
        fixture.stdout_entries(),
        [fixture.request.script.to_str().unwrap()]
    );
}

#[test]
fn a_program_for_another_machine_is_not_given_to_the_shell() {
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(200, 0xee);
    assert!(reason(&Fixture::new(elf).run()).contains("another kind of machine"));
}

#[test]
fn a_binary_runs() {
    let mut fixture = Fixture::sh("");
    fixture.request.script = "/bin/true".into();
    assert_eq!(fixture.run().result, ScriptResult::Succeeded);
}

#[test]
fn a_script_that_somebody_is_still_writing_is_tried_again() {
    let fixture = Fixture::sh("echo ran");
    let script = fixture.request.script.clone();
    // As another thread's fork does for a moment.
    let writer = fs::OpenOptions::new().append(true).open(script).unwrap();
    let running = fixture.launch();
    fixture.started();
    drop(writer);
    assert_eq!(running.wait().unwrap().result, ScriptResult::Succeeded);
}

#[test]
fn killed_by_a_signal_that_is_named() {
    for (name, number) in [("KILL", 9), ("SEGV", 11), ("TERM", 15)] {
        let outcome = Fixture::sh(&format!("kill -{name} $$")).run();
        let signal = Signal {
            name: format!("SIG{name}"),
            number,
        };
        assert_eq!(outcome.result, ScriptResult::Killed { signal });
    }
}

#[test]
fn an_unknown_user_is_named() {
    let mut fixture = Fixture::sh("");
    fixture.request.runas = Some("no-such-user".to_owned());
    let outcome = fixture.run();
    let reason = reason(&outcome);
    assert!(
        reason.contains("no-such-user") && reason.contains("does not exist"),
        "{reason}"
    );
}

#[test]
fn timed_out_with_a_polite_script() {
    let mut fixture =
        Fixture::sh("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done");
    fixture.request.timeout_seconds = 1;
    let begin = Instant::now();
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::TimedOut { seconds: 1 });
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "the grace is not sat out"
    );
    assert!(outcome.duration_ms >= 1000);
    assert_eq!(fixture.stdout_entries(), ["up", "bye"]);
}

#[test]
fn nothing_of_a_timed_out_hook_survives() {
    // Ignoring TERM, in another session, and forked twice in another session.
    let mut fixture = Fixture::sh(
        r#"trap '' TERM
        stay='echo $$ > "$DIR/$0"; while :; do sleep 1; done'
        sh -c "$stay" child &
        setsid sh -c "$stay" session &
        (setsid sh -c "$stay" orphan & ) &
        echo $$ > "$DIR/main"
        while :; do sleep 1; done"#,
    )
    .ends("child")
    .ends("session")
    .ends("orphan")
    .ends("main");
    fixture.request.timeout_seconds = 1;
    let running = fixture.launch();
    let pids = ["child", "session", "orphan", "main"].map(|name| fixture.pid(name));
    let outcome = running.wait().unwrap();
    assert_eq!(outcome.result, ScriptResult::TimedOut { seconds: 1 });
    assert!(
        outcome.duration_ms >= 11_000,
        "TERM, then 10 s: {}",
        outcome.duration_ms
    );
    assert!(outcome.duration_ms < 16_000, "{}", outcome.duration_ms);
    for pid in pids {
        assert!(!is_alive(pid), "{pid} has survived");
    }
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
}

const DAEMON: &str = r#"setsid sh -c 'echo $$ > "$DIR/daemon"
    while [ ! -e "$DIR/speak" ]; do sleep 0.05; done
    echo "still here" || exit 1
    echo "and on stderr" >&2 || exit 1
    : > "$DIR/spoken"
    while [ ! -e "$DIR/stop" ]; do sleep 0.05; done
    printf unfinished' &
    until [ -s "$DIR/daemon" ]; do sleep 0.02; done
    echo started"#;

/// Another process of this test: starts a daemon without a main thread.
#[test]
fn headless() {
    common::start_headless();
}

/// Waits for the outcome, which no process of the script may hold up.
fn outcome_of(running: hooks_runner::Running) -> Outcome {
    let waiter = std::thread::spawn(move || running.wait().unwrap());
    wait_for("the outcome", || waiter.is_finished().then_some(()));
    waiter.join().unwrap()
}

#[test]
fn a_daemon_whose_main_thread_has_ended_holds_up_no_timeout_and_does_not_survive_it() {
    let mut fixture = Fixture::sh(&format!("{HEADLESS}; sleep 60")).headless();
    fixture.request.timeout_seconds = 1;
    let running = fixture.launch();
    let daemon = fixture.pid("headless");
    let outcome = outcome_of(running);
    assert_eq!(outcome.result, ScriptResult::TimedOut { seconds: 1 });
    assert_eq!(outcome.warnings, Vec::<String>::new());
    assert!(!is_alive(daemon));
}

#[test]
fn a_daemon_whose_main_thread_has_ended_is_named_when_it_holds_output() {
    let holding = HEADLESS.replace("> /dev/null 2>&1", "");
    let fixture = Fixture::sh(&holding).headless();
    let running = fixture.launch();
    let daemon = fixture.pid("headless");
    wait_for("the warning", || {
        fixture.scripts_log().contains("[warning]").then_some(())
    });
    assert!(
        fixture.scripts_log().contains(&format!("pid {daemon}")),
        "{}",
        fixture.scripts_log()
    );
    kill(daemon, signal::SIGKILL).unwrap();
    assert_eq!(outcome_of(running).result, ScriptResult::Succeeded);
}

/// The daemon lives, prints on, and what it prints reaches the log.
fn daemon_lives_on(fixture: &Fixture, expected: &[&str]) {
    let daemon = fixture.pid("daemon");
    assert!(is_alive(daemon));
    fs::write(fixture.path("speak"), "").unwrap();
    wait_for("the daemon's words", || exists(&fixture.path("spoken")));
    wait_for("the log", || {
        fixture
            .scripts_log()
            .contains("[stdout]still here")
            .then_some(())
    });
    assert!(is_alive(daemon), "no SIGPIPE");
    fs::write(fixture.path("stop"), "").unwrap();
    wait_for("the end of the log", || {
        fixture
            .scripts_log()
            .contains("[stdout]unfinished\n")
            .then_some(())
    });
    assert_eq!(fixture.stdout_entries(), expected);
}

#[test]
fn output_left_open_until_the_timeout() {
    let mut fixture = Fixture::sh(DAEMON).ends("daemon");
    fixture.request.timeout_seconds = 4;
    let running = fixture.launch();
    let daemon = fixture.pid("daemon");
    wait_for("the warning", || {
        fixture.scripts_log().contains("[warning]").then_some(())
    });
    let warning = fixture.entries().pop().unwrap();
    assert!(warning.contains(&format!("pid {daemon} (sh)")), "{warning}");
    assert!(warning.contains("stdout and stderr"), "{warning}");
    assert!(
        matches!(fixture.state(), RunState::Alive(Some(_))),
        "the warning comes at once"
    );
    let outcome = running.wait().unwrap();
    match &outcome.result {
        ScriptResult::OutputLeftOpen {
            seconds,
            streams,
            holders,
            ..
        } => {
            assert_eq!(*seconds, 4);
            assert_eq!(*streams, [Stream::Stdout, Stream::Stderr]);
            assert!(holders.iter().any(|holder| holder.pid == daemon.as_raw()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(outcome.tail.last().unwrap(), "[stdout]started\n");
    assert!(matches!(fixture.state(), RunState::Finished(_)));
    // The lock is free although the output is still read.
    assert!(
        fs::File::open(fixture.path("run/lock"))
            .unwrap()
            .into_file()
            .try_lock()
            .is_ok()
    );
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn output_left_open_and_released() {
    let mut fixture = Fixture::sh(DAEMON).ends("daemon");
    fixture.request.outputs_left_open = OutputsLeftOpen::Release;
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert!(
        (10_000..14_000).contains(&outcome.duration_ms),
        "{}",
        outcome.duration_ms
    );
    assert!(
        outcome.warnings[0].contains("held open"),
        "{:?}",
        outcome.warnings
    );
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn with_release_a_timeout_that_comes_first_is_success_too() {
    let mut fixture = Fixture::sh(DAEMON).ends("daemon");
    fixture.request.outputs_left_open = OutputsLeftOpen::Release;
    fixture.request.timeout_seconds = 3;
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert!(outcome.duration_ms < 9_000, "{}", outcome.duration_ms);
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn with_release_output_that_closes_is_not_waited_for_any_longer() {
    let mut fixture = Fixture::sh("(sleep 0.3; echo late) &");
    fixture.request.outputs_left_open = OutputsLeftOpen::Release;
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert!(outcome.duration_ms < 9_000, "{}", outcome.duration_ms);
    assert_eq!(fixture.stdout_entries(), ["late"]);
    assert_eq!(outcome.warnings, Vec::<String>::new());
}

#[test]
fn with_wait_output_that_closes_after_the_warning_is_success() {
    let fixture =
        Fixture::sh("(until [ -e \"$DIR/go\" ]; do sleep 0.02; done; echo late; echo later >&2) &");
    let running = fixture.launch();
    wait_for("the warning", || {
        fixture
            .path("logs/scripts.log")
            .exists()
            .then(|| fixture.scripts_log().contains("[warning]"))?
            .then_some(())
    });
    fs::write(fixture.path("go"), "").unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    assert_eq!(outcome.tail.last().unwrap(), "[stderr]later\n");
}

#[test]
fn what_a_hook_that_ended_well_has_started_lives_on_in_whatever_session() {
    let stay = "echo $$ > \"$DIR/$0\"; while :; do sleep 0.1; done";
    let fixture = Fixture::sh(&format!(
        "sh -c '{stay}' plain > /dev/null 2>&1 &
        nohup sh -c '{stay}' nohup > /dev/null 2>&1 &
        setsid sh -c '{stay}' session > /dev/null 2>&1 &
        for name in plain nohup session; do
            until [ -s \"$DIR/$name\" ]; do sleep 0.02; done
        done"
    ))
    .ends("plain")
    .ends("nohup")
    .ends("session");
    let running = fixture.launch();
    let runner = Pid::from_raw(fixture.started().pid);
    assert_eq!(running.wait().unwrap().result, ScriptResult::Succeeded);
    assert!(!is_alive(runner));
    for name in ["plain", "nohup", "session"] {
        assert!(is_alive(fixture.pid(name)), "{name}");
    }
}

/// Another process of this test, to be killed: launches the request in `LAUNCH` as an agent does.
#[test]
fn launcher() {
    if let Ok(request) = std::env::var("LAUNCH") {
        let request: Request = serde_json::from_str(&request).unwrap();
        let run_dir = std::env::var_os("RUN_DIR").unwrap();
        let running = hooks_runner::launch(
            &common::program(),
            Path::new(&run_dir),
            &request,
            std::env::vars_os(),
        );
        let _ = running.unwrap().wait();
    }
}

#[test]
fn what_is_printed_is_read_when_the_agent_was_killed_and_the_runner_has_ended() {
    let mut fixture = Fixture::sh(DAEMON).ends("daemon");
    fixture.request.outputs_left_open = OutputsLeftOpen::Release;
    fixture.request.timeout_seconds = 3;
    #[expect(clippy::disallowed_methods, reason = "another agent")]
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "launcher"])
        .env("LAUNCH", serde_json::to_string(&fixture.request).unwrap())
        .env("RUN_DIR", fixture.run_dir())
        .env("DIR", fixture.directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    fixture.pid("daemon");
    agent.kill().unwrap();
    agent.wait().unwrap();
    let runner = Pid::from_raw(fixture.started().pid);
    let adopted = hooks_runner::adopt(&fixture.run_dir()).unwrap().unwrap();
    assert_eq!(adopted.wait().unwrap().result, ScriptResult::Succeeded);
    wait_for("the runner's end", || (!is_alive(runner)).then_some(()));
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn output_that_closes_in_time_is_success() {
    let fixture = Fixture::sh("(sleep 0.5; echo late) &");
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(fixture.stdout_entries(), ["late"]);
}

#[test]
fn a_failed_script_leaves_its_daemon_alone_and_is_reported_at_once() {
    let fixture = Fixture::sh(&format!("{DAEMON}; exit 4")).ends("daemon");
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Failed { exit_code: 4 });
    assert!(outcome.duration_ms < 5_000, "{}", outcome.duration_ms);
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn sigterm_is_a_shutdown_of_the_host() {
    let fixture = Fixture::sh("echo $$ > \"$DIR/main\"; sleep 60 & wait").ends("main");
    let running = fixture.launch();
    let started = fixture.started();
    let main = fixture.pid("main");
    assert_eq!(main.as_raw(), started.script_pid);
    kill(Pid::from_raw(started.pid), signal::SIGTERM).unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::HostShutdown);
    assert!(!is_alive(main));
}

#[test]
fn a_script_that_is_ended_with_us_is_not_blamed() {
    // As a service manager does it: everybody at once, the script first.
    for (name, exit) in [
        ("TERM", ""),
        ("KILL", ""),
        ("TERM", "trap 'exit 143' TERM;"),
    ] {
        let fixture = Fixture::sh(&format!(
            "{exit} echo $$ > \"$DIR/main\"; while :; do sleep 0.02; done"
        ))
        .ends("main");
        let running = fixture.launch();
        let main = fixture.pid("main");
        let runner = Pid::from_raw(fixture.started().pid);
        kill(
            main,
            format!("SIG{name}").parse::<signal::Signal>().unwrap(),
        )
        .unwrap();
        wait_for("the script's end", || (!is_alive(main)).then_some(()));
        kill(runner, signal::SIGTERM).unwrap();
        assert_eq!(running.wait().unwrap().result, ScriptResult::HostShutdown);
    }
}

#[test]
fn sigint_cancels_with_everything_the_hook_has_started() {
    let fixture =
        Fixture::sh("echo on; (sleep 60 & echo $! > \"$DIR/child\"); sleep 60").ends("child");
    let running = fixture.launch();
    let child = fixture.pid("child");
    let interrupter = running.interrupter();
    interrupter.interrupt().unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!(outcome.result, ScriptResult::Cancelled);
    assert!(!is_alive(child));
    assert_eq!(fixture.stdout_entries(), ["on"]);
    // The runner has gone: nobody else is signalled.
    interrupter.interrupt().unwrap();
}

#[test]
fn a_second_sigint_does_not_wait_for_the_grace() {
    let fixture =
        Fixture::sh("trap '' TERM INT; echo $$ > \"$DIR/main\"; while :; do sleep 0.1; done")
            .ends("main");
    let running = fixture.launch();
    let main = fixture.pid("main");
    let interrupter = running.interrupter();
    let begin = Instant::now();
    interrupter.interrupt().unwrap();
    let waiter = std::thread::spawn(move || running.wait().unwrap());
    while !waiter.is_finished() {
        interrupter.interrupt().unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(waiter.join().unwrap().result, ScriptResult::Cancelled);
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(!is_alive(main));
}

#[test]
fn an_interrupt_before_the_start_is_not_lost() {
    let fixture = Fixture::sh("sleep 60");
    let running = fixture.launch();
    running.interrupter().interrupt().unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::Cancelled);
}

#[test]
fn cancelled_while_output_is_left_open_ends_no_daemon() {
    let fixture = Fixture::sh(DAEMON).ends("daemon");
    let running = fixture.launch();
    let script = Pid::from_raw(fixture.started().script_pid);
    fixture.pid("daemon");
    wait_for("the script's end", || (!is_alive(script)).then_some(()));
    wait_for("the warning", || {
        fixture.scripts_log().contains("[warning]").then_some(())
    });
    running.interrupter().interrupt().unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::Cancelled);
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn a_shutdown_while_output_is_left_open_ends_no_daemon() {
    let fixture = Fixture::sh(DAEMON).ends("daemon");
    let running = fixture.launch();
    let runner = Pid::from_raw(fixture.started().pid);
    wait_for("the warning", || {
        fixture.scripts_log().contains("[warning]").then_some(())
    });
    kill(runner, signal::SIGTERM).unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::HostShutdown);
    daemon_lives_on(&fixture, &["started", "still here", "unfinished"]);
}

#[test]
fn output_that_closes_in_a_shutdown_is_still_success() {
    let fixture = Fixture::sh(DAEMON).ends("daemon");
    let running = fixture.launch();
    let runner = Pid::from_raw(fixture.started().pid);
    wait_for("the warning", || {
        fixture.scripts_log().contains("[warning]").then_some(())
    });
    kill(runner, signal::SIGTERM).unwrap();
    signal::killpg(fixture.pid("daemon"), signal::SIGKILL).unwrap();
    assert_eq!(running.wait().unwrap().result, ScriptResult::Succeeded);
}

#[test]
fn a_killed_runner_leaves_an_unknown_state() {
    let fixture = Fixture::sh("echo $$ > \"$DIR/main\"; sleep 60").ends("main");
    let running = fixture.launch();
    fixture.pid("main");
    kill(Pid::from_raw(fixture.started().pid), signal::SIGKILL).unwrap();
    let error = running.wait().unwrap_err();
    assert!(
        matches!(&error, LaunchError::NoOutcome { started: true, ended, .. }
            if ended.contains("signal 9")),
        "{error}"
    );
    assert_eq!(fixture.state(), RunState::Unknown);
    let again = hooks_runner::launch(
        &common::program(),
        &fixture.run_dir(),
        &fixture.request,
        Vec::new(),
    );
    assert!(again.is_err(), "a script is never started twice");
}
