//! What `agent clean` shows and removes on a quiet host.

use std::path::PathBuf;

use integration_tests::s3::zipped;
use integration_tests::{DaemonHost, TestHost, snapshot};
use rstest::rstest;
use serde_json::Value;

use crate::program::Program;

const GROUP: &str = "default-local-deployment-group";

fn group(host: &TestHost) -> PathBuf {
    host.root().join(GROUP)
}

/// Deploys a zip whose scripts say the label; returns the deployment's id.
fn deploy(host: &TestHost, label: &str) -> String {
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: label\n  destination: {}\nhooks:\n  ApplicationStop:\n  \
             - location: stop.sh\n",
            host.destination().display()
        ))
        .file("label", label)
        .script("stop.sh", &format!("echo stopping {label}"));
    let zip = host.path(&format!("{label}.zip"));
    fs_err::write(&zip, zipped(bundle.path())).unwrap();
    let outcome = host.deploy_from(&zip).run();
    outcome.assert_success();
    outcome.deployment_id()
}

fn names(host: &TestHost) -> Vec<String> {
    let entries = fs_err::read_dir(group(host)).unwrap();
    let name = |entry: std::io::Result<fs_err::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap()
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

fn removed(report: &Value, kind: &str) -> Vec<PathBuf> {
    let all = report["removed"].as_array().unwrap().iter();
    all.filter(|one| one["kind"] == kind)
        .map(|one| one["path"].as_str().unwrap().into())
        .collect()
}

#[test]
fn a_dry_run_shows_what_goes_and_changes_nothing() {
    let host = TestHost::new();
    let ids = ["one", "two", "three"].map(|label| deploy(&host, label));
    let before = snapshot(&host.root());
    let dry = Program::new(
        &host,
        ["clean", "--dry-run", "--keep", "2", "--output", "json"],
    );
    let shown = dry.run().assert_exit(0).json();
    assert!(snapshot(&host.root()) == before);
    assert_eq!(removed(&shown, "deployment"), [group(&host).join(&ids[0])]);
    let bundles: Vec<_> = ids[1..]
        .iter()
        .map(|id| group(&host).join(id).join("bundle.tar"))
        .collect();
    assert_eq!(removed(&shown, "bundle"), bundles);
    let deployments = shown["groups"][0]["deployments"].as_array().unwrap();
    assert_eq!(deployments[0]["stays"], Value::Null);
    assert_eq!(deployments[1]["stays"], "within the number that is kept");
    assert_eq!(deployments[2]["stays"], "the last successful revision");
    assert!(deployments[2]["archive_bytes"].as_u64().unwrap() > 0);
    assert!(shown["bytes_at_most"].as_u64().unwrap() > 0);
    let human = Program::new(&host, ["clean", "--dry-run"])
        .run()
        .assert_exit(0);
    human
        .assert_says("would remove bundle")
        .assert_says("Would free");
}

#[test]
fn what_goes_is_said_and_the_next_deployment_finds_its_predecessor() {
    let host = TestHost::new();
    let ids = ["one", "two", "three"].map(|label| deploy(&host, label));
    let partial = group(&host)
        .join(&ids[2])
        .join("deployment-archive.partial");
    fs_err::create_dir_all(partial.join("deep")).unwrap();
    let run = Program::new(&host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    run.assert_says(&format!(
        "removed deployment {}",
        group(&host).join(&ids[0]).display()
    ))
    .assert_says(&format!("removed partial {}", partial.display()))
    .assert_says("Freed ");
    assert_eq!(names(&host), [ids[2].clone()]);
    assert!(!group(&host).join(&ids[2]).join("bundle.tar").exists());
    assert!(!partial.exists());
    let again = Program::new(&host, ["clean", "--keep", "1", "--output", "json"]).run();
    assert_eq!(
        again.assert_exit(0).json()["removed"],
        Value::Array(Vec::new())
    );
    let next = host.deploy(&host.bundle().appspec("")).run();
    next.assert_success();
    assert!(
        next.script_log()
            .contains(&"[stdout]stopping three".to_owned()),
        "{next:#?}"
    );
}

#[test]
fn the_order_of_age_stays_when_bundles_go() {
    let host = TestHost::new();
    let ids = ["one", "two", "three"].map(|label| deploy(&host, label));
    Program::new(&host, ["clean"]).run().assert_exit(0);
    Program::new(&host, ["clean", "--keep", "2"])
        .run()
        .assert_exit(0);
    let mut left = ids[1..].to_vec();
    left.sort();
    assert_eq!(names(&host), left);
}

#[test]
fn links_are_never_followed() {
    let host = TestHost::new();
    let ids = ["one", "two"].map(|label| deploy(&host, label));
    let precious = host.path("precious");
    fs_err::create_dir(&precious).unwrap();
    fs_err::write(precious.join("file"), "kept").unwrap();
    let link = |at: PathBuf| {
        match fs_err::symlink_metadata(&at) {
            Ok(found) if found.is_dir() => fs_err::remove_dir_all(&at).unwrap(),
            Ok(_) => fs_err::remove_file(&at).unwrap(),
            Err(_) => {}
        }
        fs_err::os::unix::fs::symlink(&precious, at).unwrap();
    };
    let (old, last) = (group(&host).join(&ids[0]), group(&host).join(&ids[1]));
    link(old.join("deployment-archive/inside"));
    link(old.join("bundle.tar"));
    link(old.join("hook-runs"));
    let time = std::time::SystemTime::UNIX_EPOCH;
    fs_err::File::open(&old)
        .unwrap()
        .set_modified(time)
        .unwrap();
    link(last.join("deployment-archive.partial"));
    link(last.join("bundle.tar"));
    link(last.join("bundle.tar.parts"));
    link(group(&host).join("d-LINK"));
    link(host.root().join("linked-group"));
    Program::new(&host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    assert!(!old.exists());
    for name in [
        "deployment-archive.partial",
        "bundle.tar",
        "bundle.tar.parts",
    ] {
        assert!(fs_err::symlink_metadata(last.join(name)).is_err(), "{name}");
    }
    assert_eq!(
        fs_err::read_to_string(precious.join("file")).unwrap(),
        "kept"
    );
    // What is no deployment's directory is nobody's we know.
    assert!(group(&host).join("d-LINK").is_symlink());
    assert!(host.root().join("linked-group").is_symlink());
}

#[test]
fn what_nobody_knows_stays() {
    let host = TestHost::new();
    let ids = ["one", "two"].map(|label| deploy(&host, label));
    let strange = group(&host).join("backup-of-mine");
    fs_err::create_dir(&strange).unwrap();
    let elsewhere = host.root().join("not-a-group");
    fs_err::create_dir(&elsewhere).unwrap();
    fs_err::write(elsewhere.join("bundle.tar"), "x").unwrap();
    Program::new(&host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    assert_eq!(names(&host), ["backup-of-mine".to_owned(), ids[1].clone()]);
    assert!(elsewhere.join("bundle.tar").exists());
}

#[test]
fn an_install_that_was_killed_is_left_to_its_recovery() {
    let host = TestHost::new();
    let ids = ["one", "two"].map(|label| deploy(&host, label));
    let installing = host
        .root()
        .join(format!("deployment-instructions/.{GROUP}-install"));
    fs_err::create_dir(&installing).unwrap();
    let run = Program::new(&host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(0);
    run.assert_says("an Install was killed");
    assert_eq!(names(&host).len(), ids.len());
    assert!(group(&host).join(&ids[0]).join("bundle.tar").exists());
}

#[test]
fn a_staging_area_that_a_recovery_has_left_is_named_and_stays() {
    let host = TestHost::new();
    let _ = deploy(&host, "one");
    let left = host.destination().join(".codedeploy-0123456789abcdef");
    fs_err::create_dir_all(left.join("old")).unwrap();
    let other = host.destination().join(".codedeploy-notes");
    fs_err::create_dir(&other).unwrap();
    let run = Program::new(&host, ["clean"]).run().assert_exit(0);
    run.assert_says(&format!("the staging area {} (", left.display()));
    assert!(!run.stdout.contains(other.to_str().unwrap()));
    assert!(left.exists());
    // One that an Install knows is its own.
    let working = host.root().join("deployment-instructions/.other-install");
    fs_err::create_dir(&working).unwrap();
    fs_err::write(working.join("staging"), format!("{}\0", left.display())).unwrap();
    let run = Program::new(&host, ["clean"]).run().assert_exit(0);
    assert!(!run.stdout.contains("staging area"), "{run:#?}");
}

#[test]
fn a_damaged_journal_or_pointer_stops_it() {
    let host = TestHost::new();
    let _ = ["one", "two"].map(|label| deploy(&host, label));
    let pointer = host.root().join(format!(
        "deployment-instructions/{GROUP}_last_successful_install"
    ));
    let content = fs_err::read(&pointer).unwrap();
    fs_err::write(&pointer, "relative").unwrap();
    let run = Program::new(&host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(1);
    run.assert_says("cannot tell which revisions must stay");
    assert_eq!(names(&host).len(), 2);
    fs_err::write(&pointer, content).unwrap();
    fs_err::write(host.root().join("commands.journal"), "no journal\n").unwrap();
    let run = Program::new(&host, ["clean", "--keep", "1"])
        .run()
        .assert_exit(1);
    run.assert_says("cannot tell what is at work");
    assert_eq!(names(&host).len(), 2);
}

#[test]
fn rotated_logs_beyond_the_kept_ones_go() {
    let host = TestHost::new();
    let log = host.path("log");
    fs_err::create_dir_all(&log).unwrap();
    for day in 1..=9 {
        fs_err::write(log.join(format!("codedeploy-agent.2026010{day}.log")), "x").unwrap();
    }
    fs_err::write(log.join("other.20260101.log"), "x").unwrap();
    let scripts = host.root().join("deployment-logs");
    fs_err::create_dir_all(&scripts).unwrap();
    for number in 0..9 {
        let name = format!("codedeploy-agent-deployments.log.{number}");
        fs_err::write(scripts.join(name), "x").unwrap();
    }
    let run = Program::new(&host, ["clean", "--output", "json"]).run();
    let gone = removed(&run.assert_exit(0).json(), "log");
    let expected = [
        log.join("codedeploy-agent.20260101.log"),
        log.join("codedeploy-agent.20260102.log"),
        scripts.join("codedeploy-agent-deployments.log.7"),
        scripts.join("codedeploy-agent-deployments.log.8"),
    ];
    assert_eq!(gone, expected);
    assert!(expected.iter().all(|path| !path.exists()));
    assert!(log.join("other.20260101.log").exists());
}

#[test]
fn one_group_is_chosen_by_name_or_id() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    let bundle = host.bundle().appspec("");
    daemon.publish("one.zip", bundle.path());
    let mut running = daemon.start();
    let first = daemon.deploy("d-ONE", "one.zip");
    let _ = daemon.service.wait_for_end(&first);
    daemon.wait_until_idle();
    running.stop();
    let local = deploy(host, "local");
    let bundle_of_service = host.root().join("group-1/d-ONE/bundle.tar");
    let local_bundle = group(host).join(local).join("bundle.tar");
    assert!(bundle_of_service.exists() && local_bundle.exists());
    let wrong = Program::new(host, ["clean", "--group", "nobody"])
        .run()
        .assert_exit(2);
    wrong.assert_says("name one of these: default-local-deployment-group (LocalFleet), group-1 (");
    let shown = Program::new(
        host,
        [
            "clean",
            "--dry-run",
            "--group",
            "group-1",
            "--output",
            "json",
        ],
    );
    let shown = shown.run().assert_exit(0).json();
    let name = shown["groups"][0]["names"][0].as_str().unwrap();
    Program::new(host, ["clean", "--group", name])
        .run()
        .assert_exit(0);
    assert!(!bundle_of_service.exists() && local_bundle.exists());
    Program::new(host, ["clean", "--group", "LocalFleet"])
        .run()
        .assert_exit(0);
    assert!(!local_bundle.exists());
}

#[rstest]
#[case::zero(&["clean", "--keep", "0"], "write a number from 1")]
#[case::negative(&["clean", "--keep", "-1"], "-1")]
#[case::limit(&["deployments", "--limit", "x"], "write a number, 0 for all")]
fn bad_usage(#[case] arguments: &[&str], #[case] said: &str) {
    let run = Program::new(&TestHost::new(), arguments).run();
    run.assert_exit(2).assert_says(said);
}
