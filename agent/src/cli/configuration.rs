//! The configuration as the subcommands beside `run` read it.

use std::io::ErrorKind;
use std::path::Path;

use crate::config::{Config, ConfigError, Loaded, Purpose, default_path};

/// A configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) loaded: Loaded,
}

impl Configuration {
    /// The file that is named, else the installed one, else the defaults.
    pub(super) fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.map_or_else(default_path, Path::to_owned);
        match Config::load(&path, Purpose::Service) {
            Ok(loaded) => Ok(Self { loaded }),
            Err(ConfigError::Read { source, .. })
                if named.is_none() && source.kind() == ErrorKind::NotFound =>
            {
                Ok(Self {
                    loaded: Loaded::defaults(Purpose::Service),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The file. None: none was named, and none is installed.
    pub(super) fn path(&self) -> Option<&Path> {
        self.loaded.path.as_deref()
    }

    /// What keeps the daemon from starting although the settings could be used: it wants a file.
    pub(super) fn absent(&self) -> Option<String> {
        let usual = default_path();
        self.path().is_none().then(|| {
            format!(
                "there is no configuration file; create {} (an empty one has the defaults), or \
                 name another with --config",
                usual.display()
            )
        })
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        match self.path() {
            Some(path) => path.display().to_string(),
            None => "the built-in configuration (no file is installed)".to_owned(),
        }
    }
}
