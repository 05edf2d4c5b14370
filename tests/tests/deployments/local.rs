//! What `run-bundle` leaves for later.

use integration_tests::{TestHost, eventually};
use nix::sys::signal::Signal;
use serde_json::json;

use super::*;

#[test]
fn a_success_a_failure_and_a_cancellation_are_told_apart() {
    let host = TestHost::new();
    let good = host.deploy(&hooked(&host, "echo fine")).run();
    good.assert_success();
    let bad = host.deploy(&hooked(&host, "exit 3")).run();
    bad.assert_failure("AfterInstall", 4);
    let started = host.deploy(&gated(&host, "")).start();
    in_hook(&host);
    started.signal(Signal::SIGINT);
    let cancelled = started.wait();
    let list = list(&host);
    let found: Vec<_> = list
        .iter()
        .map(|past| {
            (
                past["id"].as_str().unwrap(),
                past["result"].as_str().unwrap(),
            )
        })
        .collect();
    let ids = [&cancelled, &bad, &good].map(integration_tests::Outcome::deployment_id);
    assert_eq!(
        found,
        [
            (ids[0].as_str(), "cancelled"),
            (ids[1].as_str(), "failed"),
            (ids[2].as_str(), "succeeded")
        ]
    );
    assert_eq!(list[1]["event"], "AfterInstall");
    assert_eq!(list[1]["code"], 4);
    assert_eq!(list[1]["message"], "hook.sh failed with exit code 3");
    let shown = super::json(&host, &["deployments", "show", &ids[0]]);
    let last = shown["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["name"], "AfterInstall");
    assert_eq!(last["result"], "cancelled");
}

#[test]
fn a_deployment_runs_until_it_is_killed() {
    let host = TestHost::new();
    let started = host.deploy(&gated(&host, "")).start();
    in_hook(&host);
    let now = || list(&host).remove(0);
    eventually("the event to be recorded", || {
        now()["event"] == "AfterInstall"
    });
    assert_eq!(now()["result"], "running");
    assert_eq!(now()["ended"], json!(null));
    started.signal(Signal::SIGKILL);
    let _ = started.wait();
    let past = now();
    assert_eq!(past["result"], "killed", "{past}");
    assert_eq!(past["event"], "AfterInstall");
    release(&host);
    let said = human(
        &host,
        &["deployments", "show", past["id"].as_str().unwrap()],
    );
    assert!(
        said.contains("killed in AfterInstall: its process was killed"),
        "{said}"
    );
}

#[test]
fn two_at_once_lose_nothing_of_each_other() {
    let host = TestHost::new();
    let bundle = hooked(&host, "echo fine");
    for _ in 0..5 {
        let groups = ["one", "two"];
        let started = groups.map(|group| host.deploy(&bundle).arguments(["-g", group]).start());
        for started in started {
            started.wait().assert_success();
        }
    }
    let list = list(&host);
    assert_eq!(list.len(), 10);
    for past in &list {
        assert_eq!(past["result"], "succeeded", "{past}");
        let shown = super::json(
            &host,
            &["deployments", "show", past["id"].as_str().unwrap()],
        );
        let events = shown["events"].as_array().unwrap();
        assert!(
            events.iter().all(|event| event["duration_ms"].is_u64()),
            "{shown}"
        );
        assert!(events.iter().any(|event| event["name"] == "AfterInstall"));
    }
}

#[test]
fn a_damaged_line_harms_no_other_deployment() {
    let host = TestHost::new();
    let bundle = hooked(&host, "echo fine");
    let ids = [(); 2].map(|()| host.deploy(&bundle).run().deployment_id());
    let path = host.root().join("local-deployments.history");
    let text = fs_err::read_to_string(&path).unwrap();
    // The end of the first deployment.
    let line = text
        .lines()
        .position(|line| line.contains(r#"{"ended""#))
        .unwrap();
    let damaged: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(number, text)| match number == line {
            true => text.replace("succeeded", "Succeeded"),
            false => text.to_owned(),
        })
        .collect();
    // And a record that was being written.
    fs_err::write(&path, damaged.join("\n") + "\n0123abcd {\"ended\":").unwrap();
    let output = run(&host, &["deployments"]);
    let said = text_of_warning(&output);
    assert!(said.contains(&format!("line {} of", line + 1)), "{said}");
    let third = host.deploy(&bundle).run();
    third.assert_success();
    let results: Vec<_> = list(&host)
        .into_iter()
        .map(|past| (past["id"].clone(), past["result"].clone()))
        .collect();
    assert_eq!(
        results,
        [
            (json!(third.deployment_id()), json!("succeeded")),
            (json!(ids[1]), json!("succeeded")),
            (json!(ids[0]), json!("killed")),
        ]
    );
}

fn text_of_warning(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stderr)
}

#[test]
fn a_record_that_cannot_be_written_is_a_warning() {
    let host = TestHost::new();
    fs_err::create_dir_all(host.root().join("local-deployments.history")).unwrap();
    let outcome = host.deploy(&hooked(&host, "echo fine")).run();
    outcome.assert_success();
    let warnings: Vec<&String> = outcome
        .events
        .iter()
        .flat_map(|event| &event.warnings)
        .filter(|warning| warning.contains("local-deployments.history"))
        .collect();
    let [warning] = warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.contains("it is a directory; move it away"),
        "{warning}"
    );
    // Its directory tells of it all the same.
    let list = list(&host);
    assert_eq!(list[0]["id"], outcome.deployment_id());
    assert_eq!(list[0]["result"], "unknown");
}
