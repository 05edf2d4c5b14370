//! `agent deployments list`.

use integration_tests::TestHost;
use serde_json::json;

use super::*;

/// A host with a deployment that succeeded and, after it, one that failed in another group.
fn host() -> (TestHost, [String; 2]) {
    let host = TestHost::new();
    let deploy = |body: &str, group: &str| {
        let deployment = host.deploy(&hooked(&host, body));
        let named = ["-g", group, "-d", "Fleet\u{1b}[31m", "-a", "shop"];
        deployment.arguments(named).run().deployment_id()
    };
    let ids = [deploy("echo fine", "web"), deploy("exit 3", "api")];
    (host, ids)
}

#[test]
fn json_has_an_array_with_stable_keys() {
    let (host, [good, bad]) = host();
    let mut list = list(&host);
    for past in &mut list {
        for time in ["began", "ended"] {
            let text = past[time].as_str().unwrap();
            assert_eq!(text.len(), "2026-11-21T18:43:13.120Z".len(), "{text}");
            past[time] = json!("TIME");
        }
    }
    let directory = |group: &str, id: &str| host.root().join(group).join(id);
    let bundle = |number: u32| host.path(&format!("bundle-{number}"));
    let expected = json!([
        {
            "id": bad,
            "group_id": "api",
            "group_name": "Fleet\u{1b}[31m",
            "application": "shop",
            "revision": bundle(1),
            "requester": "local",
            "began": "TIME",
            "ended": "TIME",
            "result": "failed",
            "event": "AfterInstall",
            "code": 4,
            "message": "hook.sh failed with exit code 3",
            "directory": directory("api", &bad),
            "has_archive": true,
            "most_recent": true,
            "last_successful": true,
        },
        {
            "id": good,
            "group_id": "web",
            "group_name": "Fleet\u{1b}[31m",
            "application": "shop",
            "revision": bundle(0),
            "requester": "local",
            "began": "TIME",
            "ended": "TIME",
            "result": "succeeded",
            "event": null,
            "code": null,
            "message": null,
            "directory": directory("web", &good),
            "has_archive": true,
            "most_recent": true,
            "last_successful": true,
        },
    ]);
    assert_eq!(json!(list), expected);
}

#[test]
fn people_get_a_table() {
    let (host, ids) = host();
    let mut table = human(&host, &["deployments"]);
    for (id, name) in ids.iter().zip(["d-GOOD", "d-BAD"]) {
        table = table.replace(id, &format!("{name:<17}"));
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.replace(host.path("").to_str().unwrap(), "HOST/"))
        .map(|line| without_times(&line))
        .collect();
    assert_eq!(
        lines,
        [
            "  DEPLOYMENT         GROUP  BEGAN                TOOK    RESULT                           REVISION",
            "* d-BAD              api    DATE TIME  TOOK s  failed in AfterInstall (code 4)  HOST/bundle-1",
            "* d-GOOD             web    DATE TIME  TOOK s  succeeded                        HOST/bundle-0",
        ]
    );
}

/// A row without what differs from run to run.
fn without_times(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    let Some(date) = words
        .iter()
        .position(|word| word.matches('-').count() == 2 && word.starts_with("20"))
    else {
        return line.to_owned();
    };
    words[date] = "DATE";
    words[date + 1] = "TIME";
    words[date + 3] = "TOOK";
    words.join(" ")
}

#[test]
fn a_group_is_named_by_its_name_or_id_and_a_limit_counts_the_newest() {
    let (host, [good, bad]) = host();
    let ids = |arguments: &[&str]| {
        let all: Vec<&str> = ["deployments", "list"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let list = json(&host, &all);
        let ids = list
            .as_array()
            .unwrap()
            .iter()
            .map(|past| past["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--group", "web"]), [good.as_str()]);
    assert_eq!(
        ids(&["--group", "Fleet\u{1b}[31m"]),
        [bad.as_str(), good.as_str()]
    );
    let other = run(&host, &["deployments", "list", "--group", "other"]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    let said = text(&other.stderr);
    assert!(
        said.contains("name one of these: api (Fleet [31m), web (Fleet [31m)"),
        "{said}"
    );
    assert_eq!(ids(&["--limit", "1"]), [bad.as_str()]);
    assert_eq!(ids(&["--limit", "0"]), [bad, good]);
    let said = human(&host, &["deployments", "--limit", "1"]);
    assert!(
        said.ends_with("1 older one is not shown; --limit 0 shows all\n"),
        "{said}"
    );
}

#[test]
fn a_host_without_deployments_says_so() {
    let host = TestHost::new();
    assert_eq!(json(&host, &["deployments"]), json!([]));
    assert_eq!(
        human(&host, &["deployments"]),
        "No deployments are known here\n"
    );
    // Nothing was made.
    assert!(!host.root().exists());
}

#[test]
fn bad_usage_and_a_broken_configuration() {
    let host = TestHost::with_configuration("max_revisions: none");
    let output = run(&host, &["deployments"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(text(&output.stderr).contains("max_revisions"));
    let host = TestHost::new();
    // Where AWS's agent has its option, and where ours is.
    let configuration = host.configuration().display().to_string();
    let output = run(&host, &["deployments", "--config", &configuration, "list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run(&host, &["deployments", "--limit", "1", "show", "d-1"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("belong behind"), "{output:?}");
}
