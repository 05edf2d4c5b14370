//! Texts that the plain and the terminal display share.

use super::{EventEnd, Heading, Summary};

/// How many lines of a failed script's log are shown.
const LAST_LINES: usize = 20;

pub(super) fn heading(heading: &Heading) -> String {
    format!(
        "Deploying {} to {} as {}",
        heading.bundle, heading.group, heading.deployment_id
    )
}

/// What to tell of a failure, line by line.
pub(super) fn failure(end: &EventEnd<'_>) -> Vec<String> {
    let mut lines: Vec<String> = end.verdict.message().lines().map(str::to_owned).collect();
    let log: Vec<&str> = end.verdict.log().lines().collect();
    if !log.is_empty() {
        lines.push("last lines of the log:".to_owned());
        let first = log.len().saturating_sub(LAST_LINES);
        lines.extend(log.iter().skip(first).map(|line| format!("  {line}")));
    }
    if let Some(path) = &end.log
        && !end.verdict.script_name().is_empty()
    {
        lines.push(format!("the whole log is in {}", path.display()));
    }
    lines
}

pub(super) fn directory(summary: &Summary) -> String {
    format!("Deployment directory: {}", summary.directory.display())
}

pub(super) fn log(summary: &Summary) -> Option<String> {
    summary
        .log
        .as_ref()
        .map(|log| format!("Script log: {}", log.display()))
}

/// The stable last line; pipelines look for it.
pub(super) fn last_line(summary: &Summary) -> String {
    format!(
        "Deployment {} {}",
        summary.deployment_id,
        summary.ending.word()
    )
}
