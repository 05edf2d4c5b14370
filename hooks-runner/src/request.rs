//! What is to be run: plain data, written by the agent into the run directory.
//!
//! The environment is not part of it. It travels as the runner's own, so that whatever secrets
//! it has never reach a disk.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::format::{self, FormatError};

/// One script and how to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The script: absolute, already confined to its archive by the caller.
    #[serde(with = "crate::format::lossless")]
    pub script: PathBuf,
    /// The script as the AppSpec writes it, for messages.
    pub location: String,
    /// Log entries written first, without newlines (`LifecycleEvent - X`, `Script - Y`).
    pub preamble: Vec<String>,
    /// The account to run as; none means the runner's own.
    pub runas: Option<String>,
    /// Whether to go through `sudo` when not root.
    pub sudo: bool,
    /// How the account is changed when root.
    pub runas_via: RunasVia,
    /// Names of variables that `sudo` must preserve.
    pub keep_under_sudo: Vec<String>,
    /// File mode bits that the script starts without; 0022 unless /etc/profile says otherwise.
    pub umask: u32,
    /// From the start of the script until it has ended and its output is closed.
    pub timeout_seconds: u64,
    /// What a script that exits 0 with its output held open by others comes to.
    pub outputs_left_open: OutputsLeftOpen,
    /// Receives `YYYY-MM-DD HH:MM:SS <entry>`.
    #[serde(with = "crate::format::lossless")]
    pub scripts_log: PathBuf,
    /// The log of all deployments, when there is one.
    pub deployments_log: Option<DeploymentsLog>,
    /// The most characters that [`crate::Outcome::tail`] may have.
    pub tail_characters: usize,
    /// 0750 and 0640 instead of 0755 and 0644 for log directories and files that are made.
    pub restrict_log_permissions: bool,
}

/// The log of all deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentsLog {
    /// The file.
    #[serde(with = "crate::format::lossless")]
    pub path: PathBuf,
    /// Marks this deployment's lines.
    pub deployment_id: String,
}

/// How root becomes another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunasVia {
    /// By system calls: no program, no PAM session.
    Native,
    /// Through `su`, whose PAM session applies limits.conf.
    Su,
}

/// What becomes of a script that exits 0 while others hold its output open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputsLeftOpen {
    /// Wait until the timeout, then fail.
    Wait,
    /// After 10 s it has succeeded.
    Release,
}

impl Request {
    /// The bytes of `request.json`.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        format::encode(self)
    }

    /// Reads `request.json`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        format::decode(bytes)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    pub(crate) fn request() -> Request {
        Request {
            script: PathBuf::from("/archive/run me.sh"),
            location: "run me.sh".to_owned(),
            preamble: vec!["LifecycleEvent - AfterInstall".to_owned()],
            runas: None,
            sudo: false,
            runas_via: RunasVia::Native,
            keep_under_sudo: vec!["DEPLOYMENT_ID".to_owned()],
            umask: 0o022,
            timeout_seconds: 3600,
            outputs_left_open: OutputsLeftOpen::Wait,
            scripts_log: PathBuf::from("/logs/scripts.log"),
            deployments_log: Some(DeploymentsLog {
                path: PathBuf::from("/logs/all.log"),
                deployment_id: "d-1".to_owned(),
            }),
            tail_characters: 2047,
            restrict_log_permissions: false,
        }
    }

    #[test]
    fn what_is_written_is_read_back_also_when_a_path_is_not_utf_8() {
        let mut request = request();
        request.script = PathBuf::from(OsString::from_vec(b"/archive/caf\xe9 \xff\n".to_vec()));
        let bytes = request.encode().unwrap();
        assert_eq!(Request::decode(&bytes).unwrap(), request);
    }

    #[test]
    fn ordinary_paths_stay_readable() {
        let text = String::from_utf8(request().encode().unwrap()).unwrap();
        assert!(text.contains(r#""script":"/archive/run me.sh""#), "{text}");
    }

    #[test]
    fn another_version_is_refused_by_number() {
        let text = String::from_utf8(request().encode().unwrap()).unwrap();
        let newer = text.replace(r#""version":1"#, r#""version":99"#);
        let error = Request::decode(newer.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("99"), "{error}");
        assert!(Request::decode(b"{\"version\":2}").is_err());
        assert!(Request::decode(b"").is_err());
        assert!(Request::decode(b"[]").is_err());
    }
}
