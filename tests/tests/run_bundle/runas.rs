//! Scripts as other users. All of it needs root.

use integration_tests::{Outcome, TestHost, running_as_root, take_umask};

fn run(configuration: &str, hook: &str, body: &str) -> Outcome {
    let host = TestHost::with_configuration(configuration);
    let bundle = host
        .bundle()
        .appspec(&format!(
            "hooks:\n  AfterInstall:\n  - location: hook.sh\n{hook}"
        ))
        .script("hook.sh", body);
    let outcome = host.deploy(&bundle).run();
    // The log goes with the host; keep its lines in the outcome's place of standard error.
    Outcome {
        stderr: outcome.script_log().join("\n"),
        ..outcome
    }
}

const WHO: &str =
    "id -un; id -gn; echo $HOME $USER $LOGNAME; pwd; umask; echo $DEPLOYMENT_GROUP_NAME";

#[test]
fn runas_sets_user_groups_and_account_variables() {
    if !running_as_root("running scripts as another user") {
        return;
    }
    for configuration in ["runas_via: native", "runas_via: su"] {
        let outcome = run(configuration, "    runas: daemon\n", WHO);
        outcome.assert_success();
        for line in [
            "[stdout]daemon",
            "[stdout]/usr/sbin daemon daemon",
            "[stdout]/",
            "[stdout]0022",
            "[stdout]LocalFleet",
        ] {
            assert!(
                outcome.stderr.lines().any(|found| found == line),
                "{configuration}: {}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn a_umask_that_is_closed_to_others_does_not_keep_users_from_their_scripts() {
    if !running_as_root("running scripts as another user") {
        return;
    }
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n    runas: daemon\n")
        .script("hook.sh", "id -un");
    let archive = host.path("b.zip");
    fs_err::write(&archive, integration_tests::s3::zipped(bundle.path())).unwrap();
    take_umask(0o077);
    let outcome = host.deploy_from(&archive).arguments(["-t", "zip"]).run();
    outcome.assert_success();
    assert!(outcome.script_log().contains(&"[stdout]daemon".to_owned()));
}

#[test]
fn runas_root_as_root_is_no_change() {
    if !running_as_root("running scripts as root") {
        return;
    }
    let outcome = run("", "    runas: root\n", "id -u");
    outcome.assert_success();
    assert!(outcome.stderr.contains("[stdout]0"));
}

#[test]
fn sudo_changes_nothing_for_root_without_runas() {
    if !running_as_root("running scripts as root") {
        return;
    }
    let outcome = run("", "    sudo: true\n", "id -u; echo $LIFECYCLE_EVENT");
    outcome.assert_success();
    assert!(
        outcome.stderr.contains("[stdout]0\n[stdout]AfterInstall"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn an_unknown_user_is_code_4_and_named() {
    let outcome = run("", "    runas: no-such-user\n", "id");
    let message = &outcome.assert_failure("AfterInstall", 4).message;
    assert!(
        message.contains("no-such-user") && message.contains("hook.sh"),
        "{message}"
    );
}

#[test]
fn a_user_name_is_never_an_option() {
    for name in ["-c", "--help", "root -c id"] {
        for via in ["native", "su"] {
            let outcome = run(
                &format!("runas_via: {via}"),
                &format!("    runas: \"{name}\"\n"),
                "id",
            );
            assert_eq!(
                outcome.summary["result"], "failed",
                "{via} {name}: {outcome:#?}"
            );
            assert!(
                !outcome.stderr.contains("uid="),
                "{via} {name}: {outcome:#?}"
            );
        }
    }
}
