//! The subcommand.

use std::path::Path;

use super::report::Report;
use super::running::running;
use crate::cli::arguments::Output;
use crate::cli::arguments::StatusArguments;
use crate::cli::configuration::Configuration;
use crate::cli::terminal::{one_line, say};
use crate::cli::{Exit, complain};
use crate::error::chain;

/// Runs the subcommand.
pub(in crate::cli) fn main(named: Option<&Path>, arguments: &StatusArguments) -> Exit {
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => return complain(&chain(&error), Exit::Unknown),
    };
    let pid = match running(&configuration.loaded.config) {
        Ok(pid) => pid,
        Err(error) => return complain(&chain(&error), Exit::Unknown),
    };
    let report = Report::new(&configuration, named, pid);
    match arguments.output {
        Output::Human => {
            // The first line is that of AWS's agents: tools look for it.
            match pid {
                Some(pid) => say(&format!(
                    "The CodeDeploy host agent is running as PID {pid}"
                )),
                None => say("The CodeDeploy host agent is not running"),
            };
            for line in report.lines() {
                say(&one_line(&line));
            }
        }
        Output::Json => {
            say(&format!("{:#}", report.object()));
        }
    }
    match pid {
        Some(_) => Exit::Success,
        None => Exit::NotRunning,
    }
}
