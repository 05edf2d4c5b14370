//! What a script finds when it starts: identity, environment, descriptors, signals.

mod common;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt;

use common::{Fixture, lacks_root};
use fs_err as fs;
use hooks_runner::{RunasVia, ScriptResult};

fn lines(fixture: &Fixture) -> Vec<String> {
    let outcome = fixture.run();
    assert_eq!(outcome.result, ScriptResult::Succeeded, "{outcome:?}");
    fixture.stdout_entries()
}

#[test]
fn the_umask_is_the_requests() {
    let mut fixture = Fixture::sh("umask");
    fixture.request.umask = 0o027;
    assert_eq!(lines(&fixture), ["0027"]);
}

#[test]
fn working_directory_umask_and_empty_stdin() {
    let fixture = Fixture::sh("pwd; umask; cat; readlink /proc/self/fd/0");
    assert_eq!(lines(&fixture), ["/", "0022", "/dev/null"]);
}

#[test]
fn a_session_and_group_of_its_own() {
    let fixture = Fixture::sh("echo $$; ps -o sid=,pgid= -p $$ | tr -s ' ' '\\n' | grep .");
    let ids = lines(&fixture);
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn signals_have_their_defaults_and_none_is_blocked() {
    let fixture = Fixture::sh("exec grep -E '^(SigBlk|SigIgn)' /proc/self/status");
    let none = |name: &str| format!("{name}:\t0000000000000000");
    assert_eq!(lines(&fixture), [none("SigBlk"), none("SigIgn")]);
}

#[test]
fn no_descriptor_is_inherited() {
    // One that anybody inherits, as a careless library in the agent would leave it.
    let file = fs::File::open("/dev/null").unwrap().into_file();
    nix::fcntl::fcntl(
        &file,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )
    .unwrap();
    let fixture = Fixture::sh("ls /proc/$$/fd");
    // The shell holds its script open at 10 or so; a pipe or lock would show as another number.
    let found: Vec<i32> = lines(&fixture)
        .iter()
        .map(|fd| fd.parse().unwrap())
        .collect();
    let others: Vec<&i32> = found.iter().filter(|fd| **fd > 2).collect();
    assert!(others.is_empty() || others == [&10], "{found:?}");
    drop(file);
}

#[test]
fn the_lock_is_held_by_the_runner_alone() {
    let fixture = Fixture::sh("ls -l /proc/self/fd; echo ---; ls -l /proc/$PPID/fd");
    let shown = lines(&fixture).join("\n");
    let (own, runner) = shown.split_once("---").unwrap();
    assert!(!own.contains("run/lock"), "{shown}");
    assert_eq!(runner.matches("run/lock").count(), 1, "{shown}");
}

#[test]
fn the_environment_is_what_was_passed_and_nothing_else() {
    let mut fixture = Fixture::sh("exec env -0");
    fixture.environment = vec![
        ("DEPLOYMENT_ID".into(), "d-1".into()),
        ("RAW".into(), OsString::from_vec(b"\xff\n\xfe".to_vec())),
    ];
    fixture.run();
    let log = fs::read(&fixture.request.scripts_log).unwrap();
    let text: Vec<u8> = log
        .split(|byte| *byte == b'\n')
        .flat_map(|line| {
            line.splitn(2, |byte| *byte == b']')
                .nth(1)
                .unwrap_or_default()
                .to_vec()
        })
        .collect();
    let mut names: Vec<String> = text
        .split(|byte| *byte == 0)
        .filter(|entry| !entry.is_empty())
        .map(|entry| String::from_utf8_lossy(entry.split(|b| *b == b'=').next().unwrap()).into())
        .collect();
    names.sort();
    // The shell adds PWD; env itself nothing.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(&name.as_str()));
    assert_eq!(names, ["DEPLOYMENT_ID", "RAW"]);
    assert!(log.windows(5).any(|window| window == b"RAW=\xff"));
    for file in ["run/request.json", "run/started", "run/outcome.json"] {
        let content = fs::read(fixture.path(file)).unwrap();
        let secret = content.windows(4).any(|window| window == b"RAW=");
        assert!(
            !secret || file == "run/outcome.json",
            "{file} has the environment"
        );
    }
}

#[test]
fn a_name_with_blanks_and_bytes_that_are_not_utf_8_runs() {
    let mut fixture = Fixture::sh("");
    let name = OsString::from_vec(b"it's; $(id) \xff \n x.sh".to_vec());
    fixture.request.script = fixture.directory.path().join(name);
    fs::write(&fixture.request.script, "#!/bin/sh\necho ran\n").unwrap();
    assert_eq!(lines(&fixture), ["ran"]);
}

const WHO: &str = "id -u; id -g; id -G; echo \"$HOME|$SHELL|$USER|$LOGNAME|$DEPLOYMENT_ID\"; \
                   pwd; umask; cat /proc/self/status | grep -c '^CapEff:.0000000000000000'";

fn as_user(fixture: &mut Fixture, user: &str, via: RunasVia) {
    fixture.request.runas = Some(user.to_owned());
    fixture.request.runas_via = via;
    fixture.environment.push(("HOME".into(), "/root".into()));
    fixture
        .environment
        .push(("DEPLOYMENT_ID".into(), "d-1".into()));
}

#[test]
fn runas_takes_the_whole_identity_of_the_account() {
    if lacks_root() {
        return;
    }
    for via in [RunasVia::Native, RunasVia::Su] {
        let mut fixture = Fixture::sh(WHO);
        as_user(&mut fixture, "daemon", via);
        let expected = [
            "1",
            "1",
            "1",
            "/usr/sbin|/usr/sbin/nologin|daemon|daemon|d-1",
            "/",
            "0022",
            "1",
        ];
        assert_eq!(lines(&fixture), expected, "{via:?}");
    }
}

#[test]
fn runas_by_su_takes_any_file_name() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("");
    as_user(&mut fixture, "daemon", RunasVia::Su);
    fixture.request.script = fixture.path("it's $(id) \"x\" -c.sh");
    fs::write(&fixture.request.script, "#!/bin/sh\necho \"$0\"\n").unwrap();
    fs::set_permissions(&fixture.request.script, PermissionsExt::from_mode(0o755)).unwrap();
    let name = fixture.request.script.to_str().unwrap().to_owned();
    assert_eq!(lines(&fixture), [name]);
}

#[test]
fn runas_oneself_sets_the_account_variables_only() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("id -u; echo \"$HOME|$USER\"");
    as_user(&mut fixture, "root", RunasVia::Native);
    fixture.environment.push(("USER".into(), "somebody".into()));
    assert_eq!(lines(&fixture), ["0", "/root|root"]);
}

#[test]
fn a_user_who_may_not_reach_the_script_is_told_where() {
    if lacks_root() {
        return;
    }
    let mut fixture = Fixture::sh("");
    as_user(&mut fixture, "daemon", RunasVia::Native);
    fs::set_permissions(fixture.directory.path(), PermissionsExt::from_mode(0o700)).unwrap();
    match fixture.run().result {
        ScriptResult::CouldNotStart { reason } => {
            assert!(
                reason.contains("daemon") && reason.contains("0700"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_timed_out_script_of_another_user_is_ended() {
    if lacks_root() {
        return;
    }
    for via in [RunasVia::Native, RunasVia::Su] {
        let mut fixture = Fixture::sh("echo $$ > \"$DIR/main\"; sleep 60").ends("main");
        as_user(&mut fixture, "daemon", via);
        fixture.request.timeout_seconds = 1;
        let outcome = fixture.run();
        assert_eq!(
            outcome.result,
            ScriptResult::TimedOut { seconds: 1 },
            "{via:?}"
        );
        assert!(!common::is_alive(fixture.pid("main")), "{via:?}");
    }
}
