//! `agent deployments show --follow`.

use integration_tests::TestHost;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::*;

fn running(host: &TestHost) -> String {
    let mut id = None;
    eventually("the deployment to be known", || {
        let newest = list(host).into_iter().next();
        id = newest.and_then(|past| Some(past["id"].as_str()?.to_owned()));
        id.is_some()
    });
    id.unwrap()
}

#[test]
fn a_deployment_is_followed_to_its_end() {
    for (end, status, result) in [("exit 0", 0, "succeeded"), ("exit 3", 1, "failed")] {
        let host = TestHost::new();
        let started = host.deploy(&gated(&host, end)).start();
        in_hook(&host);
        let id = running(&host);
        let follower = Following::start(&host, &["deployments", "show", "-f", &id]);
        follower.wait_for(r#""type":"began""#);
        assert!(!follower.said().contains("summary"));
        release(&host);
        let (exit, said) = follower.wait();
        let _ = started.wait();
        assert_eq!(exit.code(), Some(status), "{said}");
        let lines: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let began = lines.iter().find(|line| line["type"] == "began").unwrap();
        assert_eq!(began["event"]["name"], "AfterInstall");
        assert_eq!(began["event"]["result"], "running");
        let ended = lines
            .iter()
            .filter(|line| line["type"] == "event" && line["event"]["name"] == "AfterInstall");
        let ended: Vec<&Value> = ended.collect();
        assert_eq!(ended.len(), 1, "{said}");
        assert_eq!(ended[0]["event"]["result"], result);
        let last = lines.last().unwrap();
        assert_eq!(last["type"], "summary");
        assert_eq!(last["deployment"]["result"], result);
    }
}

#[test]
fn people_read_a_line_an_event() {
    let host = TestHost::new();
    let started = host.deploy(&gated(&host, "exit 3")).start();
    in_hook(&host);
    let id = running(&host);
    let arguments = ["deployments", "show", &id, "--follow", "--output", "human"];
    let follower = Following::start(&host, &arguments);
    follower.wait_for("AfterInstall: started");
    release(&host);
    let (_, said) = follower.wait();
    let _ = started.wait();
    assert!(said.contains("ApplicationStop: nothing to run\n"), "{said}");
    assert!(
        said.contains("AfterInstall: failed (code 4) after "),
        "{said}"
    );
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("Deployment {id} failed in AfterInstall")),
        "{last}"
    );
    // What is over is told at once.
    let again = run(&host, &arguments);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(text(&again.stdout).lines().last(), Some(last));
}

#[test]
fn records_that_are_taken_away_end_their_follower() {
    let host = TestHost::new();
    let started = host.deploy(&gated(&host, "")).start();
    in_hook(&host);
    let follower = Following::start(&host, &["deployments", "show", "-f", &running(&host)]);
    follower.wait_for(r#""type":"began""#);
    fs_err::rename(host.root(), host.path("elsewhere")).unwrap();
    let (exit, _) = follower.wait();
    release(&host);
    let _ = started.wait();
    assert_eq!(exit.code(), Some(1));
}

#[test]
fn a_deployment_that_is_killed_ends_its_follower() {
    let host = TestHost::new();
    let started = host.deploy(&gated(&host, "")).start();
    in_hook(&host);
    let follower = Following::start(&host, &["deployments", "show", "-f", &running(&host)]);
    follower.wait_for(r#""type":"began""#);
    started.signal(Signal::SIGKILL);
    let _ = started.wait();
    let (exit, said) = follower.wait();
    release(&host);
    assert_eq!(exit.code(), Some(1));
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["deployment"]["result"], json!("killed"));
}
