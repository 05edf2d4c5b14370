//! The output of a deployment's hooks, as it lies in its directory.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::deployment_root::DeploymentDirectory;
use crate::files::open_regular;
use crate::history::{DeploymentResult, PastDeployment};

/// Of the log, the last so many bytes are looked at.
const LOOKED_AT: u64 = 64 * 1024;

/// How many lines a failure is shown with.
const LINES: usize = 20;

/// Length of `YYYY-MM-DD HH:MM:SS ` before each entry.
const STAMP: usize = 20;

/// The log of a deployment whose directory is still on the host.
pub(super) fn path(past: &PastDeployment) -> Option<PathBuf> {
    let held = past.held.as_ref()?;
    Some(DeploymentDirectory::from_pointer(held.directory.clone()).scripts_log())
}

/// The last lines that the failed event has written.
pub(super) fn excerpt(past: &PastDeployment) -> Vec<String> {
    let DeploymentResult::Failed { event, .. } = &past.result else {
        return Vec::new();
    };
    let text = path(past).and_then(|path| end_of(&path).ok());
    of_event(&text.unwrap_or_default(), event)
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut log = open_regular(path)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(LOOKED_AT)))?;
    let mut text = Vec::new();
    log.take(LOOKED_AT).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn of_event(text: &str, event: &str) -> Vec<String> {
    let heading = format!("LifecycleEvent - {event}");
    let lines: Vec<&str> = text.lines().collect();
    let begins = lines
        .iter()
        .rposition(|line| line.get(STAMP..) == Some(&heading));
    let Some(begins) = begins else {
        return Vec::new();
    };
    let lines = lines.get(begins + 1..).unwrap_or_default();
    let last = lines.len().saturating_sub(LINES);
    lines
        .iter()
        .skip(last)
        .map(|line| (*line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_event_wrote_last_is_told() {
        let text = "2026-01-01 00:00:00 LifecycleEvent - Mine\n2026-01-01 00:00:00 [stdout]old\n\
                    2026-01-01 00:00:00 LifecycleEvent - Mine\n2026-01-01 00:00:00 Script - a\n\
                    2026-01-01 00:00:00 [stderr]new\n";
        let told = of_event(text, "Mine");
        assert_eq!(
            told,
            [
                "2026-01-01 00:00:00 Script - a",
                "2026-01-01 00:00:00 [stderr]new"
            ]
        );
        assert!(of_event(text, "Other").is_empty());
        assert!(of_event("", "Mine").is_empty());
    }
}
