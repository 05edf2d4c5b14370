//! `agent metrics`: what the daemon has counted, as it would write it now.

use std::path::Path;
use std::time::Duration;

use super::configuration::Configuration;
use super::status::{running, within};
use super::terminal::print;
use super::{Exit, complain};
use crate::bundle::free_space;
use crate::config::Config;
use crate::daemon::{self, AskError, PidFileError};
use crate::deployment_root::{DiskUsageMeter, Pace};
use crate::error::chain;
use crate::metrics::{Disk, page};

/// At its start and end a daemon holds its lock for a moment without listening.
const LISTENS_WITHIN: Duration = Duration::from_secs(1);

/// It cannot be told what the agent has counted.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Running(PidFileError),
    #[error(transparent)]
    Ask(AskError),
}

/// Runs the subcommand. That no agent runs is an answer, not an error: `codedeploy_agent_up 0`.
pub(super) fn main(named: Option<&Path>) -> Exit {
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => return complain(&chain(&error), Exit::Configuration),
    };
    let config = &configuration.loaded.config;
    let mut seen = Ok(None);
    let _ = within(LISTENS_WITHIN, || {
        seen = look(config);
        !matches!(seen, Err(Unknown::Ask(AskError::Absent { .. })))
    });
    let text = match seen {
        Ok(Some(text)) => text,
        Ok(None) => page(false, None, &disk(config)),
        Err(error) => return complain(&chain(&error), Exit::Unknown),
    };
    print(text.as_bytes());
    Exit::Success
}

/// The text of the agent that runs, if one does.
fn look(config: &Config) -> Result<Option<String>, Unknown> {
    match running(config).map_err(Unknown::Running)? {
        Some(_) => daemon::ask(config).map(Some).map_err(Unknown::Ask),
        None => Ok(None),
    }
}

fn disk(config: &Config) -> Disk {
    Disk {
        free: free_space(&config.root_dir),
        usage: DiskUsageMeter::new(config.deployment_root())
            .measure(Pace::Full)
            .ok(),
    }
}
