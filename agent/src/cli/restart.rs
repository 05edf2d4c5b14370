//! `agent restart`: `stop`, then `start`. The new daemon takes up what the old one had at work.

use std::path::Path;

use super::config_check::check;
use super::start::start;
use super::status::running;
use super::stop::stop;
use super::{Exit, complain, systemd};
use crate::error::chain;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>) -> Exit {
    // First: a daemon that works must not be stopped for one that cannot start.
    let configuration = match check(named) {
        Ok(configuration) => configuration,
        Err(exit) => return exit,
    };
    let pid = match running(&configuration.loaded.config) {
        Ok(pid) => pid,
        Err(error) => return complain(&chain(&error), Exit::Failed),
    };
    // In one step where systemd has the daemon: it comes back even if this program is ended, as
    // by a deployment that restarts the agent.
    if systemd::manages(configuration.path())
        && pid.is_none_or(|pid| systemd::main_pid() == Some(pid))
    {
        return match systemd::systemctl(&["restart"]) {
            Ok(true) => Exit::Success,
            Ok(false) => complain("systemctl could not restart the agent", Exit::Failed),
            Err(error) => complain(&format!("cannot run systemctl: {error}"), Exit::Failed),
        };
    }
    match stop(&configuration, false) {
        Exit::Success => start(&configuration),
        other => other,
    }
}
