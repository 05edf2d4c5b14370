//! The configuration of what is done on this machine without the service: local deployments, and
//! what looks after their directories.

use std::path::Path;

use super::Exit;
use super::state_directory::state_directory;
use crate::config::{Config, ConfigError, Loaded, Purpose, default_path};

/// There is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalConfigurationError {
    #[error("the configuration cannot be used")]
    Unusable(#[source] ConfigError),
    #[error("neither XDG_STATE_HOME nor HOME says where to keep deployments; set one of them")]
    NoStateDirectory,
}

impl LocalConfigurationError {
    /// How the program ends for it.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unusable(_) => Exit::Configuration,
            Self::NoStateDirectory => Exit::Usage,
        }
    }
}

/// The file that is named; else root's, if there is one; else defaults below the user's own state
/// directory.
///
/// # Errors
/// When the file cannot be used, or nothing says where to keep deployments.
pub(super) fn local_configuration(named: Option<&Path>) -> Result<Loaded, LocalConfigurationError> {
    let root = nix::unistd::geteuid().is_root();
    let installed = default_path();
    let path = match named {
        Some(path) => path,
        None if root && installed.exists() => &installed,
        None => {
            let state = state_directory(root, |name| std::env::var_os(name))
                .ok_or(LocalConfigurationError::NoStateDirectory)?;
            let mut loaded = Loaded::defaults(Purpose::Local);
            loaded.config.root_dir = state.join("deployment-root");
            loaded.config.log_dir = state.join("log");
            return Ok(loaded);
        }
    };
    Config::load(path, Purpose::Local).map_err(LocalConfigurationError::Unusable)
}
