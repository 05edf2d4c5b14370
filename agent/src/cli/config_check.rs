//! `agent config check`: what the daemon would find wrong at its start, without a start.

use std::path::Path;

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
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => {
            for problem in problems_of(&error) {
                say_aside(&format!("error: {problem}"));
            }
            return Err(Exit::Configuration);
        }
    };
    let name = configuration.name();
    for warning in &configuration.loaded.warnings {
        say_aside(&format!("warning: {name}: {warning}"));
    }
    let (warnings, mut problems) = beyond_the_file(&configuration.loaded.config);
    problems.extend(configuration.absent());
    for warning in warnings {
        say_aside(&format!("warning: {warning}"));
    }
    for problem in &problems {
        say_aside(&format!("error: {problem}"));
    }
    if problems.is_empty() {
        Ok(configuration)
    } else {
        Err(Exit::Configuration)
    }
}

/// One line a problem.
pub(super) fn problems_of(error: &ConfigError) -> Vec<String> {
    match error {
        ConfigError::Invalid { path, problems } => problems
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
