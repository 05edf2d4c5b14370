//! The runner as an ordinary user. These tests become one first, so they need root.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Fixture, lacks_root};
use fs_err as fs;
use hooks_runner::{Outcome, Program, Request, RunState, ScriptResult};

/// `daemon`, which every Linux has.
const USER: u32 = 1;

/// Runs the request of `fixture` as another user.
fn run_as_user(fixture: &mut Fixture, change: impl FnOnce(&mut Request)) -> Outcome {
    change(&mut fixture.request);
    let owned = |path: &Path| {
        nix::unistd::chown(path, Some(USER.into()), Some(USER.into())).unwrap();
    };
    owned(fixture.directory.path());
    // The build directory may be closed to other users.
    let program = fixture.path("runner");
    common::copy_program(env!("CARGO_BIN_EXE_hooks-runner"), &program);
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let run_dir = fixture.run_dir();
    // Writes the request and starts nothing.
    let nothing = Program::new("/no/such/program");
    hooks_runner::launch(&nothing, &run_dir, &fixture.request, []).unwrap_err();
    owned(&run_dir);
    for entry in fs::read_dir(&run_dir).unwrap() {
        owned(&entry.unwrap().path());
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "runs the program as a person would"
    )]
    let mut command = Command::new(program);
    let status = command
        .arg(&run_dir)
        .uid(USER)
        .gid(USER)
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DEPLOYMENT_ID", "d-1")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    // Only its owner may be asked about it.
    nix::unistd::chown(&run_dir, Some(0.into()), None).unwrap();
    match hooks_runner::inspect(&run_dir).unwrap() {
        RunState::Finished(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_script_runs_as_the_runner_does() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("id -u; echo $DEPLOYMENT_ID");
    let outcome = run_as_user(&mut fixture, |_| {});
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(fixture.stdout_entries(), ["1", "d-1"]);
}

#[test]
fn runas_oneself_needs_no_root() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("id -u; echo \"$USER\"");
    let outcome = run_as_user(&mut fixture, |request| {
        request.runas = Some("daemon".to_owned());
    });
    assert_eq!(outcome.result, ScriptResult::Succeeded);
    assert_eq!(fixture.stdout_entries(), ["1", "daemon"]);
}

#[test]
fn runas_another_user_says_what_to_do() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("touch \"$DIR/ran\"");
    let outcome = run_as_user(&mut fixture, |request| {
        request.runas = Some("root".to_owned());
    });
    match outcome.result {
        ScriptResult::CouldNotStart { reason } => {
            assert!(
                reason.contains("root") && reason.contains("sudo: true"),
                "{reason}"
            );
            assert!(reason.contains("daemon"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sudo_that_is_not_allowed_or_not_there_is_a_clear_failure() {
    if lacks_root() || may_sudo() {
        return;
    }
    let mut fixture = Fixture::sh("echo ran");
    let outcome = run_as_user(&mut fixture, |request| {
        request.sudo = true;
        request.keep_under_sudo = vec!["DEPLOYMENT_ID".to_owned()];
    });
    match outcome.result {
        ScriptResult::CouldNotStart { reason } => assert!(reason.contains("sudo"), "{reason}"),
        // What sudo has to say is in the log.
        ScriptResult::Failed { exit_code: 1 } => {
            assert!(
                outcome.tail.iter().any(|entry| entry.contains("sudo")),
                "{outcome:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.stdout_entries(), Vec::<String>::new());
}

/// Whether `daemon` may do anything under sudo without a password: a rule that only a machine
/// made for tests has (`daemon ALL=(ALL) NOPASSWD: ALL`).
fn may_sudo() -> bool {
    #[expect(clippy::disallowed_methods, reason = "asks sudo as a person would")]
    let mut command = Command::new("sudo");
    command
        .args(["-n", "--preserve-env=DEPLOYMENT_ID", "true"])
        .uid(USER)
        .gid(USER)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// True when the test must be skipped for want of that rule; never with `REQUIRE_SUDO_TESTS`.
fn lacks_sudo() -> bool {
    if may_sudo() {
        return false;
    }
    assert!(
        std::env::var_os("REQUIRE_SUDO_TESTS").is_none(),
        "this test needs sudo without a password for uid {USER}"
    );
    eprintln!("skipped: uid {USER} may not use sudo");
    true
}

#[test]
fn sudo_keeps_the_deployment_variables() {
    if lacks_root() || lacks_sudo() {
        return;
    }
    for (runas, uid) in [(None, "0"), (Some("nobody"), "65534")] {
        let mut fixture = Fixture::sh("id -u; echo $DEPLOYMENT_ID; pwd; umask");
        let outcome = run_as_user(&mut fixture, |request| {
            request.sudo = true;
            request.runas = runas.map(str::to_owned);
            request.keep_under_sudo = vec!["DEPLOYMENT_ID".to_owned()];
        });
        assert_eq!(outcome.result, ScriptResult::Succeeded, "{outcome:?}");
        assert_eq!(fixture.stdout_entries(), [uid, "d-1", "/", "0022"]);
    }
}

#[test]
fn nothing_of_a_timed_out_hook_under_sudo_survives() {
    if lacks_root() || lacks_sudo() {
        return;
    }
    let mut fixture = Fixture::sh("trap '' TERM; sleep 60 & echo $$; echo $!; wait; sleep 60");
    let outcome = run_as_user(&mut fixture, |request| {
        request.sudo = true;
        request.timeout_seconds = 1;
    });
    assert_eq!(outcome.result, ScriptResult::TimedOut { seconds: 1 });
    assert!(outcome.warnings.is_empty(), "{outcome:?}");
    let pids = fixture.stdout_entries();
    assert_eq!(pids.len(), 2);
    for pid in pids {
        assert!(!common::is_alive(nix::unistd::Pid::from_raw(
            pid.parse().unwrap()
        )));
    }
}

/// Another process of this test: becomes root for good, as a setuid program may, and stays longer
/// than any runner may wait for it.
#[test]
fn becomes_root() {
    if let Some(pid_file) = std::env::var_os("BECOMES_ROOT") {
        let root = 0.into();
        nix::unistd::setresuid(root, root, root).unwrap();
        fs::write(pid_file, format!("{}\n", std::process::id())).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}

#[test]
fn a_script_that_may_not_be_ended_holds_up_no_timeout() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("").ends("pid");
    // For the user alone, as long as there is such a program in it.
    fs::set_permissions(fixture.directory.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let program = fixture.path("program");
    common::copy_program(std::env::current_exe().unwrap(), &program);
    fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let script = format!(
        "#!/bin/sh\nBECOMES_ROOT='{}' exec '{}' --exact becomes_root\n",
        fixture.path("pid").display(),
        program.display()
    );
    fs::write(&fixture.request.script, script).unwrap();
    let outcome = run_as_user(&mut fixture, |request| request.timeout_seconds = 1);
    assert_eq!(outcome.result, ScriptResult::TimedOut { seconds: 1 });
    let pid = fixture.pid("pid");
    assert!(common::is_alive(pid), "it was waited for: {outcome:?}");
    let named = |warning: &String| {
        warning.contains("could not be ended") && warning.contains(&pid.to_string())
    };
    assert!(outcome.warnings.iter().any(named), "{outcome:?}");
}

#[test]
fn a_script_that_others_own_cannot_be_made_executable() {
    if lacks_root() {
        return;
    }
    // Root's, readable, not executable, on every Linux.
    let mut fixture = Fixture::sh("");
    let outcome = run_as_user(&mut fixture, |request| {
        request.script = "/etc/passwd".into();
    });
    match outcome.result {
        ScriptResult::NotExecutable { reason } => {
            assert!(reason.contains("not permitted"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("sleep 60 & echo $! > '@'; echo up").ends("child");
    let script = fs::read_to_string(&fixture.request.script).unwrap();
    let pid_file = fixture.path("child");
    let script = script.replace('@', pid_file.to_str().unwrap());
    fs::write(&fixture.request.script, script).unwrap();
    let outcome = run_as_user(&mut fixture, |request| request.timeout_seconds = 1);
    match outcome.result {
        ScriptResult::OutputLeftOpen {
            holders,
            all_visible,
            ..
        } => {
            assert!(!all_visible, "root has processes, too");
            assert_eq!(holders.len(), 1);
            assert_eq!(holders[0].command, "sleep");
        }
        other => panic!("{other:?}"),
    }
}
