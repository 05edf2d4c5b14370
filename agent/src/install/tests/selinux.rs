//! Contexts, by recorded calls: no kernel with SELinux is needed.

use super::host::*;
use crate::appspec::SelinuxContext;
use crate::deployment::FileExistsBehavior::Disallow;

/// Programs that append what they are told to a file, and fail when `fail` exists.
fn tools(host: &mut Host) -> std::path::PathBuf {
    let log = host.path("calls");
    for name in ["semanage", "restorecon"] {
        let path = host.path(name);
        let script = format!(
            "#!/bin/sh\necho \"{name} $*\" >> '{log}'\ncat >> '{log}'\n[ ! -e '{log}.{name}' ] || {{ echo broken >&2; exit 3; }}\n",
            log = log.display()
        );
        // Written by another process: a descriptor open for writing that a child of a parallel
        // test inherits would make the program busy.
        let written = crate::install::tests::selinux::write_by_process(&path, &script);
        assert!(written);
    }
    host.options.selinux.semanage = host.path("semanage");
    host.options.selinux.restorecon = host.path("restorecon");
    log
}

#[expect(clippy::disallowed_methods, reason = "a test's own helper program")]
pub(super) fn write_by_process(path: &std::path::Path, script: &str) -> bool {
    let command = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let path = path.to_str().unwrap();
    std::process::Command::new("sh")
        .args(["-c", command, "sh", path, script])
        .status()
        .unwrap()
        .success()
}

fn context() -> SelinuxContext {
    SelinuxContext {
        user: Some("system_u".into()),
        kind: "httpd_t".into(),
        range: Some("s0".into()),
    }
}

#[test]
fn one_semanage_and_one_restorecon_an_install_and_undone_at_the_next() {
    let mut host = Host::new();
    let log = tools(&mut host);
    let archive = host.archive("a", &[File("x", ""), File("y z", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 3);
    rule.context = Some(context());
    appspec.permissions = vec![rule];
    host.install(&archive, &appspec, &Disallow).unwrap();
    let app = host.at("app").display().to_string();
    let add = |name| format!("fcontext -a -t 'httpd_t' -s 'system_u' -r 's0' '{app}/{name}'\n");
    let calls = fs_err::read_to_string(&log).unwrap();
    let expected = format!(
        "semanage import\n{}{}restorecon -F -f -\n{app}/x\n{app}/y z\n",
        add("x"),
        add("y z")
    );
    assert_eq!(calls, expected);
    assert_eq!(
        host.cleanup()[3..],
        [format!("semanage\0{app}/x"), format!("semanage\0{app}/y z")]
    );
    let record = fs_err::read_to_string(host.records().install()).unwrap();
    assert!(record.contains(
        r#"{"type":"semanage","context":{"user":"system_u","role":null,"type":"httpd_t","range":"s0"},"file":"#
    ));

    fs_err::remove_file(&log).unwrap();
    host.deploy("app", &[File("x", "")]);
    let calls = fs_err::read_to_string(&log).unwrap();
    assert_eq!(
        calls,
        format!("semanage import\nfcontext -d '{app}/x'\nfcontext -d '{app}/y z'\n")
    );
}

#[test]
fn a_failing_program_undoes_the_install_and_the_rules() {
    let mut host = Host::new();
    let log = tools(&mut host);
    let archive = host.archive("a", &[File("x", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 3);
    rule.context = Some(context());
    appspec.permissions = vec![rule];
    host.install(&archive, &appspec, &Disallow).unwrap();
    let before = (snapshot(&host.srv()), snapshot(&host.path("root")));
    fs_err::remove_file(&log).unwrap();
    fs_err::write(format!("{}.restorecon", log.display()), "").unwrap();
    let error = host.install(&archive, &appspec, &Disallow).unwrap_err();
    let text = crate::error::chain(&error);
    assert!(
        text.contains("restorecon failed (exit status: 3): broken"),
        "{text}"
    );
    assert_eq!(
        (snapshot(&host.srv()), snapshot(&host.path("root"))),
        before
    );
    let calls = fs_err::read_to_string(&log).unwrap();
    let replaced = calls.matches("semanage import\nfcontext -d ").count();
    assert_eq!(
        (replaced, calls.matches("fcontext -a ").count()),
        (2, 2),
        "{calls}"
    );
}

#[test]
fn missing_programs_and_unconfined_types_are_found_in_the_plan() {
    let mut host = Host::new();
    host.options.selinux.semanage = host.path("no-semanage");
    host.options.selinux.restorecon = host.path("no-restorecon");
    host.options.reject_unconfined_selinux = true;
    let archive = host.archive("a", &[File("x", ""), File("new\nline", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 3);
    rule.context = Some(SelinuxContext {
        kind: "kernel_t".into(),
        ..context()
    });
    appspec.permissions = vec![rule];
    let text = problems(host.install(&archive, &appspec, &Disallow));
    for part in [
        "no-semanage",
        "no-restorecon",
        "kernel_t is unconfined",
        "cannot be given to semanage",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The rules that the calls in `log` amount to.
fn rules(log: &std::path::Path) -> std::collections::BTreeSet<String> {
    let mut rules = std::collections::BTreeSet::new();
    for line in fs_err::read_to_string(log).unwrap_or_default().lines() {
        let Some(rest) = line.strip_prefix("fcontext ") else {
            continue;
        };
        let spec = rest.rsplit(' ').next().unwrap().to_owned();
        if rest.starts_with("-a") {
            rules.insert(spec);
        } else {
            rules.remove(&spec);
        }
    }
    rules
}

#[test]
fn after_a_kill_at_any_step_the_rules_are_those_of_the_set_that_is_there() {
    for kill_at in 0.. {
        let mut host = Host::new();
        let log = tools(&mut host);
        let mut appspec = host.appspec(&[("", "app")]);
        let mut rule = host.rule("app", 3);
        rule.context = Some(context());
        appspec.permissions = vec![rule];
        let first = host.archive("first", &[File("old", ""), File("both", "")]);
        host.install(&first, &appspec, &Disallow).unwrap();
        let before = rules(&log);
        assert_eq!(before.len(), 2);
        let second = host.archive("second", &[File("new", ""), File("both", "")]);
        if !super::crash::killed(&host, &second, &appspec, kill_at) {
            break;
        }
        let outcome = super::crash::recover(&host).map(|recovered| recovered.outcome);
        let name = |name| format!("'{}'", host.at("app").join(name).display());
        if outcome == Some(crate::install::Outcome::RolledForward) {
            let after = [name("both"), name("new")].into_iter().collect();
            assert_eq!(rules(&log), after, "killed at step {kill_at}");
        } else {
            assert_eq!(rules(&log), before, "killed at step {kill_at}");
        }
        host.assert_tidy();
    }
}

#[test]
fn rules_that_may_have_been_replaced_when_the_agent_was_killed_are_told_of() {
    let mut host = Host::new();
    let log = tools(&mut host);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 3);
    rule.context = Some(context());
    appspec.permissions = vec![rule];
    let archive = host.archive("a", &[File("x", "")]);
    let mut step = 0;
    let mut contexts = 0;
    host.install_watched(&archive, &appspec, &Disallow, &mut |moment| {
        step += 1;
        if moment == crate::install::apply::Moment::Contexts && contexts == 0 {
            contexts = step;
        }
        Ok(())
    })
    .unwrap();
    // The same steps again, and killed just before the rules are replaced, as seen from outside.
    assert!(super::crash::killed(
        &host,
        &archive,
        &appspec,
        contexts - 1
    ));
    let working = host.records().installing();
    fs_err::write(working.join(crate::install::commit::RULES_BEGUN), "").unwrap();
    fs_err::write(format!("{}.semanage", log.display()), "").unwrap();
    let recovered = super::crash::recover(&host).unwrap();
    assert!(
        recovered
            .warnings
            .join("")
            .contains("SELinux rules is not known")
    );
    host.assert_tidy();
}
