//! The configuration can be used, with all that the daemon checks at its start.

use std::path::Path;

use nix::unistd::geteuid;

use super::finding::Finding;
use crate::cli::config_check::{beyond_the_file, problems_of};
use crate::cli::configuration::Configuration;
use crate::config::Config;
use crate::daemon::{become_configured_user, configured_user};
use crate::error::chain;

/// The finding, and the settings unless they cannot be read.
///
/// As root this process becomes the configured user for good, as the daemon does: so the other
/// checks see files and directories as the daemon will.
pub(super) fn check(named: Option<&Path>) -> (Finding, Option<Config>) {
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => {
            let problems = problems_of(&error).join(" | ");
            let remedy = "correct it; agent config check tells when it can be used";
            return (Finding::failed(problems, remedy), None);
        }
    };
    let (name, absent) = (configuration.name(), configuration.absent());
    let loaded = configuration.loaded;
    let config = loaded.config;
    let (remarks, mut problems) = beyond_the_file(&config);
    problems.extend(absent);
    let mut warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(remarks);
    if geteuid().is_root() {
        if let Err(error) = become_configured_user(&config) {
            let problem = chain(&error);
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    } else if let Some(user) = &config.user {
        warnings.push(format!(
            "the agent becomes the user {user:?}; what follows is seen as user id {}",
            geteuid()
        ));
    }
    let finding = if !problems.is_empty() {
        let remedy = "correct it; agent config check tells when it can be used";
        Finding::failed(problems.join(" | "), remedy)
    } else if !warnings.is_empty() {
        let remedy = "correct what is not meant so; agent config show tells the effective values";
        Finding::warning(format!("{name}: {}", warnings.join(" | ")), remedy)
    } else {
        Finding::ok(format!("{name} can be used"))
    };
    (finding, Some(config))
}

/// Whether this process has the rights that the daemon will have: it is root's, or the configured
/// user's. Otherwise what it may not do proves nothing.
pub(super) fn has_the_agents_rights(config: &Config) -> bool {
    let own = geteuid();
    own.is_root()
        || configured_user(config).is_ok_and(|(user, _)| user.is_some_and(|user| user.uid == own))
}
