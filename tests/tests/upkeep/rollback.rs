//! `agent rollback`: an earlier revision is deployed again from its archive.

use std::collections::BTreeMap;
use std::path::PathBuf;

use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::{DaemonHost, TestHost, snapshot};
use rstest::rstest;
use serde_json::Value;

use crate::program::{Program, Run};

const GROUP: &str = "default-local-deployment-group";
const EVENTS: [&str; 5] = [
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
];

/// Deploys a revision of files `common` and `only-<label>`, whose scripts note what runs, and
/// removes the bundle; the outcome's exit status and the deployment's id.
fn deploy(host: &TestHost, label: &str, more: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let hooks: String = EVENTS
        .iter()
        .map(|event| format!("  {event}:\n  - location: note.sh\n"))
        .collect();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\nhooks:\n{hooks}",
            host.destination().display()
        ))
        .file("app/common", label)
        .file(&format!("app/only-{label}"), label)
        .script(
            "note.sh",
            &format!(
                "echo \"$LIFECYCLE_EVENT {label} $APPLICATION_NAME\" >>{}\n{more}",
                notes(host).display()
            ),
        );
    let outcome = host
        .deploy(&bundle)
        .arguments(["-a", "App"])
        .arguments(arguments)
        .run();
    fs_err::remove_dir_all(bundle.path()).unwrap();
    (outcome.exit_code, outcome.deployment_id())
}

fn succeeding(host: &TestHost, label: &str) -> String {
    let (exit, id) = deploy(host, label, "", &[]);
    assert_eq!(exit, Some(0));
    id
}

fn notes(host: &TestHost) -> PathBuf {
    host.path("notes")
}

fn noted(host: &TestHost) -> Vec<String> {
    let text = fs_err::read_to_string(notes(host)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What is installed, by name.
fn installed(host: &TestHost) -> BTreeMap<String, String> {
    fs_err::read_dir(host.destination())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs_err::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// What there is after a deployment of `label`, and nothing else.
fn only(label: &str) -> BTreeMap<String, String> {
    let file = |name: String| (name, label.to_owned());
    [file("common".to_owned()), file(format!("only-{label}"))].into()
}

fn rollback(host: &TestHost, arguments: &[&str]) -> Program {
    Program::new(host, ["rollback"].iter().chain(arguments))
}

/// The summary of a run with `--output json`.
fn summary(run: &Run) -> Value {
    let lines = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let mut summaries = lines.filter(|line: &Value| line["type"] == "summary");
    summaries
        .next()
        .unwrap_or_else(|| panic!("no summary: {run:#?}"))
}

fn recorded(host: &TestHost) -> String {
    fs_err::read_to_string(host.root().join("local-deployments.history")).unwrap()
}

#[test]
fn the_revision_before_is_deployed_as_a_deployment_of_its_own() {
    let host = TestHost::new();
    let (one, two) = (succeeding(&host, "one"), succeeding(&host, "two"));
    assert_eq!(installed(&host), only("two"));
    fs_err::remove_file(notes(&host)).unwrap();
    let before = snapshot(&host.root());
    let dry = rollback(&host, &["--dry-run"]).run().assert_exit(0);
    dry.assert_says(&format!("Would deploy the archive of {one}"));
    assert!(snapshot(&host.root()) == before);

    let run = rollback(&host, &["--output", "json"]).run().assert_exit(0);
    let summary = summary(&run);
    let id = summary["deployment_id"].as_str().unwrap();
    assert!(id != one && id != two && id.ends_with("-local"), "{run:#?}");
    assert_eq!(installed(&host), only("one"));
    // Stopped by the revision that ran, and all else by the one that comes.
    let mut expected = vec!["ApplicationStop two App".to_owned()];
    expected.extend(EVENTS[1..].iter().map(|event| format!("{event} one App")));
    assert_eq!(noted(&host), expected);
    let directory = PathBuf::from(summary["deployment_directory"].as_str().unwrap());
    assert!(directory.join("deployment-archive/app/only-one").exists());
    let pointer = host
        .instructions(&format!("{GROUP}_last_successful_install"))
        .unwrap();
    assert_eq!(pointer, directory.to_str().unwrap());
    assert!(recorded(&host).contains(id), "{}", recorded(&host));

    // The one before it is now the other; and a deployment after it removes its files.
    let run = rollback(&host, &[]).run().assert_exit(0);
    run.assert_says(&format!("the archive of {two}"))
        .assert_says("succeeded");
    assert_eq!(installed(&host), only("two"));
    succeeding(&host, "three");
    assert_eq!(installed(&host), only("three"));
    rollback(&host, &["--to", &one]).run().assert_exit(0);
    assert_eq!(installed(&host), only("one"));
}

#[rstest]
#[case::before_install("BeforeInstall")]
#[case::at_the_end("ValidateService")]
fn a_deployment_that_failed_is_taken_back(#[case] event: &str) {
    let host = TestHost::new();
    let one = succeeding(&host, "one");
    let fails = format!("[ \"$LIFECYCLE_EVENT\" != {event} ]");
    assert_eq!(deploy(&host, "bad", &fails, &[]).0, Some(1));
    let run = rollback(&host, &[]).run().assert_exit(0);
    run.assert_says(&format!("the archive of {one}"));
    assert_eq!(installed(&host), only("one"));
}

#[test]
fn a_hook_that_fails_fails_it_and_it_can_be_called_again() {
    let host = TestHost::new();
    let trouble = host.path("trouble");
    let fails = format!(
        "[ \"$LIFECYCLE_EVENT\" != ValidateService ] || [ ! -e {} ]",
        trouble.display()
    );
    let (exit, one) = deploy(&host, "one", &fails, &[]);
    assert_eq!(exit, Some(0));
    succeeding(&host, "two");
    fs_err::write(&trouble, "").unwrap();
    let run = rollback(&host, &[]).run().assert_exit(1);
    run.assert_says("failed");
    fs_err::remove_file(&trouble).unwrap();
    let again = rollback(&host, &[]).run().assert_exit(0);
    again.assert_says(&format!("the archive of {one}"));
    assert_eq!(installed(&host), only("one"));
}

#[test]
fn the_oldest_one_is_not_removed_to_make_room_for_itself() {
    let host = TestHost::with_configuration("max_revisions: 2");
    let one = succeeding(&host, "one");
    succeeding(&host, "two");
    let run = rollback(&host, &["--to", &one]).run().assert_exit(0);
    assert!(!run.stdout.contains("warning"), "{run:#?}");
    assert_eq!(installed(&host), only("one"));
}

#[test]
fn events_can_be_chosen() {
    let host = TestHost::new();
    succeeding(&host, "one");
    succeeding(&host, "two");
    fs_err::remove_file(notes(&host)).unwrap();
    rollback(&host, &["--events", "ApplicationStart"])
        .run()
        .assert_exit(0);
    assert_eq!(noted(&host), ["ApplicationStart one App"]);
    let before = snapshot(&host.root());
    let wrong = rollback(&host, &["--events", "AfterInstall,DownloadBundle"]).run();
    wrong.assert_exit(2).assert_says("--events cannot be used");
    assert!(snapshot(&host.root()) == before);
}

#[test]
fn a_file_in_the_way_is_in_the_way_as_in_any_deployment() {
    let host = TestHost::new();
    succeeding(&host, "one");
    succeeding(&host, "two");
    fs_err::write(host.destination().join("only-one"), "somebody's").unwrap();
    rollback(&host, &[]).run().assert_exit(1);
    assert_eq!(installed(&host)["only-one"], "somebody's");
    rollback(&host, &["-b", "OVERWRITE"]).run().assert_exit(0);
    assert_eq!(installed(&host), only("one"));
}

#[test]
fn where_there_is_nothing_to_go_back_to_it_says_what_to_do() {
    let host = TestHost::new();
    rollback(&host, &[])
        .run()
        .assert_exit(2)
        .assert_says("agent run-bundle");
    let one = succeeding(&host, "one");
    rollback(&host, &[])
        .run()
        .assert_exit(2)
        .assert_says("nothing to go back to");
    rollback(&host, &["--to", "d-NOBODY"])
        .run()
        .assert_exit(2)
        .assert_says(&one);
    rollback(&host, &["--group", "nobody"])
        .run()
        .assert_exit(2)
        .assert_says(GROUP);
    let two = succeeding(&host, "two");
    let three = succeeding(&host, "three");
    fs_err::remove_dir_all(
        host.root()
            .join(GROUP)
            .join(&two)
            .join("deployment-archive"),
    )
    .unwrap();
    let gone = rollback(&host, &[]).run().assert_exit(2);
    gone.assert_says(&two)
        .assert_says("no longer on this host")
        .assert_says(&one);
    rollback(&host, &["--to", &one]).run().assert_exit(0);
    let (exit, _) = deploy(&host, "other", "", &["-g", "other-group"]);
    assert_eq!(exit, Some(1), "the file of the first group is in the way");
    let several = rollback(&host, &[]).run().assert_exit(2);
    several.assert_says("other-group").assert_says("--group");
    rollback(&host, &["--group", GROUP, "--to", &three])
        .run()
        .assert_exit(0);
    assert_eq!(installed(&host), only("three"));
}

#[test]
fn a_group_of_the_service_wants_force() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    let mut running = daemon.start();
    for label in ["one", "two"] {
        let bundle = host
            .bundle()
            .appspec(&format!(
                "files:\n- source: common\n  destination: {}\n",
                host.destination().display()
            ))
            .file("common", label);
        let key = format!("{label}.zip");
        daemon.publish(&key, bundle.path());
        let scripted = daemon.deploy(&format!("d-{label}"), &key);
        assert_eq!(
            daemon.service.wait_for_end(&scripted),
            DeploymentEnd::Succeeded
        );
    }
    daemon.wait_until_idle();
    let refused = rollback(host, &[]).run().assert_exit(2);
    refused.assert_says("the service manages group-1");
    let refused = rollback(host, &["--group", "group-1"]).run().assert_exit(2);
    refused
        .assert_says("would not know of this deployment")
        .assert_says("--force");
    assert_eq!(installed(host)["common"], "two");
    // Beside the agent that runs.
    rollback(host, &["--to", "d-one", "--force"])
        .run()
        .assert_exit(0);
    assert_eq!(installed(host)["common"], "one");
    // The service's next deployment replaces it.
    let scripted = daemon.deploy("d-NEXT", "two.zip");
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    assert_eq!(installed(host)["common"], "two");
    running.stop();
}

/// Every fourth step, so that they share the machine.
#[rstest]
fn killed_at_any_step_it_can_be_called_again(#[values(1, 2, 3, 4)] first: usize) {
    let mut killed = 0;
    for step in (first..).step_by(4) {
        let host = TestHost::new();
        let one = succeeding(&host, "one");
        succeeding(&host, "two");
        let armed = format!("Agent@{step}=kill");
        let run = rollback(&host, &[])
            .variable("CODEDEPLOY_FAILPOINT", &armed)
            .run();
        if run.exit == Some(0) {
            break;
        }
        assert_eq!(run.exit, None, "killed: {run:#?}");
        killed += 1;
        // A hook whose agent is gone may be in its last instruction.
        let again = rollback(&host, &[]).run().assert_exit(0);
        again.assert_says(&format!("the archive of {one}"));
        assert_eq!(installed(&host), only("one"), "step {step}\n{again:#?}");
        assert!(
            host.root()
                .join(GROUP)
                .join(&one)
                .join("deployment-archive/note.sh")
                .exists()
        );
    }
    assert!(killed > 3, "{killed}");
}
