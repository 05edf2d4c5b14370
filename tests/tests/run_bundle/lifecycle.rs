//! Event order and the revision that each event runs from.

use integration_tests::{Bundle, TestHost};

/// A bundle whose script for every standard event prints the event and `label`.
fn every_event(host: &TestHost, label: &str) -> Bundle {
    const EVENTS: [&str; 9] = [
        "BeforeBlockTraffic",
        "AfterBlockTraffic",
        "ApplicationStop",
        "BeforeInstall",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ];
    let hooks: String = EVENTS
        .iter()
        .map(|event| format!("  {event}:\n  - location: say.sh\n"))
        .collect();
    host.bundle()
        .appspec(&format!("hooks:\n{hooks}"))
        .script("say.sh", &format!("echo \"$LIFECYCLE_EVENT {label}\""))
}

fn said(log: &[String]) -> Vec<&str> {
    log.iter()
        .filter_map(|line| line.strip_prefix("[stdout]"))
        .collect()
}

#[test]
fn on_the_first_deployment_events_of_the_previous_revision_are_noops() {
    let host = TestHost::new();
    let outcome = host.deploy(&every_event(&host, "one")).run();
    outcome.assert_success();
    assert_eq!(
        outcome.results(),
        [
            "BeforeBlockTraffic:noop",
            "AfterBlockTraffic:noop",
            "ApplicationStop:noop",
            "DownloadBundle:succeeded",
            "BeforeInstall:succeeded",
            "Install:succeeded",
            "AfterInstall:succeeded",
            "ApplicationStart:succeeded",
            "ValidateService:succeeded",
            "BeforeAllowTraffic:succeeded",
            "AfterAllowTraffic:succeeded",
        ]
    );
    assert_eq!(
        said(&outcome.script_log()),
        [
            "BeforeInstall one",
            "AfterInstall one",
            "ApplicationStart one",
            "ValidateService one",
            "BeforeAllowTraffic one",
            "AfterAllowTraffic one",
        ]
    );
}

#[test]
fn on_the_second_deployment_they_run_from_the_last_successful_revision() {
    let host = TestHost::new();
    host.deploy(&every_event(&host, "one"))
        .run()
        .assert_success();
    let outcome = host.deploy(&every_event(&host, "two")).run();
    outcome.assert_success();
    assert_eq!(
        said(&outcome.script_log()),
        [
            "BeforeBlockTraffic one",
            "AfterBlockTraffic one",
            "ApplicationStop one",
            "BeforeInstall two",
            "AfterInstall two",
            "ApplicationStart two",
            "ValidateService two",
            "BeforeAllowTraffic two",
            "AfterAllowTraffic two",
        ]
    );
}

#[test]
fn the_first_failing_script_ends_the_deployment() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec(
            "hooks:\n  BeforeInstall:\n  - location: one.sh\n  - location: two.sh\n  \
             - location: three.sh\n  AfterInstall:\n  - location: one.sh\n",
        )
        .script("one.sh", "echo one")
        .script("two.sh", "echo two; exit 9")
        .script("three.sh", "echo three");
    let outcome = host.deploy(&bundle).run();
    let failed = outcome.assert_failure("BeforeInstall", 4);
    assert_eq!(failed.scripts, ["one.sh", "two.sh"]);
    assert_eq!(failed.script_name, "two.sh");
    assert!(
        failed.message.contains("two.sh") && failed.message.contains('9'),
        "{failed:?}"
    );
    assert_eq!(
        failed.log,
        "LifecycleEvent - BeforeInstall\nScript - one.sh\n[stdout]one\nScript - two.sh\n\
         [stdout]two\n"
    );
}

#[test]
fn after_a_failure_the_next_deployment_stops_the_last_successful_revision() {
    let host = TestHost::new();
    host.deploy(&every_event(&host, "one"))
        .run()
        .assert_success();
    let broken = host
        .bundle()
        .appspec("hooks:\n  BeforeInstall:\n  - location: no.sh\n")
        .script("no.sh", "exit 1");
    host.deploy(&broken)
        .run()
        .assert_failure("BeforeInstall", 4);
    let outcome = host.deploy(&every_event(&host, "three")).run();
    assert_eq!(
        said(&outcome.script_log())[..3],
        [
            "BeforeBlockTraffic one",
            "AfterBlockTraffic one",
            "ApplicationStop one",
        ]
    );
}

#[test]
fn a_failure_after_install_leaves_the_new_revision_as_the_last_successful_one() {
    // As AWS's agents have it: the pointer is written at the end of Install.
    let host = TestHost::new();
    let broken = host
        .bundle()
        .appspec(
            "hooks:\n  ApplicationStop:\n  - location: stop.sh\n  ValidateService:\n  \
             - location: no.sh\n",
        )
        .script("stop.sh", "echo stopping the broken one")
        .script("no.sh", "exit 1");
    host.deploy(&broken)
        .run()
        .assert_failure("ValidateService", 4);
    let outcome = host.deploy(&every_event(&host, "two")).run();
    outcome.assert_success();
    assert_eq!(said(&outcome.script_log())[0], "stopping the broken one");
}

#[test]
fn a_previous_revision_whose_archive_is_gone_is_a_warning() {
    let host = TestHost::new();
    let first = host.deploy(&every_event(&host, "one")).run();
    fs_err::remove_dir_all(first.directory().join("deployment-archive")).unwrap();
    let outcome = host.deploy(&every_event(&host, "two")).run();
    outcome.assert_success();
    for event in ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"] {
        let event = outcome.event(event);
        assert_eq!(event.result, "noop");
        assert!(
            event.warnings[0].contains(&first.deployment_id()),
            "{event:?}"
        );
    }
}

#[test]
fn custom_events_run_where_they_are_named() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec(
            "hooks:\n  Warm up:\n  - location: say.sh\n  AfterInstall:\n  - location: say.sh\n",
        )
        .script("say.sh", "echo \"$LIFECYCLE_EVENT\"");
    let outcome = host.deploy(&bundle).events("AfterInstall,Warm up").run();
    outcome.assert_success();
    assert_eq!(
        outcome.results(),
        [
            "DownloadBundle:succeeded",
            "Install:succeeded",
            "AfterInstall:succeeded",
            "Warm up:succeeded"
        ]
    );
    assert_eq!(said(&outcome.script_log()), ["AfterInstall", "Warm up"]);
}

#[test]
fn a_hook_name_that_no_event_has_fails_install() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstal:\n  - location: say.sh\n")
        .script("say.sh", "echo");
    let outcome = host.deploy(&bundle).run();
    assert!(
        outcome
            .assert_failure("Install", 5)
            .message
            .contains("AfterInstal")
    );
}

#[test]
fn a_custom_event_without_hooks_fails_install() {
    let host = TestHost::new();
    let bundle = host.bundle().appspec("");
    let outcome = host.deploy(&bundle).events("Mine").run();
    assert!(
        outcome
            .assert_failure("Install", 5)
            .message
            .contains("Mine")
    );
}

#[test]
fn another_appspec_name_counts_for_every_event() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .file(
            "deploy/mine.yml",
            "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: say.sh\n",
        )
        .script("say.sh", "echo mine");
    let outcome = host
        .deploy(&bundle)
        .arguments(["-A", "deploy/mine.yml"])
        .run();
    outcome.assert_success();
    assert_eq!(said(&outcome.script_log()), ["mine"]);
}
