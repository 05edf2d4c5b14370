//! `agent status`, where it is not told with the deployments.

use integration_tests::{DaemonHost, TestHost, eventually};
use serde_json::json;

use super::*;

#[test]
fn when_nothing_is_known_there_is_one_line() {
    let host = TestHost::with_configuration("pid_dir: /nonexistent/pid");
    let output = run(&host, &["status"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(
        text(&output.stdout),
        "The CodeDeploy host agent is not running\n"
    );
    assert!(output.stderr.is_empty());
    assert_eq!(
        json(&host, &["status", "--output", "json"]),
        json!({
            "running": false,
            "pid": null,
            "version": null,
            "since": null,
            "at_work": [],
            "results_unsent": 0,
            "last_deployments": [],
            "deployments_unknown": null,
            "last_error": null,
        })
    );
}

#[test]
fn the_last_error_of_the_agent_that_runs_is_told() {
    let daemon = DaemonHost::default();
    fs_err::create_dir_all(daemon.host.path("log")).unwrap();
    let log = daemon.host.path("log/codedeploy-agent.log");
    fs_err::write(
        &log,
        "2020-01-01T00:00:00+00:00 ERROR [codedeploy-agent(1)]: long ago\n",
    )
    .unwrap();
    let mut running = daemon.start();
    let status = || json(&daemon.host, &["status", "--output", "json"]);
    eventually("the agent to run", || status()["running"] == true);
    assert_eq!(status()["last_error"], json!(null));
    let line = "2099-01-01T00:00:00+00:00 ERROR [codedeploy-agent(1)]: \u{1b}[2Jwhy";
    let mut text_of_log = fs_err::read_to_string(&log).unwrap();
    text_of_log.push_str(line);
    text_of_log.push('\n');
    fs_err::write(&log, text_of_log).unwrap();
    assert_eq!(status()["last_error"], line);
    let said = text(&run(&daemon.host, &["status"]).stdout);
    assert!(
        said.contains("Last error in the log: 2099-01-01T00:00:00+00:00 ERROR"),
        "{said}"
    );
    assert!(!said.contains('\x1b'));
    running.stop();
}

#[test]
fn the_last_deployment_of_each_group_is_told_though_all_have_one_name() {
    let host = TestHost::new();
    let deploy = |group: &str, body: &str| {
        let deployment = host.deploy(&hooked(&host, body));
        deployment.arguments(["-g", group]).run().deployment_id()
    };
    let _ = deploy("web", "echo fine");
    let failed = deploy("web", "exit 3");
    let others = ["api", "batch"].map(|group| deploy(group, "echo fine"));
    let status = json(&host, &["status", "--output", "json"]);
    let last = status["last_deployments"].as_array().unwrap();
    let last: Vec<_> = last
        .iter()
        .map(|past| [&past["group_id"], &past["id"], &past["result"]])
        .collect();
    assert_eq!(
        json!(last),
        json!([
            ["batch", others[1], "succeeded"],
            ["api", others[0], "succeeded"],
            ["web", failed, "failed"],
        ])
    );
    let said = text(&run(&host, &["status"]).stdout);
    for line in [
        format!("Last of batch: {} succeeded, ", others[1]),
        format!("Last of api: {} succeeded, ", others[0]),
        format!("Last of web: {failed} failed in AfterInstall (code 4): "),
    ] {
        assert!(said.contains(&line), "{said}");
    }
    assert_eq!(said.matches("Last of ").count(), 3, "{said}");
}
