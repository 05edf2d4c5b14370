//! What a script leaves behind when its runner is killed, and what of it is ended.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Fixture, HEADLESS, is_alive, lacks_root, program, wait_for};
use fs_err as fs;
use hooks_runner::{LaunchError, RunDirError, RunState, RunasVia, Swept, sweep};
use nix::sys::signal::{self, kill};
use nix::unistd::Pid;

/// Functions for scripts: processes that stay, and write their pids to files.
const FUNCTIONS: &str = r#"
    stay='echo $$ > "$DIR/$0"; while :; do sleep 0.1; done'
    stubborn="trap '' TERM; $stay"
    stays() { sh -c "$stay" "$1"; }
"#;

/// A script of `event`, with an environment that no other test has.
fn hook(event: &str, body: &str) -> Fixture {
    let mut fixture = Fixture::sh(&format!("{FUNCTIONS}\n{body}"));
    let unique = fixture.directory.path().display().to_string();
    fixture.environment.extend([
        ("DEPLOYMENT_ID".into(), unique.into()),
        ("LIFECYCLE_EVENT".into(), event.into()),
    ]);
    fixture
}

/// Starts the script, waits for these pid files, kills the runner.
fn orphaned<const N: usize>(fixture: &Fixture, pid_files: [&str; N]) -> [Pid; N] {
    let running = fixture.launch();
    let pids = pid_files.map(|name| fixture.pid(name));
    kill(Pid::from_raw(fixture.started().pid), signal::SIGKILL).unwrap();
    assert!(matches!(
        running.wait(),
        Err(LaunchError::NoOutcome { started: true, .. })
    ));
    assert_eq!(fixture.state(), RunState::Unknown);
    pids
}

fn pids(swept: &Swept) -> Vec<i32> {
    assert!(swept.survivors.is_empty(), "{swept:?}");
    swept.ended.iter().map(|left| left.pid).collect()
}

#[expect(clippy::disallowed_methods, reason = "tests start programs")]
fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

#[test]
fn the_script_and_its_children_are_ended() {
    let fixture = hook("AfterInstall", "stays child & stays main")
        .ends("main")
        .ends("child");
    let [main, child] = orphaned(&fixture, ["main", "child"]);
    let begin = Instant::now();
    let swept = sweep(&fixture.run_dir()).unwrap();
    let ended = pids(&swept);
    assert!(ended.contains(&main.as_raw()), "{swept:?}");
    assert!(ended.contains(&child.as_raw()), "{swept:?}");
    assert!(swept.ended.iter().any(|left| left.command == "sh"));
    assert_eq!(swept.complaints, Vec::<String>::new());
    assert!(!is_alive(main) && !is_alive(child));
    assert!(
        begin.elapsed() < Duration::from_secs(9),
        "SIGTERM was enough"
    );
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    assert_eq!(fixture.state(), RunState::Unknown);
}

#[test]
fn sessions_of_their_own_do_not_save_its_processes_nor_does_ignoring_sigterm() {
    let fixture = hook(
        "AfterInstall",
        r#"setsid sh -c "$stay" session &
        sh -c 'setsid sh -c "$0" grandchild & exit 0' "$stubborn"
        stays main"#,
    )
    .ends("main")
    .ends("session")
    .ends("grandchild");
    let [main, session, grandchild] = orphaned(&fixture, ["main", "session", "grandchild"]);
    let begin = Instant::now();
    let swept = sweep(&fixture.run_dir()).unwrap();
    let ended = pids(&swept);
    for pid in [main, session, grandchild] {
        assert!(ended.contains(&pid.as_raw()), "{pid} is not in {swept:?}");
        assert!(!is_alive(pid), "{pid} has survived");
    }
    assert!(
        begin.elapsed() >= Duration::from_secs(10),
        "SIGTERM, then 10 s"
    );
}

#[test]
fn a_child_without_marks_in_its_own_session_is_found_by_its_parent() {
    let fixture = hook(
        "AfterInstall",
        r#"setsid env -i DIR="$DIR" sh -c "$stay" bare & stays main"#,
    )
    .ends("main")
    .ends("bare");
    let [_, bare] = orphaned(&fixture, ["main", "bare"]);
    assert!(pids(&sweep(&fixture.run_dir()).unwrap()).contains(&bare.as_raw()));
    assert!(!is_alive(bare));
}

/// Another process of this test: starts a daemon without a main thread.
#[test]
fn headless() {
    common::start_headless();
}

#[test]
fn a_daemon_whose_main_thread_has_ended_is_found_by_its_marks() {
    let fixture = hook("AfterInstall", &format!("{HEADLESS}; stays main"))
        .headless()
        .ends("main");
    let [_, daemon] = orphaned(&fixture, ["main", "headless"]);
    assert!(pids(&sweep(&fixture.run_dir()).unwrap()).contains(&daemon.as_raw()));
    assert!(!is_alive(daemon));
}

#[test]
fn a_script_that_has_ended_leaves_a_session_that_is_still_its_own() {
    let fixture = hook(
        "AfterInstall",
        "stays child & until [ -e \"$DIR/go\" ]; do sleep 0.02; done",
    )
    .ends("child");
    let running = fixture.launch();
    let child = fixture.pid("child");
    let started = fixture.started();
    let (runner, script) = (
        Pid::from_raw(started.pid),
        Pid::from_raw(started.script_pid),
    );
    kill(runner, signal::SIGSTOP).unwrap();
    fs::write(fixture.path("go"), "").unwrap();
    wait_for("the script's end", || (!is_alive(script)).then_some(()));
    kill(runner, signal::SIGKILL).unwrap();
    running.wait().unwrap_err();
    assert!(pids(&sweep(&fixture.run_dir()).unwrap()).contains(&child.as_raw()));
    assert!(!is_alive(child));
}

#[test]
fn processes_of_other_hooks_survive() {
    let bystander = |event: &str, deployment: &Path, name: &str| {
        let fixture = hook("AfterInstall", "");
        let child = command("setsid")
            .args([
                "sh",
                "-c",
                "echo $$ > \"$DIR/$0\"; while :; do sleep 0.1; done",
            ])
            .arg(name)
            .env("DIR", fixture.directory.path())
            .env("DEPLOYMENT_ID", deployment)
            .env("LIFECYCLE_EVENT", event)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        (fixture.ends(name), child)
    };
    let fixture = hook("AfterInstall", "stays main").ends("main");
    let [main] = orphaned(&fixture, ["main"]);
    let deployment = fixture.directory.path();
    let (of_other_event, mut first) = bystander("ApplicationStart", deployment, "event");
    let (of_other_deployment, mut second) = bystander("AfterInstall", Path::new("d"), "deployment");
    let others = [
        of_other_event.pid("event"),
        of_other_deployment.pid("deployment"),
    ];
    let ended = pids(&sweep(&fixture.run_dir()).unwrap());
    assert!(!is_alive(main));
    for pid in others {
        assert!(is_alive(pid) && !ended.contains(&pid.as_raw()));
    }
    drop((of_other_event, of_other_deployment));
    first.wait().unwrap();
    second.wait().unwrap();
}

/// A daemon of an earlier script of the same event, as a web server: it starts a worker when it is
/// told to.
const SERVER: &str = r#"setsid sh -c 'echo $$ > "$DIR/server"
    until [ -e "$DIR/fork" ]; do sleep 0.02; done
    sh -c "$0" worker & wait' "$stay" > /dev/null 2>&1 &
    until [ -s "$DIR/server" ]; do sleep 0.02; done"#;

#[test]
fn a_daemon_of_an_earlier_script_of_the_same_event_survives_with_its_new_workers() {
    let mut fixture = hook("AfterInstall", SERVER)
        .ends("server")
        .ends("worker")
        .ends("main");
    assert_eq!(fixture.run().result, hooks_runner::ScriptResult::Succeeded,);
    let server = fixture.pid("server");
    // The next script of the event, in a run directory of its own.
    fs::rename(fixture.run_dir(), fixture.path("first")).unwrap();
    let second = fixture.path("second.sh");
    fs::write(&second, format!("#!/bin/sh\n{FUNCTIONS}\nstays main\n")).unwrap();
    fs::set_permissions(&second, PermissionsExt::from_mode(0o755)).unwrap();
    fixture.request.script = second;
    let [main] = orphaned(&fixture, ["main"]);
    fs::write(fixture.path("fork"), "").unwrap();
    let worker = fixture.pid("worker");
    let ended = pids(&sweep(&fixture.run_dir()).unwrap());
    assert!(ended.contains(&main.as_raw()));
    for pid in [server, worker] {
        assert!(is_alive(pid) && !ended.contains(&pid.as_raw()), "{pid}");
    }
}

#[test]
fn a_script_of_another_run_with_the_same_marks_survives_while_its_runner_lives() {
    let fixture = hook("AfterInstall", "stays main").ends("main");
    let [main] = orphaned(&fixture, ["main"]);
    let mut other = hook(
        "AfterInstall",
        "setsid sh -c \"$stay\" session & stays main",
    )
    .ends("main")
    .ends("session");
    let name = "DEPLOYMENT_ID";
    other.environment.retain(|(variable, _)| variable != name);
    other
        .environment
        .push((name.into(), fixture.directory.path().into()));
    let running = other.launch();
    let others = [other.pid("main"), other.pid("session")];
    sweep(&fixture.run_dir()).unwrap();
    assert!(!is_alive(main));
    assert!(others.into_iter().all(is_alive));
    assert!(is_alive(Pid::from_raw(other.started().pid)));
    running.interrupter().interrupt().unwrap();
    running.wait().unwrap();
}

#[test]
fn processes_of_another_user_are_ended() {
    if lacks_root() {
        return;
    }
    for via in [RunasVia::Native, RunasVia::Su] {
        let mut fixture = hook(
            "AfterInstall",
            "setsid sh -c \"$stay\" session & stays main",
        )
        .ends("main")
        .ends("session");
        fixture.request.runas = Some("daemon".to_owned());
        fixture.request.runas_via = via;
        let [main, session] = orphaned(&fixture, ["main", "session"]);
        let ended = pids(&sweep(&fixture.run_dir()).unwrap());
        for pid in [main, session] {
            assert!(!is_alive(pid) && ended.contains(&pid.as_raw()), "{via:?}");
        }
    }
}

#[test]
fn a_pid_that_means_another_process_by_now_is_left_alone() {
    let fixture = hook("AfterInstall", "stays child & stays main")
        .ends("main")
        .ends("child");
    let [main, child] = orphaned(&fixture, ["main", "child"]);
    let text = fs::read_to_string(fixture.path("run/started")).unwrap();
    let start = text.split("\"script_start_time\":").nth(1).unwrap();
    let start: u64 = start.split(',').next().unwrap().parse().unwrap();
    // What began at its recorded time has ended; this one has only its number.
    fixture.rewrite(
        "started",
        &format!("\"script_start_time\":{start}"),
        &format!("\"script_start_time\":{}", start - 100),
    );
    fixture.rewrite(
        "started",
        "LIFECYCLE_EVENT=AfterInstall",
        "LIFECYCLE_EVENT=X",
    );
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    assert!(is_alive(main) && is_alive(child));
}

#[test]
fn a_session_whose_leader_is_gone_and_that_has_no_marks_is_left_alone() {
    let fixture = hook("AfterInstall", "stays main")
        .ends("main")
        .ends("stranger");
    let [main] = orphaned(&fixture, ["main"]);
    sweep(&fixture.run_dir()).unwrap();
    assert!(!is_alive(main));
    // A session whose leader has ended, as the reuse of a number would make it.
    let status = command("setsid")
        .args(["-w", "sh", "-c"])
        .arg("echo $$ > \"$DIR/leader\"; sh -c 'echo $$ > \"$DIR/stranger\"; while :; do sleep 0.1; done' > /dev/null 2>&1 & until [ -s \"$DIR/stranger\" ]; do sleep 0.02; done")
        .env("DIR", fixture.directory.path())
        .status()
        .unwrap();
    assert!(status.success());
    let (leader, stranger) = (fixture.pid("leader"), fixture.pid("stranger"));
    let text = fs::read_to_string(fixture.path("run/started")).unwrap();
    let script = text.split("\"script_pid\":").nth(1).unwrap();
    let script = script.split(',').next().unwrap();
    fixture.rewrite(
        "started",
        &format!("\"script_pid\":{script}"),
        &format!("\"script_pid\":{leader}"),
    );
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    assert!(is_alive(stranger));
}

#[test]
fn after_another_boot_nothing_is_looked_for() {
    let fixture = hook("AfterInstall", "stays main").ends("main");
    let [main] = orphaned(&fixture, ["main"]);
    fixture.rewrite("started", &hooks_runner::boot_id().unwrap(), "another-boot");
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    assert!(is_alive(main));
}

#[test]
fn while_a_runner_is_at_work_it_is_refused() {
    let fixture = hook("AfterInstall", "stays main").ends("main");
    let running = fixture.launch();
    let main = fixture.pid("main");
    assert!(matches!(
        sweep(&fixture.run_dir()),
        Err(LaunchError::RunDir(RunDirError::Held { .. }))
    ));
    assert!(is_alive(main));
    running.interrupter().interrupt().unwrap();
    running.wait().unwrap();
}

#[test]
fn what_never_ran_or_has_an_outcome_is_left_alone() {
    let fixture = hook("AfterInstall", &format!("{SERVER}; exit 0")).ends("server");
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    fixture.run();
    let server = fixture.pid("server");
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    // It has ended all the same: what it started may live on.
    fs::write(fixture.path("run/outcome.json"), "torn").unwrap();
    assert!(hooks_runner::inspect(&fixture.run_dir()).is_err());
    assert_eq!(sweep(&fixture.run_dir()).unwrap(), Swept::default());
    assert!(is_alive(server));
}

#[test]
fn a_start_that_cannot_be_understood_is_an_error_that_names_the_file() {
    let fixture = hook("AfterInstall", "stays main").ends("main");
    let [main] = orphaned(&fixture, ["main"]);
    fixture.rewrite("started", "\"version\":1", "\"version\":2");
    let error = sweep(&fixture.run_dir()).unwrap_err();
    assert!(error.to_string().contains("run/started"), "{error}");
    assert!(is_alive(main));
    let again = hooks_runner::launch(&program(), &fixture.run_dir(), &fixture.request, []);
    assert!(again.is_err());
}

#[test]
fn without_marks_the_session_is_ended_and_the_rest_is_said() {
    let mut fixture = hook("AfterInstall", "stays main").ends("main");
    let name = "LIFECYCLE_EVENT";
    fixture.environment.retain(|(variable, _)| variable != name);
    let [main] = orphaned(&fixture, ["main"]);
    let swept = sweep(&fixture.run_dir()).unwrap();
    assert!(pids(&swept).contains(&main.as_raw()));
    assert!(
        swept.complaints.len() == 1 && swept.complaints[0].contains(name),
        "{swept:?}"
    );
}

/// Another process of this test: sweeps the directory in `SWEEP` as whoever it is.
#[test]
fn sweeper() {
    if let Some(run_dir) = std::env::var_os("SWEEP") {
        let swept = sweep(Path::new(&run_dir)).unwrap();
        let pids = |left: &[hooks_runner::LeftOver]| {
            let pids: Vec<String> = left.iter().map(|left| left.pid.to_string()).collect();
            pids.join(",")
        };
        let text = format!(
            "ended={}\nsurvivors={}\n{}\n",
            pids(&swept.ended),
            pids(&swept.survivors),
            swept.complaints.join("\n")
        );
        fs::write(std::env::var_os("SWEPT").unwrap(), text).unwrap();
    }
}

/// Runs a script as `daemon`, kills its runner and sweeps as `daemon`, with the shell words of
/// `before` run by root first in a mount namespace of their own.
fn swept_unprivileged(fixture: &Fixture, before: &str) -> (Pid, String) {
    const USER: u32 = 1;
    let owned =
        |path: &Path| nix::unistd::chown(path, Some(USER.into()), Some(USER.into())).unwrap();
    owned(fixture.directory.path());
    let [runner, sweeper] = [
        (env!("CARGO_BIN_EXE_hooks-runner").into(), "runner"),
        (std::env::current_exe().unwrap(), "sweeper"),
    ]
    .map(|(from, name): (std::path::PathBuf, &str)| {
        let to = fixture.path(name);
        common::copy_program(from, &to);
        fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
        to
    });
    let nothing = hooks_runner::Program::new("/no/such/program");
    hooks_runner::launch(&nothing, &fixture.run_dir(), &fixture.request, []).unwrap_err();
    owned(&fixture.run_dir());
    for entry in fs::read_dir(fixture.run_dir()).unwrap() {
        owned(&entry.unwrap().path());
    }
    let mut child = command(runner)
        .arg(fixture.run_dir())
        .uid(USER)
        .gid(USER)
        .env_clear()
        .envs(
            fixture
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let main = fixture.pid("main");
    child.kill().unwrap();
    child.wait().unwrap();
    let status = command("unshare")
        .args(["--mount", "sh", "-c"])
        .arg(format!(
            "{before}\nexec setpriv --reuid {USER} --regid {USER} --clear-groups \"$0\" --exact sweeper"
        ))
        .arg(sweeper)
        .env("SWEEP", fixture.run_dir())
        .env("SWEPT", fixture.path("swept"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    (main, fs::read_to_string(fixture.path("swept")).unwrap())
}

#[test]
fn an_ordinary_user_ends_what_is_its_own_and_says_what_it_cannot_see() {
    if lacks_root() {
        return;
    }
    let fixture = hook("AfterInstall", "stays main")
        .ends("main")
        .ends("private");
    // Begins after the script, in a session that is not older, and only root may look at it.
    let private = format!(
        "setsid sleep 600 > /dev/null 2>&1 & echo $! > '{}'",
        fixture.path("private").display()
    );
    let (main, text) = swept_unprivileged(&fixture, &private);
    assert!(!is_alive(main));
    assert!(is_alive(fixture.pid("private")));
    assert!(text.contains(&format!("{main}")), "{text}");
    assert!(text.contains("cannot be read"), "{text}");
    assert!(!text.contains("hidepid"), "{text}");
}

#[test]
fn hidden_processes_are_said() {
    if lacks_root() {
        return;
    }
    let fixture = hook("AfterInstall", "stays main").ends("main");
    let (main, text) =
        swept_unprivileged(&fixture, "mount -t proc -o hidepid=2 proc /proc || exit 1");
    assert!(!is_alive(main));
    assert!(text.contains("hidepid"), "{text}");
}
