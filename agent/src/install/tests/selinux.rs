//! Contexts, by recorded calls: no kernel with SELinux is needed.

use rstest::rstest;

use super::host::*;
use crate::appspec::{AppSpec, SelinuxContext};
use crate::deployment::FileExistsBehavior::Disallow;

/// How `semanage import` goes about its lines.
#[derive(Debug, Clone, Copy)]
enum Semanage {
    /// All in one transaction.
    Old,
    /// Those with `-d` in them first, in a transaction of their own.
    New,
}

/// A policy with rules that are one a line in the file `policy`: `spec label`. It refuses what the
/// real one refuses: types that begin with `no`, blanks, what is there already, what is not there.
const SEMANAGE: &str = r#"
touch "$policy"
if [ "$*" = "fcontext -l -C -n" ]; then
    while read -r spec label; do
        printf '%-50s %-18s %s \n' "$spec" "all files" "$label"
    done < "$policy"
    exit
fi
fail() { echo "ValueError: $1" >&2; exit 1; }
apply() {
    cp "$policy" "$policy.new"
    while IFS= read -r line; do
        eval "set -- $line"
        verb=$2; shift 2
        kind=; user=system_u; range=s0
        while [ $# -gt 1 ]; do
            case $1 in -t) kind=$2;; -s) user=$2;; -r) range=$2;; esac
            shift 2
        done
        case $1 in *" "*) fail "File specification can not include spaces";; esac
        case $kind in no*) fail "Type $kind is invalid";; esac
        there=$(spec="$1" awk '$1 == ENVIRON["spec"]' "$policy.new")
        case $verb:$there in
            -a:?*) fail "File context for $1 already defined";;
            -d: | -m:) fail "File context for $1 is not defined";;
        esac
        spec="$1" awk '$1 != ENVIRON["spec"]' "$policy.new" > "$policy.other"
        [ "$verb" = -d ] || echo "$1 $user:object_r:$kind:$range" >> "$policy.other"
        mv "$policy.other" "$policy.new"
    done
    mv "$policy.new" "$policy"
}
tee -a "$log" > "$policy.all"
if [ "$new" ]; then
    grep -e -d "$policy.all" > "$policy.first"
    apply < "$policy.first"
    grep -v -e -d "$policy.all" > "$policy.rest"
    apply < "$policy.rest"
else
    apply < "$policy.all"
fi
"#;

/// Programs that note what they are told in a file, and fail when `calls.PROGRAM` exists.
fn tools(host: &mut Host, version: Semanage) -> std::path::PathBuf {
    let log = host.path("calls");
    let new = match version {
        Semanage::Old => "",
        Semanage::New => "1",
    };
    for (name, body) in [("semanage", SEMANAGE), ("restorecon", "cat >> \"$log\"")] {
        let path = host.path(name);
        let script = format!(
            "#!/bin/sh\nlog='{}' policy='{}' new={new}\necho \"{name} $*\" >> \"$log\"\n\
             [ ! -e \"$log.{name}\" ] || {{ cat >> \"$log\"; echo broken >&2; exit 3; }}\n{body}",
            log.display(),
            host.path("policy").display(),
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

/// The rules of the policy, sorted.
fn rules(host: &Host) -> Vec<String> {
    let text = fs_err::read_to_string(host.path("policy")).unwrap_or_default();
    let mut rules: Vec<_> = text.lines().map(str::to_owned).collect();
    rules.sort();
    rules
}

/// The rule of [`context`] for a file below `app`.
fn rule(host: &Host, name: &str) -> String {
    let path = host.at("app").join(name);
    format!("{} system_u:object_r:httpd_t:s0", path.display())
}

/// Everything into `app`, with a context.
fn appspec(host: &Host, context: SelinuxContext) -> AppSpec {
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 3);
    rule.context = Some(context);
    appspec.permissions = vec![rule];
    appspec
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

#[rstest]
fn few_runs_an_install_and_undone_at_the_next(
    #[values(Semanage::Old, Semanage::New)] version: Semanage,
) {
    let mut host = Host::new();
    let log = tools(&mut host, version);
    let archive = host.archive("a", &[File("x", ""), File("my-data", "")]);
    host.install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap();
    let app = host.at("app").display().to_string();
    let add = |name| format!("fcontext -a -t 'httpd_t' -s 'system_u' -r 's0' '{app}/{name}'\n");
    let calls = fs_err::read_to_string(&log).unwrap();
    let expected = format!(
        "semanage fcontext -l -C -n\nsemanage import\n{}{}restorecon -F -f -\n{app}/my-data\n\
         {app}/x\n",
        add("my-data"),
        add("x")
    );
    assert_eq!(calls, expected);
    assert_eq!(rules(&host), [rule(&host, "my-data"), rule(&host, "x")]);
    assert_eq!(
        host.cleanup()[3..],
        [
            format!("semanage\0{app}/my-data"),
            format!("semanage\0{app}/x")
        ]
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
        format!(
            "semanage fcontext -l -C -n\nsemanage import\nfcontext -d '{app}/my-data'\n\
             fcontext -d '{app}/x'\n"
        )
    );
    assert!(rules(&host).is_empty());
}

#[test]
fn rules_are_for_where_a_destination_really_is_and_records_for_where_it_is_said_to_be() {
    let mut host = Host::new();
    let log = tools(&mut host, Semanage::New);
    fs_err::create_dir(host.at("real")).unwrap();
    std::os::unix::fs::symlink("real", host.at("app")).unwrap();
    let archive = host.archive("a", &[File("d/x", ""), File("y", "")]);
    host.install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap();
    let real = |name: &str| rule(&host, name).replace("/app/", "/real/");
    assert_eq!(rules(&host), [real("d"), real("d/x"), real("y")]);
    let app = host.at("app").display().to_string();
    let calls = fs_err::read_to_string(&log).unwrap();
    assert!(calls.contains(&format!("\n{app}/d/x\n")), "{calls}");
    let record = fs_err::read_to_string(host.records().install()).unwrap();
    assert!(
        record.contains(&format!(r#""file":"{app}/d/x""#)),
        "{record}"
    );
    assert!(!record.contains("/real/"), "{record}");
    assert!(host.cleanup().contains(&"app/d/x".to_owned()));
    // The rule by what it is deleted by.
    let line = format!("semanage\0{}", host.at("real/y").display());
    assert!(host.cleanup().contains(&line));
    host.deploy("app", &[File("y", "")]);
    assert!(rules(&host).is_empty());
}

#[rstest]
fn a_rule_that_is_refused_leaves_those_that_were_there(
    #[values(Semanage::Old, Semanage::New)] version: Semanage,
) {
    let mut host = Host::new();
    tools(&mut host, version);
    let first = host.archive("a", &[File("x", ""), File("only-a", "")]);
    host.install(&first, &appspec(&host, context()), &Disallow)
        .unwrap();
    let before = rules(&host);
    assert_eq!(before.len(), 2);
    let mut mistyped = context();
    mistyped.kind = "no_such_t".into();
    let second = host.archive(
        "b",
        &[File("x", ""), File("only-b", ""), File("my-data", "")],
    );
    let error = host
        .install(&second, &appspec(&host, mistyped), &Disallow)
        .unwrap_err();
    let text = crate::error::chain(&error);
    assert!(text.contains("no_such_t is invalid"), "{text}");
    assert_eq!(rules(&host), before);
    // And the right one is not refused for what went before.
    host.install(&second, &appspec(&host, context()), &Disallow)
        .unwrap();
    let expected = ["my-data", "only-b", "x"].map(|name| rule(&host, name));
    assert_eq!(rules(&host), expected);
}

#[rstest]
fn rules_that_others_deleted_changed_or_made_are_no_obstacle(
    #[values(Semanage::Old, Semanage::New)] version: Semanage,
) {
    let mut host = Host::new();
    tools(&mut host, version);
    let objects = [File("x", ""), File("y", ""), File("z", "")];
    let archive = host.archive("a", &objects);
    host.install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap();
    let other = rule(&host, "y").replace("httpd_t:s0", "other_t:s0:c1");
    let foreign = "/elsewhere system_u:object_r:etc_t:s0".to_owned();
    let now = [foreign.clone(), other, rule(&host, "z"), rule(&host, "new")];
    fs_err::write(host.path("policy"), now.join("\n") + "\n").unwrap();
    let archive = host.archive("b", &[File("x", ""), File("y", ""), File("new", "")]);
    let mut plain = context();
    (plain.user, plain.range) = (None, None);
    host.install(&archive, &appspec(&host, plain), &Disallow)
        .unwrap();
    let expected = [
        foreign.clone(),
        rule(&host, "new"),
        rule(&host, "x"),
        rule(&host, "y"),
    ];
    assert_eq!(rules(&host), expected);
    fs_err::write(host.path("policy"), foreign.clone() + "\n").unwrap();
    host.deploy("app", &[File("x", "")]);
    assert_eq!(rules(&host), [foreign]);
}

#[rstest]
fn a_failing_program_undoes_the_install_and_the_rules(
    #[values(Semanage::Old, Semanage::New)] version: Semanage,
) {
    let mut host = Host::new();
    let log = tools(&mut host, version);
    let archive = host.archive("a", &[File("x", ""), File("gone", "")]);
    host.install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap();
    let before = (snapshot(&host.srv()), snapshot(&host.path("root")));
    let rules_before = rules(&host);
    fs_err::write(format!("{}.restorecon", log.display()), "").unwrap();
    let archive = host.archive("b", &[File("x", ""), File("new", "")]);
    let error = host
        .install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap_err();
    let text = crate::error::chain(&error);
    assert!(
        text.contains("restorecon failed (exit status: 3): broken"),
        "{text}"
    );
    assert_eq!(
        (snapshot(&host.srv()), snapshot(&host.path("root"))),
        before
    );
    assert_eq!(rules(&host), rules_before);
}

#[test]
fn a_policy_that_cannot_be_read_keeps_no_revision_without_contexts_from_coming() {
    let mut host = Host::new();
    let log = tools(&mut host, Semanage::New);
    let archive = host.archive("a", &[File("x", "1")]);
    host.install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap();
    fs_err::write(format!("{}.semanage", log.display()), "").unwrap();
    let error = host
        .install(&archive, &appspec(&host, context()), &Disallow)
        .unwrap_err();
    let text = crate::error::chain(&error);
    assert!(text.contains("semanage failed"), "{text}");
    let installed = host.deploy("app", &[File("x", "2")]);
    let told = installed.warnings.join("\n");
    assert!(told.contains("SELinux rules stay"), "{told}");
}

#[test]
fn missing_programs_and_unconfined_types_are_found_in_the_plan() {
    let mut host = Host::new();
    host.options.selinux.semanage = host.path("no-semanage");
    host.options.selinux.restorecon = host.path("no-restorecon");
    host.options.reject_unconfined_selinux = true;
    let archive = host.archive(
        "a",
        &[
            File("x", ""),
            File("new\nline", ""),
            File("it's", ""),
            File("a b", ""),
        ],
    );
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

#[test]
fn after_a_kill_at_any_step_the_rules_are_those_of_the_set_that_is_there() {
    for kill_at in 0.. {
        let mut host = Host::new();
        tools(&mut host, Semanage::New);
        let appspec = appspec(&host, context());
        let first = host.archive("first", &[File("old", ""), File("both", "")]);
        host.install(&first, &appspec, &Disallow).unwrap();
        let before = rules(&host);
        assert_eq!(before.len(), 2);
        let second = host.archive("second", &[File("new", ""), File("both", "")]);
        if !super::crash::killed(&host, &second, &appspec, kill_at) {
            break;
        }
        let outcome = super::crash::recover(&host).map(|recovered| recovered.outcome);
        if outcome == Some(crate::install::Outcome::RolledForward) {
            let after = ["both", "new"].map(|name| rule(&host, name));
            assert_eq!(rules(&host), after, "killed at step {kill_at}");
        } else {
            assert_eq!(rules(&host), before, "killed at step {kill_at}");
        }
        host.assert_tidy();
    }
}

#[test]
fn rules_that_cannot_be_put_back_are_put_back_by_the_next_recovery() {
    let mut host = Host::new();
    let log = tools(&mut host, Semanage::New);
    let appspec = appspec(&host, context());
    let archive = host.archive("a", &[File("x", "")]);
    host.install(&archive, &appspec, &Disallow).unwrap();
    let before = rules(&host);
    let archive = host.archive("b", &[File("x", ""), File("y", "")]);
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        host.install_watched(&archive, &appspec, &Disallow, &mut |moment| {
            if moment == crate::install::apply::Moment::Place {
                std::panic::resume_unwind(Box::new(()));
            }
            Ok(())
        })
    }));
    assert!(killed.is_err());
    assert_ne!(rules(&host), before);
    let broken = format!("{}.semanage", log.display());
    fs_err::write(&broken, "").unwrap();
    let error = crate::install::recover(&host.records(), &host.options.selinux).unwrap_err();
    let text = crate::error::chain(&error);
    assert!(text.contains("semanage failed"), "{text}");
    fs_err::remove_file(&broken).unwrap();
    super::crash::recover(&host).unwrap();
    assert_eq!(rules(&host), before);
    host.assert_tidy();
}
