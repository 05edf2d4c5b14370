//! No other agent polls for this host: AWS's takes the same lock as this one.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::finding::Finding;
use crate::daemon::{PidFile, PidFileError};
use crate::error::chain;

/// Where AWS's agent has its lock unless it is told otherwise, and under which name.
const AWS_DIRECTORY: &str = "/opt/codedeploy-agent/state/.pid";
const AWS_PROGRAM: &str = "codedeploy-agent";

/// Looks who holds the configured lock, and AWS's usual one.
pub(super) fn check(directory: &Path, program: &str) -> Finding {
    let own = (directory.to_owned(), program.to_owned());
    let usual = (PathBuf::from(AWS_DIRECTORY), AWS_PROGRAM.to_owned());
    let is_same = own == usual;
    let finding = holder(&own.0, &own.1, true);
    if is_same || finding.is_failure() {
        return finding;
    }
    let other = holder(&usual.0, &usual.1, false);
    if other.is_failure() { other } else { finding }
}

fn holder(directory: &Path, program: &str, is_configured: bool) -> Finding {
    let remedy = "stop it (systemctl stop codedeploy-agent, or its own stop command) and see that \
                  it is not started again: two agents would take commands from each other";
    match PidFile::running(directory, program) {
        Ok(None) => Finding::ok("none runs"),
        Ok(Some(pid)) if is_this_agent(pid) && is_configured => {
            Finding::ok(format!("this agent runs as process {pid}, and no other"))
        }
        Ok(Some(pid)) => Finding::failed(
            format!(
                "process {pid} ({}) holds the lock in {}",
                name_of(pid),
                directory.display()
            ),
            remedy,
        ),
        Err(error @ PidFileError::Unnamed { .. }) => Finding::failed(chain(&error), remedy),
        Err(error) if is_configured => Finding::not_permitted(chain(&error)),
        // Not ours to look at.
        Err(_) => Finding::ok("none runs"),
    }
}

/// Whether the process runs this program. The agent's processes may be looked into by root only;
/// others see the name.
pub(super) fn is_this_agent(pid: i32) -> bool {
    let of = |path: &Path| fs_err::metadata(path).map(|file| (file.dev(), file.ino()));
    let own = std::env::current_exe().and_then(|path| of(&path));
    let running = PathBuf::from(format!("/proc/{pid}/exe"));
    match (own, of(&running)) {
        (Ok(own), Ok(found)) if own == found => true,
        // Another file: this program's, perhaps replaced by an upgrade meanwhile.
        _ => name_of(pid) == "agent",
    }
}

fn name_of(pid: i32) -> String {
    let name = fs_err::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}
