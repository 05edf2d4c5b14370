//! How a run of the agent ended, taken apart.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

/// One event of a deployment, from the JSON output.
#[derive(Debug, Clone)]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// `succeeded`, `noop`, `failed` or `cancelled`.
    pub result: String,
    /// Locations of the scripts that were started.
    pub scripts: Vec<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// `error_code` of the diagnostics; none without diagnostics.
    pub code: Option<u64>,
    /// `script_name` of the diagnostics.
    pub script_name: String,
    /// `message` of the diagnostics.
    pub message: String,
    /// `log` of the diagnostics.
    pub log: String,
}

/// Everything that a run left.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; none when a signal ended the agent.
    pub exit_code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The events, in order.
    pub events: Vec<Event>,
    /// The summary; null without one.
    pub summary: Value,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|values| values.iter().map(text).collect())
        .unwrap_or_default()
}

impl Outcome {
    pub(crate) fn new(output: &Output) -> Self {
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let lines: Vec<Value> = stdout
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let events = lines
            .iter()
            .filter(|line| line["type"] == "event")
            .map(|line| Event {
                name: text(&line["event"]),
                result: text(&line["result"]),
                scripts: texts(&line["scripts"]),
                warnings: texts(&line["warnings"]),
                code: line["diagnostics"]["error_code"].as_u64(),
                script_name: text(&line["diagnostics"]["script_name"]),
                message: text(&line["diagnostics"]["message"]),
                log: text(&line["diagnostics"]["log"]),
            })
            .collect();
        let summary = lines
            .iter()
            .find(|line| line["type"] == "summary")
            .cloned()
            .unwrap_or(Value::Null);
        Self {
            exit_code: output.status.code(),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            events,
            summary,
        }
    }

    /// Asserts that the deployment succeeded.
    ///
    /// # Panics
    /// When it did not; with everything that it said.
    #[track_caller]
    pub fn assert_success(&self) -> &Self {
        assert!(
            self.exit_code == Some(0) && self.summary["result"] == "succeeded",
            "the deployment did not succeed: {self:#?}"
        );
        self
    }

    /// Asserts that the deployment failed in `event` with the code `code`, and returns the event.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn assert_failure(&self, event: &str, code: u64) -> &Event {
        assert_eq!(self.exit_code, Some(1), "{self:#?}");
        assert_eq!(self.summary["result"], "failed", "{self:#?}");
        let Some(last) = self.events.last() else {
            panic!("no event: {self:#?}")
        };
        assert_eq!(
            (last.name.as_str(), last.code),
            (event, Some(code)),
            "{self:#?}"
        );
        last
    }

    /// Asserts bad usage, and returns what was said about it.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn assert_bad_usage(&self) -> &str {
        assert_eq!(self.exit_code, Some(2), "{self:#?}");
        assert!(self.events.is_empty(), "{self:#?}");
        &self.stderr
    }

    /// The event of that name.
    ///
    /// # Panics
    /// When it did not run.
    #[track_caller]
    #[must_use]
    pub fn event(&self, name: &str) -> &Event {
        let found = self.events.iter().find(|event| event.name == name);
        let Some(event) = found else {
            panic!("{name} did not run: {self:#?}")
        };
        event
    }

    /// `Name:result` of every event.
    #[must_use]
    pub fn results(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|event| format!("{}:{}", event.name, event.result))
            .collect()
    }

    /// The deployment's id.
    #[must_use]
    pub fn deployment_id(&self) -> String {
        text(&self.summary["deployment_id"])
    }

    /// The deployment's directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(text(&self.summary["deployment_directory"]))
    }

    /// The entries of the script log, without their time stamps.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn script_log(&self) -> Vec<String> {
        let content = fs_err::read(self.directory().join("logs/scripts.log")).unwrap_or_default();
        String::from_utf8_lossy(&content)
            .lines()
            .map(|line| line.get(20..).unwrap_or_default().to_owned())
            .collect()
    }
}
