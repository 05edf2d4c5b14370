//! Hosts whose kernel, emulator or filter of system calls does not know what the runner asks for.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Fixture, is_alive};
use hooks_runner::{Outcome, Program, RunState, ScriptResult};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// A system call, and the first argument with which alone it is refused.
type Call = (libc::c_long, Option<i32>);

const ADOPT_ORPHANS: Call = (libc::SYS_prctl, Some(libc::PR_SET_CHILD_SUBREAPER));
const OPEN_PROCESS: Call = (libc::SYS_pidfd_open, None);
const CLOSE_MANY: Call = (libc::SYS_close_range, None);

/// What this thread starts from here on, and all that this starts, gets `error` from `call`.
fn refuse((call, argument): Call, error: Errno) {
    let rules = argument.map(|value| {
        let value = u64::try_from(value).unwrap();
        let equals =
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).unwrap();
        SeccompRule::new(vec![equals]).unwrap()
    });
    let filter = SeccompFilter::new(
        [(call, rules.into_iter().collect())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(error as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

/// The runner of the fixture, by hand.
fn start(fixture: &mut Fixture, refused: Option<(Call, Errno)>) -> Child {
    let unique = fixture.directory.path().display().to_string();
    fixture.environment.extend([
        ("DEPLOYMENT_ID".into(), unique.into()),
        ("LIFECYCLE_EVENT".into(), "AfterInstall".into()),
    ]);
    let nothing = Program::new("/no/such/program");
    hooks_runner::launch(&nothing, &fixture.run_dir(), &fixture.request, []).unwrap_err();
    #[expect(clippy::disallowed_methods, reason = "tests start programs")]
    let mut command = Command::new(env!("CARGO_BIN_EXE_hooks-runner"));
    command
        .arg(fixture.run_dir())
        .stdin(Stdio::null())
        .env_clear()
        .envs(fixture.environment.iter().cloned());
    // The filter stays on the thread that it is put on.
    let start = std::thread::spawn(move || {
        if let Some((call, error)) = refused {
            refuse(call, error);
        }
        command.spawn().unwrap()
    });
    start.join().unwrap()
}

fn interrupt(runner: &Child) {
    kill(Pid::from_raw(runner.id().cast_signed()), Signal::SIGINT).unwrap();
}

fn outcome(fixture: &Fixture, mut runner: Child) -> Outcome {
    assert!(runner.wait().unwrap().success());
    match fixture.state() {
        RunState::Finished(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::nothing(None)]
#[case::old_emulator(Some((ADOPT_ORPHANS, Errno::EINVAL)))]
#[case::adoption_is_filtered(Some((ADOPT_ORPHANS, Errno::EPERM)))]
#[case::no_adoption(Some((ADOPT_ORPHANS, Errno::ENOSYS)))]
#[case::no_process_descriptors(Some((OPEN_PROCESS, Errno::ENOSYS)))]
#[case::process_descriptors_are_filtered(Some((OPEN_PROCESS, Errno::EPERM)))]
#[case::no_closing_of_many(Some((CLOSE_MANY, Errno::ENOSYS)))]
#[case::closing_of_many_is_filtered(Some((CLOSE_MANY, Errno::EPERM)))]
fn a_script_is_ended_with_all_that_it_has_started(#[case] refused: Option<(Call, Errno)>) {
    let body = r#"
        stubborn="trap '' TERM; echo \$\$ > \"\$DIR/\$0\"; while :; do sleep 0.1; done"
        sh -c 'setsid sh -c "$0" orphan & exit 0' "$stubborn"
        sh -c "$stubborn" child &
        sh -c "$stubborn" main"#;
    let names = ["orphan", "child", "main"];
    let mut fixture = Fixture::sh(body);
    for name in names {
        fixture = fixture.ends(name);
    }
    let runner = start(&mut fixture, refused);
    let pids = names.map(|name| fixture.pid(name));
    interrupt(&runner);
    common::wait_for("the runner to have heard", || {
        let pending = format!("/proc/{}/status", runner.id());
        let pending = fs_err::read_to_string(pending).unwrap();
        pending.contains("ShdPnd:\t0000000000000000").then_some(())
    });
    // The second time it does not wait for them to obey.
    interrupt(&runner);
    let outcome = outcome(&fixture, runner);
    assert_eq!(outcome.result, ScriptResult::Cancelled);
    for (name, pid) in names.iter().zip(pids) {
        assert!(!is_alive(pid), "{name} has survived: {outcome:?}");
    }
    let said = outcome.warnings.join("\n");
    match refused {
        Some((ADOPT_ORPHANS, _)) => assert!(said.contains("PR_SET_CHILD_SUBREAPER"), "{said}"),
        _ => assert_eq!(said, ""),
    }
}

#[test]
fn orphans_that_are_not_left_to_the_runner_are_awaited_no_longer_than_they_take() {
    let body = r#"
        sh -c 'trap "sleep 0.5; exit" TERM; echo $$ > "$DIR/slow"; while :; do sleep 0.1; done' \
            >/dev/null 2>&1 &
        wait"#;
    let mut fixture = Fixture::sh(body).ends("slow");
    let runner = start(&mut fixture, Some((ADOPT_ORPHANS, Errno::EINVAL)));
    let slow = fixture.pid("slow");
    let begin = Instant::now();
    interrupt(&runner);
    let outcome = outcome(&fixture, runner);
    assert_eq!(outcome.result, ScriptResult::Cancelled);
    assert!(!is_alive(slow));
    assert!(begin.elapsed() < Duration::from_secs(8), "until SIGKILL");
}

#[test]
fn a_script_that_ends_well_is_run_without_a_word_and_its_daemon_lives() {
    let body = r#"sh -c 'echo $$ > "$DIR/daemon"; exec sleep 60' >/dev/null 2>&1 &"#;
    let mut fixture = Fixture::sh(body).ends("daemon");
    let runner = start(&mut fixture, Some((ADOPT_ORPHANS, Errno::EINVAL)));
    let outcome = outcome(&fixture, runner);
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(outcome.warnings, Vec::<String>::new());
    assert!(is_alive(fixture.pid("daemon")));
}

#[test]
fn what_the_runner_cannot_do_without_is_named_in_the_outcome() {
    let mut fixture = Fixture::sh("touch \"$DIR/ran\"");
    let runner = start(
        &mut fixture,
        Some(((libc::SYS_signalfd4, None), Errno::ENOSYS)),
    );
    match outcome(&fixture, runner).result {
        ScriptResult::RunnerFailed { message } => {
            assert!(
                message.contains("signals") && message.contains("not implemented"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!fixture.path("ran").exists());
}
