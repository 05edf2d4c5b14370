//! `agent deregister`: removes the on-premises file.

use std::io;
use std::path::Path;

use fs_err as fs;

use super::arguments::DeregisterArguments;
use super::configuration::Configuration;
use super::on_premises_hints::deregistration;
use super::register::replaced;
use super::terminal::{say, say_aside};
use super::{Exit, complain, status};
use crate::error::chain;
use crate::identity::OnPremises;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &DeregisterArguments) -> Exit {
    let config = match Configuration::load(named) {
        Ok(configuration) => configuration.loaded.config,
        Err(error) => return complain(&chain(&error), Exit::Configuration),
    };
    let configured = &config.on_premises_config_file;
    let path = arguments.file.as_ref().unwrap_or(configured);
    match fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            say(&format!(
                "There is no {}: nothing to remove",
                path.display()
            ));
            return Exit::Success;
        }
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    }
    // What the agent has read, it goes on with.
    if !arguments.force && path == configured {
        match status::running(&config) {
            Ok(None) => {}
            Ok(Some(pid)) => {
                let message = format!(
                    "the agent runs (PID {pid}) and goes on as who the file says; stop it first \
                     (agent stop --wait), or remove the file all the same with --force"
                );
                return complain(&message, Exit::Failed);
            }
            Err(error) => {
                let message = format!(
                    "cannot tell whether the agent runs: {}; remove the file all the same with \
                     --force",
                    chain(&error)
                );
                return complain(&message, Exit::Failed);
            }
        }
    }
    let identity = match OnPremises::read(path) {
        Ok((identity, _)) => identity,
        Err(error) if arguments.force => {
            say_aside(&format!("warning: {}", chain(&error)));
            None
        }
        Err(error) => {
            let message = format!(
                "{}; look at the file, or remove it all the same with --force",
                chain(&error)
            );
            return complain(&message, Exit::Failed);
        }
    };
    if identity.is_none() && !arguments.force {
        let message = format!(
            "{} says of no identity, so it may be something else; remove it all the same with \
             --force",
            path.display()
        );
        return complain(&message, Exit::Failed);
    }
    if let Err(error) = remove(path) {
        return complain(&error.to_string(), Exit::Failed);
    }
    match &identity {
        Some(identity) => say(&format!(
            "Removed {}: this host is no longer {}",
            path.display(),
            identity.host_identifier
        )),
        None => say(&format!("Removed {}", path.display())),
    };
    let replaced = replaced(path);
    if fs::symlink_metadata(&replaced).is_ok() {
        say(&format!(
            "{} is still there, with the identity of before and its secrets; remove it when it is \
             not wanted back",
            replaced.display()
        ));
    }
    for line in deregistration(identity.as_ref()) {
        say(&line);
    }
    Exit::Success
}

/// For good, also after a power cut.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => {
            fs::File::open(directory)?.sync_all()
        }
        _ => fs::File::open(".")?.sync_all(),
    }
}
