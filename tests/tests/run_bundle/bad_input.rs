//! What is wrong is found before the first event of the revision, says so, and touches nothing.

use integration_tests::{TestHost, snapshot};
use rstest::rstest;

/// Deploys a bundle with this AppSpec over a good one and returns what DownloadBundle said.
#[track_caller]
fn refused(appspec: &[u8]) -> String {
    let host = TestHost::new();
    let good = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: f\n  destination: {}\n",
            host.destination().display()
        ))
        .file("f", "good");
    host.deploy(&good).run().assert_success();
    let before = (
        snapshot(&host.destination()),
        snapshot(&host.root().join("deployment-instructions")),
    );
    let bad = host.bundle();
    fs_err::write(bad.path().join("appspec.yml"), appspec).unwrap();
    let outcome = host.deploy(&bad).run();
    let message = outcome.assert_failure("DownloadBundle", 5).message.clone();
    let after = (
        snapshot(&host.destination()),
        snapshot(&host.root().join("deployment-instructions")),
    );
    assert_eq!(before, after);
    message
}

#[rstest]
#[case::empty(b"", "empty")]
#[case::only_comments(b"# nothing\n", "empty")]
#[case::not_yaml(b"hooks: [\n", "not closed")]
#[case::a_list(b"- version: 0.0\n", "mapping")]
#[case::a_scalar(b"hello\n", "mapping")]
#[case::no_version(b"os: linux\n", "version")]
#[case::wrong_version(b"version: 1.0\nos: linux\n", "1.0")]
#[case::no_os(b"version: 0.0\n", "os")]
#[case::windows(b"version: 0.0\nos: windows\n", "windows")]
#[case::wrong_os(b"version: 0.0\nos: ubuntu\n", "linux")]
#[case::timeout_0(
    b"version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: s\n    timeout: 0\n",
    "timeout"
)]
#[case::timeout_negative(
    b"version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: s\n    timeout: -1\n",
    "timeout"
)]
#[case::timeout_abc(
    b"version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: s\n    timeout: abc\n",
    "timeout"
)]
#[case::script_outside(
    b"version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: ../s\n",
    "../s"
)]
#[case::binary(b"\x7fELF\x00\x01\xff", "")]
fn an_appspec_that_breaks_the_rules(#[case] appspec: &[u8], #[case] said: &str) {
    let message = refused(appspec);
    assert!(message.contains(said), "{message}");
}

#[test]
fn all_problems_of_an_appspec_are_shown_at_once_with_their_lines() {
    let message = refused(
        b"version: 0.0\nos: ubuntu\nfiles:\n- source: a\nhooks:\n  AfterInstall:\n  \
          - location: s\n    timeout: abc\n",
    );
    for excerpt in ["os: ubuntu", "destination", "timeout: abc"] {
        assert!(message.contains(excerpt), "{message}");
    }
}

#[test]
fn no_appspec() {
    let host = TestHost::new();
    let outcome = host.deploy(&host.bundle().file("AppSpec.yml", "")).run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(message.contains("AppSpec.yml"), "{message}");
}

#[rstest]
#[case::missing("  - location: nothing.sh\n", 1)]
#[case::a_directory("  - location: directory\n", 4)]
#[case::unknown_user("  - location: s.sh\n    runas: no-such-user\n", 4)]
fn a_script_that_cannot_run_fails_its_event_and_not_before(#[case] hook: &str, #[case] code: u64) {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec(&format!("hooks:\n  AfterInstall:\n{hook}"))
        .script("s.sh", "echo")
        .file("directory/f", "");
    let outcome = host.deploy(&bundle).run();
    let failed = outcome.assert_failure("AfterInstall", code);
    assert!(!failed.script_name.is_empty());
    assert!(failed.message.contains(&failed.script_name), "{failed:?}");
}

#[test]
fn before_install_may_create_the_script_of_a_later_event() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  BeforeInstall:\n  - location: make.sh\n  AfterInstall:\n  - location: made.sh\n")
        .script("make.sh", "echo 'echo made' >\"$(dirname \"$0\")/made.sh\"");
    host.deploy(&bundle).run().assert_success();
}

#[rstest]
#[case::owner("  owner: no-such-user\n", "no-such-user")]
#[case::group("  group: no-such-group\n", "no-such-group")]
#[case::acl("  acls:\n  - u:no-such-user:rw\n", "no-such-user")]
fn unknown_names_in_permissions_fail_before_anything_is_touched(
    #[case] attribute: &str,
    #[case] said: &str,
) {
    let host = TestHost::new();
    let destination = host.destination();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: f\n  destination: {0}\npermissions:\n- object: {0}\n{attribute}",
            destination.display()
        ))
        .file("f", "");
    let outcome = host.deploy(&bundle).run();
    let message = &outcome.assert_failure("Install", 5).message;
    assert!(message.contains(said), "{message}");
    assert!(snapshot(&destination).is_empty());
}

#[test]
fn a_group_with_the_name_of_the_agents_own_records_is_refused() {
    let host =
        TestHost::with_configuration("ongoing_deployment_tracking: at-work\nmax_revisions: 1");
    let bundle = host.bundle().appspec("");
    host.deploy(&bundle).run().assert_success();
    // As another agent has it.
    fs_err::create_dir_all(host.root().join("at-work/d-1")).unwrap();
    let kept = ["deployment-instructions", "at-work", "deployment-logs"];
    let before = kept.map(|name| snapshot(&host.root().join(name)));
    for name in kept
        .into_iter()
        .chain(["ongoing-deployment", "commands.journal"])
    {
        let deployment = || host.deploy(&bundle).arguments(["-g", name]);
        let outcome = deployment().run();
        assert!(
            outcome.stdout.contains(name) && outcome.stdout.contains("use another id"),
            "{outcome:?}"
        );
        assert_ne!(outcome.exit_code, Some(0));
        let planned = deployment().planned().run();
        assert!(planned.stdout.contains("use another id"), "{planned:?}");
    }
    assert_eq!(kept.map(|name| snapshot(&host.root().join(name))), before);
    for name in ["ongoing-deployment", "commands.journal"] {
        assert!(!host.root().join(name).exists(), "{name}");
    }
}
