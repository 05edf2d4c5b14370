//! What is shown: what there is and what would go, or what has gone.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::decision::Kind;
use super::dry_run::Shown;
use super::survey::Deployment;
use super::sweep::Swept;
use crate::cli::Exit;
use crate::cli::arguments::Output;
use crate::cli::sizes::bytes;
use crate::cli::terminal::{one_line, say, say_aside};
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::{Usage, usage};

/// All that is to be shown.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) dry_run: bool,
    /// In a dry run only.
    pub(super) groups: Vec<Shown>,
    pub(super) swept: Swept,
}

impl Report {
    /// What was removed.
    pub(super) fn of(swept: Swept) -> Self {
        Self {
            dry_run: false,
            groups: Vec::new(),
            swept,
        }
    }

    /// What recoveries have left is named, and stays: it may hold something that is missed.
    pub(super) fn note_areas(&mut self, areas: &BTreeSet<PathBuf>) {
        self.swept.notes.extend(areas.iter().map(|area| {
            format!(
                "the staging area {} ({}) of an Install was left when that was recovered; look \
                 through it for what is missed, and remove it by hand",
                area.display(),
                size(usage(area))
            )
        }));
    }

    pub(super) fn add_problem(&mut self, problem: String) {
        self.swept.problems.push(problem);
    }

    /// Shows it all; whether everything went that should.
    pub(super) fn show(&self, output: Output) -> Exit {
        match output {
            Output::Human => say(&self.lines().join("\n")),
            Output::Json => say(&format!("{:#}", self.object())),
        };
        if output == Output::Human {
            for problem in &self.swept.problems {
                say_aside(&format!("error: {}", one_line(problem)));
            }
        }
        if self.swept.problems.is_empty() {
            Exit::Success
        } else {
            Exit::Failed
        }
    }

    fn total(&self) -> Usage {
        let mut total = Usage::default();
        for removed in &self.swept.removed {
            total.add(removed.usage);
        }
        total
    }

    fn stays(&self, deployment: &Deployment) -> Option<&'static str> {
        let goes = self.swept.removed.iter().any(|removed| {
            removed.going.kind == Kind::Deployment
                && removed.going.path == deployment.directory.path()
        });
        match deployment.stays {
            Some(stays) => Some(stays.words()),
            None if goes => None,
            None => Some("within the number that is kept"),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for shown in &self.groups {
            let names = match shown.group.names.as_slice() {
                [] => String::new(),
                names => format!(" ({})", names.join(", ")),
            };
            lines.push(format!("Group {}{names}", shown.group.id));
            for (deployment, occupied) in shown.group.deployments.iter().zip(&shown.occupied) {
                let name = deployment.directory.path().file_name().unwrap_or_default();
                let stays = match self.stays(deployment) {
                    Some(why) => format!("stays: {why}"),
                    None => "goes".to_owned(),
                };
                lines.push(format!(
                    "  {}  archive {}, bundle {}, partial {}, hook runs {}, other {}; {stays}",
                    name.to_string_lossy(),
                    size(occupied.archive),
                    size(occupied.bundle),
                    size(occupied.partial),
                    size(occupied.hook_runs),
                    size(occupied.other),
                ));
            }
            if !shown.group.foreign.is_empty() {
                lines.push(format!(
                    "  {} that no agent of CodeDeploy makes: {}; stays",
                    match shown.group.foreign.len() {
                        1 => "1 entry".to_owned(),
                        several => format!("{several} entries"),
                    },
                    size(shown.foreign)
                ));
            }
        }
        let verb = if self.dry_run {
            "would remove"
        } else {
            "removed"
        };
        for removed in &self.swept.removed {
            lines.push(format!(
                "{verb} {} {} ({})",
                removed.going.kind.word(),
                removed.going.path.display(),
                size(removed.usage)
            ));
        }
        lines.extend(self.swept.notes.iter().map(|note| format!("note: {note}")));
        lines.push(format!(
            "{} {} at most (blocks that files share count each time)",
            if self.dry_run { "Would free" } else { "Freed" },
            size(self.total())
        ));
        lines.iter().map(|line| one_line(line)).collect()
    }

    fn object(&self) -> Value {
        let groups: Vec<Value> = self.groups.iter().map(|shown| self.group(shown)).collect();
        let removed: Vec<Value> = self
            .swept
            .removed
            .iter()
            .map(|removed| {
                json!({
                    "kind": removed.going.kind.word(),
                    "group": removed.group.as_ref().map(DeploymentGroupId::as_str),
                    "path": removed.going.path.to_string_lossy(),
                    "bytes_at_most": removed.usage.bytes,
                    "incomplete": removed.usage.incomplete,
                })
            })
            .collect();
        json!({
            "dry_run": self.dry_run,
            "groups": groups,
            "removed": removed,
            "bytes_at_most": self.total().bytes,
            "notes": self.swept.notes,
            "problems": self.swept.problems,
        })
    }

    fn group(&self, shown: &Shown) -> Value {
        let deployments: Vec<Value> = shown
            .group
            .deployments
            .iter()
            .zip(&shown.occupied)
            .map(|(deployment, occupied)| {
                let path = deployment.directory.path();
                json!({
                    "id": path.file_name().unwrap_or_default().to_string_lossy(),
                    "archive_bytes": occupied.archive.bytes,
                    "bundle_bytes": occupied.bundle.bytes,
                    "partial_bytes": occupied.partial.bytes,
                    "hook_runs_bytes": occupied.hook_runs.bytes,
                    "other_bytes": occupied.other.bytes,
                    "stays": self.stays(deployment),
                })
            })
            .collect();
        json!({
            "id": shown.group.id.as_str(),
            "names": shown.group.names,
            "deployments": deployments,
            "unidentified_bytes": shown.foreign.bytes,
        })
    }
}

/// At least so much where not everything could be looked at.
fn size(usage: Usage) -> String {
    let at_least = if usage.incomplete { "at least " } else { "" };
    format!("{at_least}{}", bytes(usage.bytes))
}
