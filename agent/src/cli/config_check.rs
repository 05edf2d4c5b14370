//! `agent config check`: what the daemon would find wrong at its start, without a start.

use std::path::{Path, PathBuf};

use super::Exit;
use super::configuration::Configuration;
use super::terminal::{say, say_aside};
use crate::config::{Config, ConfigError};
use crate::daemon::configured_user;
use crate::error::chain;
use crate::identity::OnPremises;
use crate::specification::SignerTrust;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>) -> Exit {
    match check(named) {
        Ok(configuration) => {
            say(&format!("{} can be used", configuration.name()));
            Exit::Success
        }
        Err(exit) => exit,
    }
}

/// Loads the configuration and prints, to standard error, each warning and each problem.
///
/// # Errors
/// How to end when there is a problem.
pub(super) fn check(named: Option<&Path>) -> Result<Configuration, Exit> {
    let loaded = Configuration::load(named);
    let mut problems = loaded.as_ref().err().map_or_else(Vec::new, problems_of);
    let configuration = match loaded {
        Ok(configuration) => Some(configuration),
        // Whoever mends the file wants to hear of the rest now, not one by one.
        Err(ConfigError::Invalid { otherwise, .. }) => Some(Configuration { loaded: *otherwise }),
        Err(_) => None,
    };
    if let Some(configuration) = &configuration {
        let config = &configuration.loaded.config;
        let (warnings, found) = beyond_the_file(config);
        problems.extend(found);
        problems.extend(blocked_directories(config));
        problems.extend(configuration.absent());
        for warning in configuration.loaded.remarks().iter().chain(&warnings) {
            say_aside(&format!("warning: {warning}"));
        }
    }
    for problem in &problems {
        say_aside(&format!("error: {problem}"));
    }
    configuration
        .filter(|_| problems.is_empty())
        .ok_or(Exit::Configuration)
}

/// Directories of the agent where something else is.
fn blocked_directories(config: &Config) -> Vec<String> {
    let directories = [
        ("root_dir", &config.root_dir),
        ("log_dir", &config.log_dir),
        ("pid_dir", &config.pid_dir),
    ];
    let blocked = |(key, path): (&str, &PathBuf)| {
        let there = |above: &&Path| fs_err::metadata(above).is_ok();
        let nearest = path.ancestors().find(there)?;
        (!nearest.is_dir()).then(|| {
            format!(
                "{key} cannot be {}: {} is no directory; name a directory, or move that away",
                path.display(),
                nearest.display()
            )
        })
    };
    directories.into_iter().filter_map(blocked).collect()
}

/// One line a problem.
pub(super) fn problems_of(error: &ConfigError) -> Vec<String> {
    match error {
        ConfigError::Invalid { path, problems, .. } => problems
            .iter()
            .map(|problem| format!("{}: {problem}", path.display()))
            .collect(),
        other => vec![chain(other)],
    }
}

/// Warnings and problems of what the settings lead to.
pub(super) fn beyond_the_file(config: &Config) -> (Vec<String>, Vec<String>) {
    let (mut warnings, mut problems) = (Vec::new(), Vec::new());
    match OnPremises::read(&config.on_premises_config_file) {
        Ok((identity, remarks)) => {
            warnings.extend(remarks.iter().map(ToString::to_string));
            // Which region an EC2 instance is in, only a start can tell.
            if let Some(identity) = identity
                && let Err(error) = config.check_fips_region(identity.region.as_str())
            {
                problems.push(chain(&error));
            }
        }
        Err(error) => problems.push(chain(&error)),
    }
    if let Err(error) = configured_user(config) {
        problems.push(chain(&error));
    }
    if let Some(path) = &config.signer_ca_file
        && let Err(error) = SignerTrust::from_file(path)
    {
        problems.push(format!("signer_ca_file cannot be used: {}", chain(&error)));
    }
    (warnings, problems)
}
