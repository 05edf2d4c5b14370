//! Which of the subcommands, and on which deployment.

use std::path::Path;

use super::arguments::{DeploymentsArguments, DeploymentsCommand};
use super::{follow, list, logs, show};
use crate::cli::configuration::Configuration;
use crate::cli::past_deployments::PastDeployments;
use crate::cli::terminal::{one_line, say_aside};
use crate::cli::{Exit, complain};
use crate::error::chain;
use crate::history::{History, Lookup, PastDeployment};

/// How many ids are named when the one that was asked for is not there.
const NAMED: usize = 5;

/// Runs the subcommand.
pub(in crate::cli) fn main(named: Option<&Path>, arguments: &DeploymentsArguments) -> Exit {
    if arguments.are_misplaced() {
        let message = "--group, --limit and --output belong behind list, show or logs";
        return complain(message, Exit::Usage);
    }
    let configuration = match Configuration::load(named) {
        Ok(configuration) => configuration,
        Err(error) => return complain(&chain(&error), Exit::Configuration),
    };
    let past = PastDeployments::new(&configuration, named);
    let history = match past.read() {
        Ok(history) => history,
        Err(error) => return complain(&chain(&error), Exit::Failed),
    };
    for complaint in &history.complaints {
        say_aside(&format!("warning: {}", one_line(complaint)));
    }
    match &arguments.command {
        None => list::main(&history, &arguments.list),
        Some(DeploymentsCommand::List(arguments)) => list::main(&history, arguments),
        Some(DeploymentsCommand::Show(arguments)) => match find(&history, &arguments.id) {
            Ok(found) if arguments.follow => follow::main(&past, found, arguments),
            Ok(found) => show::main(found, arguments),
            Err(exit) => exit,
        },
        Some(DeploymentsCommand::Logs(arguments)) => match find(&history, &arguments.id) {
            Ok(found) => logs::main(&past, found, arguments),
            Err(exit) => exit,
        },
    }
}

fn find<'h>(history: &'h History, text: &str) -> Result<&'h PastDeployment, Exit> {
    let ids = |found: &[&PastDeployment]| {
        let ids: Vec<&str> = found
            .iter()
            .take(NAMED)
            .map(|past| past.id.as_str())
            .collect();
        let more = if found.len() > NAMED { ", ..." } else { "" };
        format!("{}{more}", ids.join(", "))
    };
    let text = one_line(text);
    let message = match history.find(&text) {
        Lookup::One(past) => return Ok(past),
        Lookup::Several(found) => format!(
            "{text} is the beginning of {} deployments; write more of the id: {}",
            found.len(),
            ids(&found)
        ),
        Lookup::None if history.deployments.is_empty() => {
            format!("no deployment {text} is known on this host, nor any other")
        }
        Lookup::None => {
            let all: Vec<_> = history.deployments.iter().collect();
            format!(
                "no deployment {text} is known on this host; the newest are {}",
                ids(&all)
            )
        }
    };
    Err(complain(&message, Exit::Usage))
}
