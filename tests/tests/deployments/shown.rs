//! `agent deployments show`.

use integration_tests::TestHost;

use super::*;

#[test]
fn a_failure_is_shown_with_its_events_and_the_end_of_its_log() {
    let host = TestHost::new();
    let bundle = hooked(
        &host,
        "echo looking; printf 'no \\033[2Jdisk\\n' >&2; exit 3",
    );
    let id = host
        .deploy(&bundle)
        .arguments(["-g", "web"])
        .run()
        .deployment_id();
    let shown = json(&host, &["deployments", "show", &id]);
    let events = shown["events"].as_array().unwrap();
    let results: Vec<String> = events
        .iter()
        .map(|event| {
            format!(
                "{}:{}",
                event["name"].as_str().unwrap(),
                event["result"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        results,
        [
            "BeforeBlockTraffic:noop",
            "AfterBlockTraffic:noop",
            "ApplicationStop:noop",
            "DownloadBundle:succeeded",
            "BeforeInstall:noop",
            "Install:succeeded",
            "AfterInstall:failed"
        ]
    );
    let log = shown["log"].to_string();
    assert!(
        log.contains("[stdout]looking") && log.contains("disk"),
        "{log}"
    );
    assert!(!log.contains("LifecycleEvent"), "{log}");
    let said = human(&host, &["deployments", "show", &id]);
    for part in [
        "failed in AfterInstall (code 4): hook.sh failed with exit code 3",
        "LocalFleet (web)",
        "agent run-bundle",
        "logs/scripts.log",
        "✓ DownloadBundle",
        "✗ AfterInstall",
        "[stdout]looking",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains('\x1b'), "{said}");
}

#[test]
fn a_timeline_has_a_bar_for_each_event() {
    let host = TestHost::new();
    let id = host
        .deploy(&hooked(&host, "sleep 0.2"))
        .run()
        .deployment_id();
    let said = human(&host, &["deployments", "show", &id, "--timeline"]);
    let bars: Vec<&str> = said.lines().filter(|line| line.contains('█')).collect();
    assert_eq!(bars.len(), 11, "{said}");
    for bar in &bars {
        assert_eq!(bar.chars().count(), 80, "{bar}");
    }
    let length = |event: &str| {
        let bar = bars.iter().find(|bar| bar.starts_with(event)).unwrap();
        bar.matches('█').count()
    };
    assert!(length("AfterInstall") > length("BeforeInstall"), "{said}");
}

#[test]
fn the_beginning_of_an_id_is_enough_unless_there_are_several() {
    let host = TestHost::new();
    let bundle = hooked(&host, "echo fine");
    let ids = [(); 2].map(|()| host.deploy(&bundle).run().deployment_id());
    // Two draws may have some characters in common.
    let common = ids[0]
        .bytes()
        .zip(ids[1].bytes())
        .take_while(|(one, two)| one == two)
        .count();
    let shown = json(&host, &["deployments", "show", &ids[0][..=common]]);
    assert_eq!(shown["id"], ids[0].as_str());
    for (asked, said) in [
        (&ids[0][..common], "is the beginning of 2 deployments"),
        (
            "d-x\u{1b}[2J",
            "no deployment d-x [2J is known on this host; the newest are d-",
        ),
    ] {
        for command in ["show", "logs"] {
            let output = run(&host, &["deployments", command, asked]);
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            assert!(text(&output.stderr).contains(said), "{output:?}");
            assert!(output.stdout.is_empty());
        }
    }
}
