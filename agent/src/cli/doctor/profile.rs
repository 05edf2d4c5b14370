//! The agent itself has the proxies and certificates that /etc/profile sets.
//!
//! Whoever calls the doctor has them from their login, so the other checks may go a way that the
//! agent does not find: here its own environment counts.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::finding::Finding;
use super::other_agent;
use crate::config::Config;
use crate::daemon::PidFile;
use crate::error::chain;
use crate::hooks::{ProfileOnly, profile_environment};

/// Compares the environment of the agent that runs with what /etc/profile makes of it.
pub(super) async fn check(config: &Config) -> Finding {
    if !config.profile_environment {
        return Finding::skipped("profile_environment is false");
    }
    let running = PidFile::running(&config.pid_dir, config.program_name.as_str());
    let Some(pid) = running
        .ok()
        .flatten()
        .filter(|pid| other_agent::is_this_agent(*pid))
    else {
        return Finding::skipped("needs the agent to be running: its environment is compared");
    };
    let own = match fs_err::read(format!("/proc/{pid}/environ")) {
        Ok(environment) => variables(&environment),
        Err(error) => {
            return Finding::skipped(format!(
                "the agent's environment cannot be read ({error}); its log says at its start what \
                 it does not have"
            ));
        }
    };
    match profile_environment(Path::new("/etc/profile"), &own).await {
        Ok(profile) => match ProfileOnly::find(config, &own, &profile) {
            Some(found) => Finding::warning(found.to_string(), ProfileOnly::REMEDY),
            None => Finding::ok("the agent itself has its proxies and certificates"),
        },
        Err(error) => Finding::warning(
            format!("{}; hooks do without it", chain(&error)),
            "correct it, or set profile_environment to false",
        ),
    }
}

/// As /proc shows them.
fn variables(environment: &[u8]) -> Vec<(OsString, OsString)> {
    let owned = |text: &[u8]| OsString::from_vec(text.to_owned());
    environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=')?;
            let (name, value) = entry.split_at(equals);
            Some((owned(name), owned(value.strip_prefix(b"=")?)))
        })
        .collect()
}
