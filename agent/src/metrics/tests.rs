//! The whole text against a strict reader, and the table of the documentation against the text.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use integration_tests::openmetrics::{Exposition, Type};

use super::catalogue::ALL;
use super::text::Kind;
use super::*;
use crate::control_plane::Operation;
use crate::deployment::DeploymentType;
use crate::deployment_root::DiskUsage;

fn busy() -> Metrics {
    let metrics = Metrics::new();
    metrics.called(Operation::PollHostCommand, CallOutcome::Ok);
    metrics.called(Operation::PollHostCommand, CallOutcome::Throttled);
    metrics.retried(Operation::PutHostCommandComplete);
    for (event, result) in [
        ("ApplicationStop", EventResult::Skipped),
        ("Install", EventResult::Succeeded),
        ("ValidateService", EventResult::Failed),
        ("Something\"else\n", EventResult::Failed),
    ] {
        metrics.event_ended(&EventEnd {
            execution: "arn:aws:codedeploy:us-east-1:123456789012:deployment/d-SECRET",
            event,
            deployment_type: Some(DeploymentType::InPlace),
            result,
            began: Some(Instant::now()),
        });
    }
    metrics.hook_ended(HookResult::TimedOut);
    metrics.downloaded(1000, Duration::from_millis(1500));
    metrics
}

const DISK: Disk = Disk {
    free: Some(u64::MAX),
    usage: Some(DiskUsage {
        revisions: 2,
        archives: 4096,
        bundles: 512,
    }),
};

#[test]
fn the_text_is_valid_and_has_the_numbers() {
    let metrics = busy();
    let working = metrics.in_progress(Gauge::CommandsAtWork);
    let moment = metrics.now();
    drop(working);
    let text = page(true, Some(&moment), &DISK);
    let read = Exposition::read(&text).unwrap();
    let value = |name: &str, labels: &[(&str, &str)]| read.value(name, labels).unwrap();
    let poll = ("operation", "PollHostCommand");
    let calls = "codedeploy_agent_calls_total";
    assert_eq!(value("codedeploy_agent_up", &[]), 1.0);
    assert_eq!(value(calls, &[poll, ("outcome", "ok")]), 1.0);
    assert_eq!(value(calls, &[poll, ("outcome", "throttled")]), 1.0);
    assert_eq!(value(calls, &[poll, ("outcome", "denied")]), 0.0);
    let events = "codedeploy_agent_events_total";
    let failed = |event| value(events, &[("event", event), ("result", "failed")]);
    assert_eq!(failed("ValidateService"), 1.0);
    assert_eq!(failed("other"), 1.0);
    assert_eq!(failed("Install"), 0.0);
    let ended = |result| value("codedeploy_agent_deployments_total", &[("result", result)]);
    assert_eq!((ended("failed"), ended("succeeded")), (1.0, 0.0));
    let of_install = "codedeploy_agent_event_duration_seconds_count";
    assert_eq!(value(of_install, &[("event", "Install")]), 1.0);
    assert_eq!(
        value("codedeploy_agent_downloaded_bytes_total", &[]),
        1000.0
    );
    assert_eq!(value("codedeploy_agent_download_seconds_total", &[]), 1.5);
    assert_eq!(value("codedeploy_agent_commands_at_work", &[]), 1.0);
    assert_eq!(
        value("codedeploy_agent_disk_used_bytes", &[("kind", "archives")]),
        4096.0
    );
    assert!(
        value(
            "codedeploy_agent_last_successful_poll_timestamp_seconds",
            &[]
        ) > 1e9
    );
    let ended = page(true, Some(&metrics.now()), &DISK);
    let read = Exposition::read(&ended).unwrap();
    assert_eq!(
        read.value("codedeploy_agent_commands_at_work", &[]),
        Some(0.0)
    );
}

/// Nothing that came from outside is in it, and it cannot grow.
#[test]
fn no_identifier_gets_in_and_the_number_of_samples_is_bounded() {
    let metrics = busy();
    for number in 0..1000 {
        metrics.event_ended(&EventEnd {
            execution: &format!("d-{number}"),
            event: &format!("Custom{number}"),
            deployment_type: None,
            result: EventResult::Succeeded,
            began: Some(Instant::now()),
        });
    }
    let text = page(true, Some(&metrics.now()), &DISK);
    for foreign in ["arn:", "SECRET", "123456789012", "Custom", "Something"] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    assert!(text.lines().count() < 600, "{}", text.lines().count());
}

#[test]
fn without_a_daemon_only_what_can_be_known_has_samples() {
    let text = page(false, None, &DISK);
    let read = Exposition::read(&text).unwrap();
    let known: BTreeSet<&str> = read.samples.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(
        known.into_iter().collect::<Vec<_>>(),
        [
            "codedeploy_agent_build_info",
            "codedeploy_agent_disk_free_bytes",
            "codedeploy_agent_disk_used_bytes",
            "codedeploy_agent_revisions",
            "codedeploy_agent_up",
        ]
    );
    assert_eq!(read.value("codedeploy_agent_up", &[]), Some(0.0));
}

/// Rows of the form "| `name` | type | unit | labels | meaning |".
#[test]
fn the_documentation_lists_exactly_what_is_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let documented: Vec<[String; 4]> = fs_err::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| `codedeploy_agent_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            [1, 2, 3, 4].map(|column| cells[column].replace('`', ""))
        })
        .collect();
    let known: Vec<[String; 4]> = ALL
        .iter()
        .map(|family| {
            [
                family.sample(),
                family.kind.name().to_owned(),
                family.unit.unwrap_or_default().to_owned(),
                family.labels.join(", "),
            ]
        })
        .collect();
    assert_eq!(documented, known);

    let read = Exposition::read(&page(true, Some(&busy().now()), &DISK)).unwrap();
    let written: Vec<(&str, Type)> = read
        .families
        .iter()
        .map(|family| (family.name.as_str(), family.kind))
        .collect();
    let known: Vec<(&str, Type)> = ALL
        .iter()
        .map(|family| {
            let kind = match family.kind {
                Kind::Counter => Type::Counter,
                Kind::Gauge => Type::Gauge,
                Kind::Histogram => Type::Histogram,
            };
            (family.name, kind)
        })
        .collect();
    assert_eq!(written, known);
    // Each has the labels that it is said to have, and a sample.
    for family in ALL {
        let samples = read.samples.iter().filter(|s| s.family == family.name);
        let mut some = false;
        for sample in samples {
            some = true;
            let names = sample.labels.iter().map(|(name, _)| name.as_str());
            let names: Vec<&str> = names.filter(|name| *name != "le").collect();
            assert_eq!(names, family.labels, "{}", family.name);
        }
        assert!(some, "{}", family.name);
    }
}
