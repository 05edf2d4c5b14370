//! What happens to files that are in the way.

use integration_tests::{Bundle, TestHost, command, snapshot};
use rstest::rstest;

fn bundle(host: &TestHost, behavior: &str) -> Bundle {
    host.bundle()
        .appspec(&format!(
            "{behavior}files:\n- source: app\n  destination: {}\n",
            host.destination().display()
        ))
        .file("app/one", "new one")
        .file("app/two", "new two")
        .file("app/three", "new three")
}

/// A host on which two of the files are in the way.
fn host() -> TestHost {
    let host = TestHost::new();
    fs_err::write(host.destination().join("one"), "foreign one").unwrap();
    fs_err::write(host.destination().join("two"), "foreign two").unwrap();
    host
}

fn content(host: &TestHost, name: &str) -> String {
    fs_err::read_to_string(host.destination().join(name)).unwrap()
}

#[test]
fn disallow_lists_every_conflict_and_touches_nothing() {
    let host = host();
    let before = snapshot(&host.destination());
    let outcome = host.deploy(&bundle(&host, "")).run();
    let message = &outcome.assert_failure("Install", 5).message;
    for name in ["one", "two"] {
        let path = host.destination().join(name);
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
    assert!(!message.contains("three"), "{message}");
    assert_eq!(snapshot(&host.destination()), before);
    assert_eq!(
        host.instructions("default-local-deployment-group-cleanup"),
        None
    );
}

#[test]
fn disallow_names_the_group_that_owns_a_file() {
    let host = TestHost::new();
    host.deploy(&bundle(&host, ""))
        .arguments(["-g", "other-group"])
        .run()
        .assert_success();
    let outcome = host.deploy(&bundle(&host, "")).run();
    let message = &outcome.assert_failure("Install", 5).message;
    assert!(message.contains("other-group"), "{message}");
}

#[rstest]
#[case("")]
#[case("file_exists_behavior: DISALLOW\n")]
fn overwrite_replaces_and_the_next_install_removes(#[case] appspec: &str) {
    let host = host();
    let deployment = host
        .deploy(&bundle(&host, appspec))
        .arguments(["-b", "OVERWRITE"]);
    if !appspec.is_empty() {
        // The AppSpec's own setting beats the option.
        deployment.run().assert_failure("Install", 5);
        return;
    }
    deployment.run().assert_success();
    assert_eq!(content(&host, "one"), "new one");
    let next = host.bundle().appspec("");
    host.deploy(&next).run().assert_success();
    assert!(snapshot(&host.destination()).is_empty());
}

#[test]
fn the_appspecs_overwrite_beats_the_options_default() {
    let host = host();
    host.deploy(&bundle(&host, "file_exists_behavior: OVERWRITE\n"))
        .run()
        .assert_success();
    assert_eq!(content(&host, "two"), "new two");
}

#[test]
fn retain_leaves_the_file_and_never_removes_it() {
    let host = host();
    host.deploy(&bundle(&host, ""))
        .arguments(["-b", "RETAIN"])
        .run()
        .assert_success();
    assert_eq!(content(&host, "one"), "foreign one");
    assert_eq!(content(&host, "three"), "new three");
    host.deploy(&host.bundle().appspec(""))
        .run()
        .assert_success();
    assert_eq!(content(&host, "one"), "foreign one");
    assert!(!host.destination().join("three").exists());
}

#[test]
fn an_unknown_behavior_fails_only_when_there_is_a_conflict() {
    let bad = "file_exists_behavior: MERGE\n";
    let clear = TestHost::new();
    clear.deploy(&bundle(&clear, bad)).run().assert_success();
    let host = host();
    let outcome = host.deploy(&bundle(&host, bad)).run();
    assert!(
        outcome
            .assert_failure("Install", 5)
            .message
            .contains("MERGE")
    );
}

#[test]
fn overwrite_replaces_a_running_program() {
    let host = TestHost::new();
    let program = host.destination().join("program");
    fs_err::copy("/bin/sleep", &program).unwrap();
    let mut running = command(&program).arg("600").spawn().unwrap();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: program\n  destination: {}\n",
            host.destination().display()
        ))
        .script("program", "echo new");
    let outcome = host.deploy(&bundle).arguments(["-b", "OVERWRITE"]).run();
    let still_running = running.try_wait().unwrap().is_none();
    running.kill().unwrap();
    running.wait().unwrap();
    outcome.assert_success();
    assert!(still_running);
    assert!(fs_err::read_to_string(program).unwrap().contains("new"));
}

#[test]
fn overwrite_replaces_a_link_and_not_what_it_leads_to() {
    let host = TestHost::new();
    let precious = host.path("precious");
    fs_err::write(&precious, "precious").unwrap();
    fs_err::os::unix::fs::symlink(&precious, host.destination().join("one")).unwrap();
    host.deploy(&bundle(&host, ""))
        .arguments(["-b", "OVERWRITE"])
        .run()
        .assert_success();
    assert_eq!(fs_err::read_to_string(precious).unwrap(), "precious");
    assert_eq!(content(&host, "one"), "new one");
}

#[test]
fn two_sources_for_one_destination_are_an_error() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: a/f\n  destination: {0}\n- source: b/f\n  destination: {0}\n",
            host.destination().display()
        ))
        .file("a/f", "")
        .file("b/f", "");
    let outcome = host.deploy(&bundle).run();
    let message = &outcome.assert_failure("Install", 5).message;
    assert!(
        message.contains(&host.destination().join("f").display().to_string()),
        "{message}"
    );
}

#[test]
fn a_file_where_a_directory_should_be_is_an_error_even_with_overwrite() {
    let host = TestHost::new();
    fs_err::write(host.destination().join("sub"), "a file").unwrap();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\n",
            host.destination().display()
        ))
        .file("app/sub/f", "");
    let outcome = host.deploy(&bundle).arguments(["-b", "OVERWRITE"]).run();
    let message = &outcome.assert_failure("Install", 5).message;
    assert!(message.contains("sub"), "{message}");
    assert_eq!(content(&host, "sub"), "a file");
}

#[test]
fn a_file_over_an_existing_directory_is_an_error() {
    let host = TestHost::new();
    fs_err::create_dir_all(host.destination().join("one/inside")).unwrap();
    let outcome = host
        .deploy(&bundle(&host, ""))
        .arguments(["-b", "OVERWRITE"])
        .run();
    outcome.assert_failure("Install", 5);
    assert!(host.destination().join("one/inside").is_dir());
}
