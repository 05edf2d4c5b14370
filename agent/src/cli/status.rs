//! `agent status`: whether the daemon of this configuration runs.

use std::path::Path;
use std::time::Duration;

use super::configuration::Configuration;
use super::{Exit, complain};
use crate::config::Config;
use crate::daemon::{PidFile, PidFileError};
use crate::error::chain;

/// Between two looks at what is about to change.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// At its start and end a daemon holds the lock for a moment without a pid file.
const NAMED_WITHIN: Duration = Duration::from_secs(1);

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>) -> Exit {
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => return complain(&chain(&error), Exit::Unknown),
    };
    match running(&configuration.loaded.config) {
        Ok(Some(pid)) => {
            println!("The CodeDeploy host agent is running as PID {pid}");
            Exit::Success
        }
        Ok(None) => {
            println!("The CodeDeploy host agent is not running");
            Exit::NotRunning
        }
        Err(error) => complain(&chain(&error), Exit::Unknown),
    }
}

/// The process id of the daemon that runs.
pub(super) fn running(config: &Config) -> Result<Option<i32>, PidFileError> {
    let look = || PidFile::running(&config.pid_dir, config.program_name.as_str());
    let mut seen = look();
    let _ = within(NAMED_WITHIN, || {
        seen = look();
        !matches!(seen, Err(PidFileError::Unnamed { .. }))
    });
    seen
}

/// Looks until `condition` holds; whether it did in time.
pub(super) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = std::time::Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
