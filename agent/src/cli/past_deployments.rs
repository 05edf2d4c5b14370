//! Where subcommands look for what this host has deployed.

use std::path::Path;

use super::configuration::Configuration;
use super::state_directory::state_directory;
use crate::config::Config;
use crate::deployment_root::DeploymentRoot;
use crate::error::chain;
use crate::history::{History, HistoryError};

/// The root directories that are looked at.
#[derive(Debug)]
pub(super) struct PastDeployments {
    configured: DeploymentRoot,
    /// Where `run-bundle` deploys to without a configuration, when that is another one.
    own: Option<DeploymentRoot>,
}

impl PastDeployments {
    /// Those of `configuration`; unless one is `named`, also those of the user's own state directory.
    pub(super) fn new(configuration: &Configuration, named: Option<&Path>) -> Self {
        let configured = configuration.loaded.config.deployment_root();
        let own = match named {
            Some(_) => None,
            None => own_root(&configuration.loaded.config),
        };
        Self { configured, own }
    }

    /// Everything that is known now.
    ///
    /// # Errors
    /// When nothing may be looked at.
    pub(super) fn read(&self) -> Result<History, HistoryError> {
        let configured = History::read(&self.configured);
        let Some(own) = &self.own else {
            return configured;
        };
        match (configured, History::read(own)) {
            (Ok(configured), Ok(own)) => Ok(configured.and(own)),
            (Ok(mut readable), Err(error)) | (Err(error), Ok(mut readable)) => {
                readable.complaints.push(chain(&error));
                Ok(readable)
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &DeploymentRoot> {
        [&self.configured].into_iter().chain(&self.own)
    }
}

fn own_root(config: &Config) -> Option<DeploymentRoot> {
    let root = nix::unistd::geteuid().is_root();
    let state = state_directory(root, |name| std::env::var_os(name))?;
    let path = state.join("deployment-root");
    (path.is_dir() && path != config.root_dir).then(|| DeploymentRoot::new(path))
}
