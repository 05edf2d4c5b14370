//! The logs that a script's entries go to, with their time stamps.
//!
//! Entries of one round are collected and written with one `write` a log. A log that cannot be
//! written costs a warning, never the script.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::log_file::{self, LogFile, Rotation};
use crate::request::Request;
use crate::sys::{self, LocalTime};

/// 64 MiB, 8 files (contract: hooks, deployment).
const ROTATION: Rotation = Rotation {
    limit: 64 << 20,
    files: 8,
    restricted: false,
};

/// Rotated files of the scripts' log at `path` that are more than are kept; rotations do not reach
/// them any more.
///
/// # Errors
/// When the log's directory cannot be listed.
pub fn surplus_log_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    log_file::surplus(path, ROTATION.files)
}

/// A round is written early when it has grown to this many bytes.
const ROUND_BYTES: usize = 256 * 1024;

#[derive(Debug)]
struct Target {
    log: LogFile,
    round: Vec<u8>,
    /// The first error, which becomes the warning.
    failure: Option<String>,
}

impl Target {
    fn open(path: &std::path::Path, rotation: Rotation) -> Self {
        let (log, result) = LogFile::open(path, rotation);
        Self {
            log,
            round: Vec::new(),
            failure: result.err().map(|error| error.to_string()),
        }
    }

    fn entry(&mut self, stamp: &[u8], parts: &[&[u8]]) {
        self.round.extend_from_slice(stamp);
        for part in parts {
            self.round.extend_from_slice(part);
        }
        self.round.push(b'\n');
        if self.round.len() >= ROUND_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.round.is_empty() {
            return;
        }
        if let Err(error) = self.log.append(&self.round)
            && self.failure.is_none()
        {
            self.failure = Some(error.to_string());
        }
        self.round.clear();
        self.round.shrink_to(ROUND_BYTES);
    }
}

/// scripts.log and the deployments log.
#[derive(Debug)]
pub(crate) struct Logs {
    scripts: Target,
    deployments: Option<Target>,
    deployment_id: String,
    /// The stamps of this round.
    stamps: Option<(String, String)>,
}

impl Logs {
    pub(crate) fn open(request: &Request) -> Self {
        let rotation = Rotation {
            restricted: request.restrict_log_permissions,
            ..ROTATION
        };
        let deployments = request.deployments_log.as_ref();
        Self {
            scripts: Target::open(&request.scripts_log, rotation),
            deployments: deployments.map(|log| Target::open(&log.path, rotation)),
            deployment_id: deployments
                .map(|log| log.deployment_id.clone())
                .unwrap_or_default(),
            stamps: None,
        }
    }

    /// Adds an entry, given in parts without newlines, to this round.
    pub(crate) fn entry(&mut self, parts: &[&[u8]]) {
        let id = &self.deployment_id;
        let (scripts, deployments) = self.stamps.get_or_insert_with(|| now(id));
        self.scripts.entry(scripts.as_bytes(), parts);
        if let Some(target) = &mut self.deployments {
            target.entry(deployments.as_bytes(), parts);
        }
    }

    /// Writes the round.
    pub(crate) fn write(&mut self) {
        self.stamps = None;
        self.scripts.write();
        if let Some(target) = &mut self.deployments {
            target.write();
        }
    }

    /// A warning for each log that could not be written.
    pub(crate) fn warnings(&self) -> Vec<String> {
        [Some(&self.scripts), self.deployments.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|target| {
                let error = target.failure.as_ref()?;
                let path = target.log.path().display();
                Some(format!(
                    "not all output could be written to {path}: {error}"
                ))
            })
            .collect()
    }
}

fn now(deployment_id: &str) -> (String, String) {
    let since_1970: Duration = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or_default();
    // Only a year beyond all counting has none.
    let time = sys::local_time(seconds).unwrap_or(LocalTime {
        year: 1970,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
    });
    stamps(time, since_1970.subsec_millis(), deployment_id)
}

/// What a line begins with: in scripts.log, in the deployments log.
fn stamps(time: LocalTime, milliseconds: u32, deployment_id: &str) -> (String, String) {
    let LocalTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = time;
    let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    (
        format!("{text} "),
        format!("[{text}.{milliseconds:03}] [{deployment_id}]"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::DeploymentsLog;
    use crate::request::tests::request;

    #[test]
    fn stamps_are_as_the_contract_has_them() {
        let time = LocalTime {
            year: 2026,
            month: 3,
            day: 4,
            hour: 5,
            minute: 6,
            second: 7,
        };
        let (scripts, deployments) = stamps(time, 89, "d-ABC");
        assert_eq!(scripts, "2026-03-04 05:06:07 ");
        assert_eq!(deployments, "[2026-03-04 05:06:07.089] [d-ABC]");
    }

    #[test]
    fn both_logs_get_each_entry_and_a_broken_one_is_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let mut request = request();
        request.scripts_log = directory.path().join("logs/scripts.log");
        request.deployments_log = Some(DeploymentsLog {
            path: "/dev/full".into(),
            deployment_id: "d-1".to_owned(),
        });
        let mut logs = Logs::open(&request);
        logs.entry(&[b"[stdout]", b"one"]);
        logs.entry(&[b"[stderr]", b"two\xff"]);
        logs.write();
        let written = fs_err::read(&request.scripts_log).unwrap();
        let text = String::from_utf8_lossy(&written);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(&lines[0][19..], " [stdout]one");
        assert!(written.ends_with(b"[stderr]two\xff\n"));
        let warnings = logs.warnings();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("/dev/full"), "{warnings:?}");
    }
}
