//! `agent register`: checks who this host is to be, and writes the on-premises file.
//!
//! Invariants: a secret comes from the environment or standard input and goes into the file and
//! nowhere else; the file is written whole, for its owner alone, and never over another identity
//! without being told so.

mod candidate;
mod file;
mod key_pair;

use std::path::Path;

use super::arguments::RegisterArguments;
use super::configuration::Configuration;
use super::doctor::examine_candidate;
use super::on_premises_hints::registration;
use super::terminal::say;
use super::{Exit, complain};
use crate::error::chain;
pub(super) use file::replaced;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &RegisterArguments) -> Exit {
    let config = match Configuration::load(named) {
        Ok(configuration) => configuration.loaded.config,
        Err(error) => return complain(&chain(&error), Exit::Configuration),
    };
    let configured = &config.on_premises_config_file;
    let path = arguments.file.as_ref().unwrap_or(configured);
    let identity = match candidate::identity(arguments) {
        Ok(identity) => identity,
        Err(error) => return complain(&chain(&error), Exit::Usage),
    };
    // Before anything is asked of the service.
    let place = match file::Place::look(path, &identity, arguments.force) {
        Ok(place) => place,
        Err(error) => return complain(&chain(&error), Exit::Failed),
    };
    if !arguments.no_check {
        match examine_candidate(&config, identity.clone()) {
            Ok(true) => {}
            Ok(false) => {
                let message = "the host cannot work with this identity, so nothing was written; \
                               do what the failed checks advise, or skip them with --no-check";
                return complain(message, Exit::Failed);
            }
            Err(error) => return complain(&format!("cannot start: {error}"), Exit::Failed),
        }
    }
    match place.write(&identity, &config) {
        Ok(Some(backup)) => {
            say(&format!("The old file is now {}", backup.display()));
        }
        Ok(None) => {}
        Err(error) => return complain(&chain(&error), Exit::Failed),
    }
    say(&format!(
        "{} says that this host is {} in {}",
        path.display(),
        identity.host_identifier,
        identity.region
    ));
    if path != configured {
        say(&format!(
            "The agent reads {}: set on_premises_config_file to {} in its configuration",
            configured.display(),
            path.display()
        ));
    }
    for line in registration(&identity) {
        say(&line);
    }
    if let Ok(Some(pid)) = super::status::running(&config) {
        say(&format!(
            "The agent runs (PID {pid}) as who it was before; then: agent restart"
        ));
    }
    Exit::Success
}
