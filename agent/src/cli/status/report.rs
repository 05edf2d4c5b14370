//! What there is to say beside whether the agent runs: all from files, so that it is quick and never
//! waits for anybody.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::cli::configuration::Configuration;
use crate::cli::deployments::{revision, summary, whole_result};
use crate::cli::group_labels::GroupLabels;
use crate::cli::log_errors::LogErrors;
use crate::cli::past_deployments::PastDeployments;
use crate::cli::times::{self, milliseconds, rfc3339};
use crate::daemon::PidFile;
use crate::error::chain;
use crate::history::{DeploymentResult, History, PastDeployment, PastEvent, Requester};

/// This program's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The report.
pub(super) struct Report {
    pid: Option<i32>,
    /// Whether the agent that runs is this very program.
    is_this_program: Option<bool>,
    since: Option<SystemTime>,
    history: History,
    /// Why nothing is known of deployments.
    unknown: Option<String>,
    /// The last error in the log of the agent that runs.
    last_error: Option<String>,
    now: SystemTime,
}

impl Report {
    pub(super) fn new(
        configuration: &Configuration,
        named: Option<&Path>,
        pid: Option<i32>,
    ) -> Self {
        let config = &configuration.loaded.config;
        let (history, unknown) = match PastDeployments::new(configuration, named).read() {
            Ok(history) => (history, None),
            Err(error) => (History::default(), Some(chain(&error))),
        };
        let program = config.program_name.as_str();
        let since = pid.and_then(|_| PidFile::written(&config.pid_dir, program));
        Self {
            pid,
            is_this_program: pid.and_then(is_this_program),
            since,
            history,
            unknown,
            last_error: since.and_then(|since| LogErrors::last_since(config, since)),
            now: SystemTime::now(),
        }
    }

    /// For people, below the first line.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let version = match self.is_this_program {
            Some(true) => Some(format!("version {VERSION}")),
            Some(false) => Some(format!(
                "version unknown: it is another program than this one, {VERSION}; agent restart \
                 runs this one"
            )),
            None => None,
        };
        let since = self.since.map(|since| {
            let age = self.now.duration_since(since).unwrap_or_default();
            format!("Since {} ({})", times::local(since), times::duration(age))
        });
        let both: Vec<String> = since.into_iter().chain(version).collect();
        if !both.is_empty() {
            lines.push(both.join(", "));
        }
        let groups = GroupLabels::of(&self.history);
        for (past, event) in self.at_work() {
            let what = match event {
                Some(event) => {
                    let age = self.now.duration_since(event.began).unwrap_or_default();
                    format!("in {} for {}", event.name, times::duration(age))
                }
                None => "waiting for its next event".to_owned(),
            };
            let left = match (self.pid, past.requester) {
                (None, Requester::Service) => "; the next agent takes it up",
                _ => "",
            };
            lines.push(format!(
                "At work: {} ({}), {what}{left}",
                past.id,
                groups.label(past)
            ));
        }
        match self.unsent() {
            0 => {}
            1 => lines.push("A result waits to be taken by the service".to_owned()),
            count => lines.push(format!("{count} results wait to be taken by the service")),
        }
        for past in self.last_of_groups() {
            let (result, _) = whole_result(past);
            let when = times::local(past.ended.unwrap_or(past.began));
            lines.push(format!(
                "Last of {}: {} {result}, {when}, {}",
                groups.label(past),
                past.id,
                revision(past)
            ));
        }
        if let Some(unknown) = self.unknown.as_ref().filter(|_| self.pid.is_some()) {
            lines.push(format!("Deployments: {unknown}"));
        }
        if let Some(error) = &self.last_error {
            lines.push(format!("Last error in the log: {error}"));
        }
        lines
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        let at_work = self.at_work().into_iter().map(|(past, event)| {
            let mut object = summary(past);
            let age = |event: &PastEvent| self.now.duration_since(event.began).unwrap_or_default();
            object["event_began"] = event.and_then(|event| rfc3339(event.began)).into();
            object["event_for_ms"] = event.map(|event| milliseconds(age(event))).into();
            object
        });
        json!({
            "running": self.pid.is_some(),
            "pid": self.pid,
            "version": self.is_this_program.and_then(|is_this| is_this.then_some(VERSION)),
            "since": self.since.and_then(rfc3339),
            "at_work": at_work.collect::<Vec<_>>(),
            "results_unsent": self.unsent(),
            "last_deployments": self.last_of_groups().into_iter().map(summary).collect::<Vec<_>>(),
            "deployments_unknown": self.unknown,
            "last_error": self.last_error,
        })
    }

    /// Deployments at work, each with its event, unless it is between two.
    fn at_work(&self) -> Vec<(&PastDeployment, Option<&PastEvent>)> {
        let is_at_work =
            |past: &&PastDeployment| matches!(past.result, DeploymentResult::Running { .. });
        let at_work = self.history.deployments.iter().filter(is_at_work);
        at_work
            .map(|past| {
                (
                    past,
                    past.events.iter().rfind(|event| event.ended.is_none()),
                )
            })
            .collect()
    }

    /// Results that the service has not taken yet.
    fn unsent(&self) -> usize {
        let events = self
            .history
            .deployments
            .iter()
            .filter(|past| past.requester == Requester::Service);
        let events = events.flat_map(|past| &past.events);
        let waits = |event: &&PastEvent| event.ended.is_some() && event.settlement.is_none();
        events.filter(waits).count()
    }

    /// The newest deployment of each group.
    fn last_of_groups(&self) -> Vec<&PastDeployment> {
        let mut groups = HashSet::new();
        let mut newest = Vec::new();
        for past in &self.history.deployments {
            // Of some the id is not known.
            let group = past.group_id.as_ref().ok_or(past.group_name.as_deref());
            if groups.insert(group) {
                newest.push(past);
            }
        }
        newest
    }
}

/// Whether the process `pid` runs this very program; none when that may not be looked at.
fn is_this_program(pid: i32) -> Option<bool> {
    let identity = |path: &Path| fs_err::metadata(path).map(|file| (file.dev(), file.ino()));
    let own = identity(&std::env::current_exe().ok()?).ok()?;
    let running = identity(&PathBuf::from(format!("/proc/{pid}/exe"))).ok()?;
    Some(own == running)
}
