//! The metrics of a daemon that has something to count: the numbers, the file for node_exporter, and
//! asking for them. What the text may look like is `integration_tests::openmetrics`.

mod asking;
mod counting;
mod file;

use std::process::Output;

use integration_tests::fakes::command_service::{DeploymentEnd, ScriptedDeployment};
use integration_tests::openmetrics::Exposition;
use integration_tests::{DaemonHost, agent_command, eventually};

/// `agent metrics`.
pub(super) fn ask(daemon: &DaemonHost) -> Output {
    agent_command()
        .args(["metrics", "--config"])
        .arg(daemon.host.configuration())
        .output()
        .unwrap()
}

pub(super) fn read(output: &Output) -> Exposition {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    Exposition::read(&String::from_utf8_lossy(&output.stdout)).unwrap()
}

pub(super) fn asked(daemon: &DaemonHost) -> Exposition {
    read(&ask(daemon))
}

/// Asks an agent that starts until it says what is waited for.
pub(super) fn eventually_says(
    what: &str,
    daemon: &DaemonHost,
    reached: impl Fn(&Exposition) -> bool,
) {
    eventually(what, || {
        let output = ask(daemon);
        output.status.success() && {
            let now = read(&output);
            value(&now, "up", &[]) == 1.0 && reached(&now)
        }
    });
}

/// One sample; the name without the prefix that all have.
pub(super) fn value(read: &Exposition, name: &str, labels: &[(&str, &str)]) -> f64 {
    let name = format!("codedeploy_agent_{name}");
    let value = read.value(&name, labels);
    assert!(value.is_some(), "no {name}{labels:?}");
    value.unwrap()
}

pub(super) fn event(read: &Exposition, event: &str, result: &str) -> f64 {
    value(
        read,
        "events_total",
        &[("event", event), ("result", result)],
    )
}

pub(super) fn deployments(read: &Exposition) -> (f64, f64) {
    let ended = |result| value(read, "deployments_total", &[("result", result)]);
    (ended("succeeded"), ended("failed"))
}

pub(super) fn calls(read: &Exposition, operation: &str, outcome: &str) -> f64 {
    let labels = [("operation", operation), ("outcome", outcome)];
    value(read, "calls_total", &labels)
}

/// A host that writes `metrics/m.prom`, and has revisions whose ValidateService does as it is told.
pub(super) fn host(validate: &str) -> DaemonHost {
    let daemon = DaemonHost::default();
    let directory = daemon.host.path("metrics");
    fs_err::create_dir(&directory).unwrap();
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text = format!("{text}metrics_file: {}/m.prom\n", directory.display());
    fs_err::write(daemon.host.configuration(), text).unwrap();
    let bundle = daemon
        .host
        .bundle()
        .appspec(
            "hooks:\n  AfterInstall:\n  - location: good.sh\n  \
             ValidateService:\n  - location: validate.sh\n",
        )
        .script("good.sh", "exit 0")
        .script("validate.sh", validate);
    daemon.publish("b.zip", bundle.path());
    daemon
}

pub(super) fn in_file(daemon: &DaemonHost) -> Option<Exposition> {
    let text = fs_err::read_to_string(daemon.host.path("metrics/m.prom")).ok()?;
    Some(Exposition::read(&text).unwrap())
}

pub(super) fn end(daemon: &DaemonHost, deployment: &ScriptedDeployment) -> DeploymentEnd {
    let end = daemon.service.wait_for_end(deployment);
    daemon.wait_until_idle();
    end
}
