//! `agent metrics`: what the daemon has counted, as it would write it now.

use std::io::Write as _;
use std::path::Path;

use super::configuration::Configuration;
use super::status::running;
use super::{Exit, complain};
use crate::bundle::free_space;
use crate::config::Config;
use crate::daemon;
use crate::deployment_root::{DeploymentRoot, DiskUsageMeter, Pace};
use crate::error::chain;
use crate::metrics::{Disk, page};

/// Runs the subcommand. That no agent runs is an answer, not an error: `codedeploy_agent_up 0`.
pub(super) fn main(named: Option<&Path>) -> Exit {
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => return complain(&chain(&error), Exit::Configuration),
    };
    let config = &configuration.loaded.config;
    let text = match running(config) {
        Ok(Some(_)) => match daemon::ask(config) {
            Ok(text) => text,
            Err(error) => return complain(&chain(&error), Exit::Unknown),
        },
        Ok(None) => page(false, None, &disk(config)),
        Err(error) => return complain(&chain(&error), Exit::Unknown),
    };
    // Whoever reads may go away at any time.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Exit::Success
}

fn disk(config: &Config) -> Disk {
    let root = DeploymentRoot::new(&config.root_dir);
    Disk {
        free: free_space(&config.root_dir),
        usage: DiskUsageMeter::new(root).measure(Pace::Full).ok(),
    }
}
