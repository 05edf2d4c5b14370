//! How scripts run: environment, timeouts, output, and what they leave behind.

use std::path::PathBuf;

use integration_tests::{Bundle, Outcome, TestHost, agent, command, eventually, is_alive};

fn bundle(host: &TestHost, hook: &str, body: &str) -> Bundle {
    host.bundle()
        .appspec(&format!(
            "hooks:\n  AfterInstall:\n  - location: hook.sh\n{hook}"
        ))
        .script("hook.sh", body)
}

fn run(body: &str) -> (TestHost, Outcome) {
    let host = TestHost::new();
    let outcome = host.deploy(&bundle(&host, "", body)).run();
    (host, outcome)
}

fn stdout(outcome: &Outcome) -> Vec<String> {
    outcome
        .script_log()
        .iter()
        .filter_map(|line| line.strip_prefix("[stdout]").map(str::to_owned))
        .collect()
}

#[test]
fn working_directory_umask_and_standard_input() {
    let (_host, outcome) = run("pwd; umask; cat | wc -c");
    outcome.assert_success();
    let out = stdout(&outcome);
    assert_eq!(out[..2], ["/", "0022"]);
    assert_eq!(out[2].trim(), "0");
}

#[test]
fn the_deployments_variables_reach_the_script_and_credentials_do_not() {
    let host = TestHost::new();
    let outcome = host
        .deploy(&bundle(&host, "", "env"))
        .arguments(["-a", "App", "-d", "Group", "-g", "group-id"])
        .variable("AWS_SECRET_ACCESS_KEY", "secret")
        .variable("AWS_SESSION_TOKEN", "secret")
        .variable("NOTIFY_SOCKET", "/run/x")
        .variable("JAVA_HOME", "/opt/java")
        .run();
    outcome.assert_success();
    let out = stdout(&outcome);
    let deployment = format!("DEPLOYMENT_ID={}", outcome.deployment_id());
    for expected in [
        "LIFECYCLE_EVENT=AfterInstall",
        "APPLICATION_NAME=App",
        "DEPLOYMENT_GROUP_NAME=Group",
        "DEPLOYMENT_GROUP_ID=group-id",
        "JAVA_HOME=/opt/java",
        &deployment,
    ] {
        assert!(
            out.iter().any(|line| line == expected),
            "{expected} in {out:?}"
        );
    }
    assert!(
        !out.iter()
            .any(|line| line.contains("secret") || line.starts_with("NOTIFY"))
    );
}

#[test]
fn the_profile_reaches_hooks_when_the_configuration_says_so() {
    // The host's own /etc/profile; every Linux has one that sets PATH.
    let host = TestHost::with_configuration("profile_environment: true");
    let outcome = host
        .deploy(&bundle(&host, "", "echo path=$PATH"))
        .variable("PATH", "/bin")
        .run();
    outcome.assert_success();
    if fs_err::metadata("/etc/profile").is_ok() {
        assert_ne!(stdout(&outcome), ["path=/bin"]);
    }
}

#[test]
fn a_script_that_is_not_executable_is_made_so_with_a_warning() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
        .file("hook.sh", "#!/bin/sh\necho ran\n");
    let outcome = host.deploy(&bundle).run();
    outcome.assert_success();
    assert_eq!(stdout(&outcome), ["ran"]);
    assert!(
        outcome.event("AfterInstall").warnings[0].contains("hook.sh"),
        "{outcome:?}"
    );
}

#[test]
fn a_name_with_blanks_and_shell_characters_works() {
    let host = TestHost::new();
    let name = "scripts/a b $(touch x); 'c'.sh";
    let bundle = host
        .bundle()
        .appspec(&format!(
            "hooks:\n  AfterInstall:\n  - location: \"{name}\"\n"
        ))
        .script(name, "echo ran");
    let outcome = host.deploy(&bundle).run();
    outcome.assert_success();
    assert_eq!(stdout(&outcome), ["ran"]);
}

#[test]
fn no_shebang_is_run_by_the_shell() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook\n")
        .file("hook", "echo ran\n");
    let outcome = host.deploy(&bundle).run();
    outcome.assert_success();
    assert_eq!(stdout(&outcome), ["ran"]);
}

#[test]
fn crlf_and_a_missing_interpreter_are_explained() {
    for (content, said) in [
        ("#!/bin/sh\r\necho\r\n", "CR"),
        ("#!/opt/none/ruby\n", "/opt/none/ruby"),
    ] {
        let host = TestHost::new();
        let bundle = host
            .bundle()
            .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
            .file("hook.sh", content);
        let outcome = host.deploy(&bundle).run();
        let message = &outcome.assert_failure("AfterInstall", 4).message;
        assert!(
            message.contains("hook.sh") && message.contains(said),
            "{message}"
        );
    }
}

#[test]
fn a_signal_is_named() {
    let (_host, outcome) = run("kill -SEGV $$");
    let message = &outcome.assert_failure("AfterInstall", 4).message;
    assert!(message.contains("SIGSEGV"), "{message}");
}

/// Reads a pid that a hook has written.
fn pid(path: &PathBuf) -> i32 {
    let mut found = None;
    eventually("the hook to write its pid", || {
        found = fs_err::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_timeout_ends_children_that_ignore_term_and_those_that_left_the_session() {
    let host = TestHost::new();
    let (stubborn, away) = (host.path("stubborn"), host.path("away"));
    let body = format!(
        "sh -c 'trap \"\" TERM; echo $$ >{}; while :; do sleep 1; done' &\n\
         setsid sh -c 'trap \"\" TERM; echo $$ >{}; while :; do sleep 1; done' &\n\
         echo waiting; wait",
        stubborn.display(),
        away.display()
    );
    let outcome = host.deploy(&bundle(&host, "    timeout: 1\n", &body)).run();
    let failed = outcome.assert_failure("AfterInstall", 3);
    assert!(
        failed.message.contains("hook.sh") && failed.message.contains("1 second"),
        "{failed:?}"
    );
    assert!(failed.log.contains("[stdout]waiting\n"), "{failed:?}");
    for path in [stubborn, away] {
        assert!(!is_alive(pid(&path)), "{}", path.display());
    }
}

#[test]
fn a_background_process_with_its_output_redirected_lives_on() {
    let host = TestHost::new();
    let file = host.path("pid");
    let body = format!("sleep 600 >/dev/null 2>&1 &\necho $! >{}", file.display());
    let outcome = host.deploy(&bundle(&host, "", &body)).run();
    let pid = pid(&file);
    let alive = is_alive(pid);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    outcome.assert_success();
    assert!(alive);
}

#[test]
fn output_left_open_fails_with_code_6_after_the_timeout_and_the_process_lives_on() {
    let host = TestHost::new();
    let file = host.path("pid");
    let body = format!("sleep 600 &\necho $! >{}", file.display());
    let outcome = host.deploy(&bundle(&host, "    timeout: 3\n", &body)).run();
    let pid = pid(&file);
    let alive = is_alive(pid);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    let failed = outcome.assert_failure("AfterInstall", 6);
    for said in ["hook.sh", "stdout", "sleep", &pid.to_string()] {
        assert!(failed.message.contains(said), "{said}: {failed:?}");
    }
    assert!(alive);
}

#[test]
fn released_output_counts_as_success_and_is_read_on() {
    let host = TestHost::with_configuration("outputs_left_open: release");
    let (file, go) = (host.path("pid"), host.path("go"));
    let body = format!(
        "(while [ ! -e {1} ]; do sleep 0.1; done; echo late; sleep 600) &\necho $! >{0}",
        file.display(),
        go.display()
    );
    let outcome = host.deploy(&bundle(&host, "", &body)).run();
    let pid = pid(&file);
    fs_err::write(&go, "").unwrap();
    eventually("the daemon's later output to reach the log", || {
        stdout(&outcome).contains(&"late".to_owned())
    });
    let alive = is_alive(pid);
    for entry in fs_err::read_dir("/proc").unwrap() {
        // The daemon and its sleep, found by their parent.
        let name = entry.unwrap().file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let stat = fs_err::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1));
        if parent == Some(&pid.to_string()) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(child),
                nix::sys::signal::SIGKILL,
            );
        }
    }
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
    outcome.assert_success();
    assert!(alive);
}

#[test]
fn long_lines_binary_output_and_escapes() {
    let (_host, outcome) = run(
        "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'a\\000b\\377c\\n'; \
         printf '\\033[31mred\\033[0m\\n'; printf 'no newline'; exit 1",
    );
    let failed = outcome.assert_failure("AfterInstall", 4);
    assert!(
        failed.log.ends_with("[stdout]red\n[stdout]no newline\n"),
        "{failed:?}"
    );
    assert!(failed.log.chars().count() <= 2047);
    assert!(stdout(&outcome).iter().any(|line| line.len() == 100_000));
}

#[test]
fn the_deployments_log_has_every_entry_with_the_deployments_id() {
    let (host, outcome) = run("echo hello");
    outcome.assert_success();
    let log = fs_err::read_to_string(
        host.root()
            .join("deployment-logs/codedeploy-agent-deployments.log"),
    )
    .unwrap();
    let line = format!("[{}][stdout]hello", outcome.deployment_id());
    assert!(
        log.lines()
            .any(|found| found.ends_with(&line) && found.starts_with('[')),
        "{log}"
    );
}

#[test]
fn the_deployments_log_can_be_turned_off() {
    let host = TestHost::with_configuration("enable_deployments_log: false");
    host.deploy(&bundle(&host, "", "echo hello"))
        .run()
        .assert_success();
    assert_eq!(
        fs_err::read_dir(host.root().join("deployment-logs"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn hardening_keys_narrow_the_environment() {
    let host = TestHost::with_configuration("restrict_hook_env_to_allowlist: true");
    let outcome = host
        .deploy(&bundle(&host, "", "env"))
        .variable("JAVA_HOME", "/x")
        .run();
    outcome.assert_success();
    assert!(
        !stdout(&outcome)
            .iter()
            .any(|line| line.starts_with("JAVA_HOME"))
    );
    let host = TestHost::with_configuration("strip_loader_env_in_hooks: true");
    let outcome = host
        .deploy(&bundle(&host, "", "env"))
        .variable("LD_LIBRARY_PATH", "/x")
        .run();
    outcome.assert_success();
    assert!(!stdout(&outcome).iter().any(|line| line.starts_with("LD_")));
}

#[test]
fn why_the_runner_could_not_begin_is_in_the_result_and_in_the_log() {
    let host = TestHost::new();
    let marker = host.path("ran");
    let bundle = bundle(&host, "", &format!("touch {}", marker.display()));
    let programs = host.path("programs");
    fs_err::create_dir(&programs).unwrap();
    fs_err::copy(agent(), programs.join("agent")).unwrap();
    let runner = programs.join("hooks-runner");
    fs_err::write(
        &runner,
        "#!/bin/sh\necho 'libx.so.1 is not there' >&2\nexit 127\n",
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&runner, mode).unwrap();
    let output = command(programs.join("agent"))
        .args(["run-bundle", "-c"])
        .arg(host.configuration())
        .arg("-l")
        .arg(bundle.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let log = fs_err::read_to_string(host.path("log/codedeploy-local.log")).unwrap();
    for text in [String::from_utf8(output.stdout).unwrap(), log] {
        for said in [
            "could not run hook.sh: the runner of ",
            "has left no outcome (exit code 127: libx.so.1 is not there)",
            "its script was never started",
        ] {
            assert!(text.contains(said), "{said} in:\n{text}");
        }
    }
    assert!(!marker.exists());
}
