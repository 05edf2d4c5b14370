//! What a deployment has come to, to be compared with another run of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use integration_tests::fakes::command_service::{DeploymentEnd, Operation};
use integration_tests::{Entry, Kind, accepted, snapshot};

use crate::scenario::{Scenario, replace};

/// The result of a command as the service has accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) code: i64,
    pub(crate) message: String,
}

/// Everything that one run has in common with any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndState {
    pub(crate) end: DeploymentEnd,
    pub(crate) reports: Vec<Report>,
    /// What scripts have left, in order.
    pub(crate) ran: Vec<String>,
    /// The installed files.
    pub(crate) destination: BTreeMap<PathBuf, Entry>,
    /// `root_dir`, with what differs between any two runs taken out.
    pub(crate) root: BTreeMap<PathBuf, Entry>,
}

impl EndState {
    /// Of a deployment that is over, after its agent has ended.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let daemon = &scenario.daemon;
        let calls = daemon.service.calls();
        let name = |id: &str| id.rsplit('-').next().unwrap().to_owned();
        let reports = accepted(&calls)
            .iter()
            .map(|call| {
                let diagnostics = call.diagnostics();
                Report {
                    command: name(call.text("HostCommandIdentifier")),
                    code: diagnostics["error_code"].as_i64().unwrap(),
                    message: diagnostics["message"].as_str().unwrap().to_owned(),
                }
            })
            .collect();
        assert_eq!(daemon.service.violations(), [""; 0]);
        let standard_error =
            fs_err::read_to_string(daemon.host.path("standard-error")).unwrap_or_default();
        assert!(!standard_error.contains("panicked"), "{standard_error}");
        Self {
            end: daemon.service.end(&scenario.deployment).unwrap(),
            reports,
            ran: scenario.ran(),
            destination: snapshot(&daemon.host.destination()),
            root: comparable(&daemon.host.root(), &daemon.host.path("")),
        }
    }

    /// That no script has run twice.
    pub(crate) fn assert_nothing_ran_twice(&self) {
        let mut seen = self.ran.clone();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), self.ran.len(), "run twice: {:?}", self.ran);
    }
}

/// How many completions were sent for each command, by its name.
pub(crate) fn sent(scenario: &Scenario) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for call in scenario.daemon.service.calls() {
        if call.operation == Some(Operation::Complete) {
            let id = call.text("HostCommandIdentifier");
            let name = id.rsplit('-').next().unwrap().to_owned();
            *sent.entry(name).or_default() += 1;
        }
    }
    sent
}

fn comparable(root: &Path, host: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut entries = snapshot(root);
    entries.retain(|path, _| {
        let name = path.file_name().unwrap().to_string_lossy();
        // The journal's content is looked at apart: times and identifiers are in it.
        !name.starts_with("commands.journal.refused") && !name.contains("-deployments.log")
    });
    let mut entries: BTreeMap<PathBuf, Entry> = entries
        .into_iter()
        .map(|(path, entry)| (without_key(&path), entry))
        .collect();
    let host = host.to_str().unwrap();
    for (path, entry) in &mut entries {
        let Kind::File(content) = &mut entry.kind else {
            continue;
        };
        // What is in the bundle is compared unpacked.
        let whole = ["commands.journal", "bundle.tar"];
        if whole.iter().any(|name| path.ends_with(name)) || is_of_a_run(path) {
            content.clear();
        } else if path.ends_with("scripts.log") {
            *content = output_lines(content);
        } else {
            *content = replace(content, host.as_bytes(), b"<host>/");
        }
    }
    entries
}

/// Whether it is a file of the run of a script, with process ids and times in it.
fn is_of_a_run(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "hook-runs")
}

/// The path, but with a run's directory called by its event and the script's number only: the
/// part between them comes from the command's identifier.
fn without_key(path: &Path) -> PathBuf {
    if !is_of_a_run(path) {
        return path.to_owned();
    }
    path.iter()
        .map(|part| {
            let parts: Vec<&str> = part.to_str().unwrap().split('-').collect();
            match parts[..] {
                [event, key, number] if key.len() == 16 => format!("{event}-{number}"),
                _ => parts.join("-"),
            }
        })
        .collect()
}

/// The lines that scripts have written, without their times. A script that was begun once more
/// has its name in the log twice.
fn output_lines(log: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(log);
    let lines = text.lines().filter_map(|line| line.get(20..));
    lines
        .filter(|line| line.starts_with("[std"))
        .flat_map(|line| [line, "\n"])
        .collect::<String>()
        .into_bytes()
}

/// What differs between two trees, for people.
pub(crate) fn differences(
    expected: &BTreeMap<PathBuf, Entry>,
    found: &BTreeMap<PathBuf, Entry>,
) -> Vec<String> {
    let text = |entry: Option<&Entry>| match entry {
        None => "nothing".to_owned(),
        Some(entry) => {
            let kind = match &entry.kind {
                Kind::File(content) => format!("{:?}", String::from_utf8_lossy(content)),
                other => format!("{other:?}"),
            };
            format!("{:o} {}:{} {kind}", entry.mode, entry.uid, entry.gid)
        }
    };
    let mut paths: Vec<&PathBuf> = expected.keys().chain(found.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| expected.get(*path) != found.get(*path))
        .map(|path| {
            format!(
                "{}: {} instead of {}",
                path.display(),
                text(found.get(path)),
                text(expected.get(path))
            )
        })
        .collect()
}
