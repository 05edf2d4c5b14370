//! Deployments of the service.

use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::{DaemonHost, eventually};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_deployment_of_the_service_is_followed_and_remembered() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    daemon.publish("b.zip", gated(host, "").path());
    let mut running = daemon.start();
    let scripted = daemon.deploy("d-1", "b.zip");
    in_hook(host);
    let now = || list(host).remove(0);
    assert_eq!(now()["result"], "running");
    assert_eq!(now()["event"], "AfterInstall");
    let follower = Following::start(host, &["deployments", "show", "-f", "d-1"]);
    follower.wait_for(r#""type":"began""#);

    // The status tells the same.
    let status = json(host, &["status", "--output", "json"]);
    assert_eq!(status["running"], true);
    assert_eq!(status["pid"], running.pid());
    // The agent's process may be looked into by root only.
    let is_root = nix::unistd::geteuid().is_root();
    let version = is_root.then_some(env!("CARGO_PKG_VERSION"));
    assert_eq!(status["version"], json!(version));
    assert_eq!(status["at_work"][0]["id"], "d-1");
    assert_eq!(status["at_work"][0]["event"], "AfterInstall");
    assert!(status["at_work"][0]["event_for_ms"].is_u64());
    let said = run(host, &["status"]);
    assert_eq!(said.status.code(), Some(0));
    let said = text(&said.stdout);
    let first = format!(
        "The CodeDeploy host agent is running as PID {}",
        running.pid()
    );
    assert_eq!(said.lines().next(), Some(first.as_str()));
    assert!(said.contains("\nSince "), "{said}");
    let version = concat!(", version ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(said.contains(version), is_root, "{said}");
    assert!(said.contains("\nAt work: d-1 ("), "{said}");
    assert!(said.contains(" in AfterInstall for "), "{said}");

    release(host);
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    let (exit, followed) = follower.wait();
    assert_eq!(exit.code(), Some(0), "{followed}");
    daemon.wait_until_idle();
    running.stop();
    let past = now();
    assert_eq!(past["result"], "succeeded", "{past}");
    assert_eq!(past["requester"], "service");
    assert_eq!(past["group_id"], "group-1");
    assert!(
        past["revision"]
            .as_str()
            .unwrap()
            .starts_with("s3://revisions/b.zip")
    );
    assert_eq!(past["last_successful"], true);
    let shown = json(host, &["deployments", "show", "d-1"]);
    let events = shown["events"].as_array().unwrap();
    assert!(
        events.iter().all(|event| event["settlement"] == "accepted"),
        "{shown}"
    );
    let names: Vec<&Value> = events.iter().map(|event| &event["name"]).collect();
    assert_eq!(names.first(), Some(&&json!("ApplicationStop")));
    assert_eq!(names.last(), Some(&&json!("ValidateService")));
}

#[test]
fn a_failure_is_told_with_its_code_and_local_deployments_are_beside_it() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    daemon.publish("b.zip", hooked(host, "echo no; exit 3").path());
    let mut running = daemon.start();
    let scripted = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Failed
    );
    daemon.wait_until_idle();
    let local = host.deploy(&hooked(host, "echo fine")).run();
    local.assert_success();
    let list = list(host);
    assert_eq!(list[0]["id"], local.deployment_id());
    assert_eq!(list[1]["id"], "d-1");
    assert_eq!(list[1]["result"], "failed");
    assert_eq!(
        (&list[1]["event"], &list[1]["code"]),
        (&json!("AfterInstall"), &json!(4))
    );
    let shown = json(host, &["deployments", "show", "d-1"]);
    assert!(shown["log"].to_string().contains("[stdout]no"), "{shown}");
    let status = json(host, &["status", "--output", "json"]);
    assert_eq!(status["at_work"], json!([]));
    let last: Vec<&Value> = status["last_deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|past| &past["id"])
        .collect();
    assert_eq!(last, [&json!(local.deployment_id()), &json!("d-1")]);
    running.stop();
}

#[test]
fn what_a_stopped_agent_left_at_work_is_told() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    daemon.publish("b.zip", gated(host, "").path());
    let mut running = daemon.start();
    let scripted = daemon.deploy("d-1", "b.zip");
    in_hook(host);
    running.stop();
    let status = run(host, &["status"]);
    assert_eq!(status.status.code(), Some(3));
    let said = text(&status.stdout);
    assert!(
        said.starts_with("The CodeDeploy host agent is not running\nAt work: d-1 (Fleet), in "),
        "{said}"
    );
    assert!(said.contains("; the next agent takes it up\n"), "{said}");
    release(host);
    let mut running = daemon.start();
    assert_eq!(
        daemon.service.wait_for_end(&scripted),
        DeploymentEnd::Succeeded
    );
    running.stop();
}

#[test]
fn a_damaged_journal_leaves_the_rest_to_be_told() {
    let daemon = DaemonHost::default();
    let host = &daemon.host;
    let local = host.deploy(&hooked(host, "echo fine")).run();
    fs_err::write(daemon.journal(), "no journal\n").unwrap();
    let output = run(host, &["deployments"]);
    assert!(output.status.success());
    assert!(
        text(&output.stderr).contains("cannot be read as a journal"),
        "{output:?}"
    );
    assert!(text(&output.stdout).contains(&local.deployment_id()));
    eventually("status to tell it, too", || {
        text(&run(host, &["status"]).stdout).contains(&local.deployment_id())
    });
}
