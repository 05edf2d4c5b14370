//! `agent deployments list`.

use serde_json::Value;

use super::arguments::ListArguments;
use super::{json, table};
use crate::cli::arguments::Output;
use crate::cli::groups::{GroupError, KnownGroups};
use crate::cli::terminal::{Paint, one_line, say, width};
use crate::cli::{Exit, complain, times};
use crate::error::chain;
use crate::history::{History, PastDeployment};

/// How many a person is shown.
const FOR_PEOPLE: usize = 20;

/// Runs the subcommand.
pub(super) fn main(history: &History, arguments: &ListArguments) -> Exit {
    let output = Output::or_what_suits(arguments.output);
    let wanted = match of_group(history, arguments.group.as_deref()) {
        Ok(wanted) => wanted,
        Err(error) => return complain(&chain(&error), Exit::Usage),
    };
    let limit = match (arguments.limit, output) {
        (Some(0), _) | (None, Output::Json) => wanted.len(),
        (Some(limit), _) => limit,
        (None, Output::Human) => FOR_PEOPLE,
    };
    let shown = wanted.get(..limit).unwrap_or(&wanted);
    match output {
        Output::Json => {
            let list: Value = shown.iter().map(|past| json::summary(past)).collect();
            say(&format!("{list:#}"));
        }
        Output::Human => human(history, shown, wanted.len() - shown.len()),
    }
    Exit::Success
}

/// The deployments of the groups that `named` names; all without one.
fn of_group<'h>(
    history: &'h History,
    named: Option<&str>,
) -> Result<Vec<&'h PastDeployment>, GroupError> {
    let deployments = history.deployments.iter();
    let Some(text) = named else {
        return Ok(deployments.collect());
    };
    let groups = KnownGroups::of(history).all(text)?;
    let is_of_them =
        |past: &&PastDeployment| past.group_id.as_ref().is_some_and(|id| groups.contains(id));
    Ok(deployments.filter(is_of_them).collect())
}

fn human(history: &History, shown: &[&PastDeployment], older: usize) {
    if shown.is_empty() {
        say("No deployments are known here");
    } else {
        for line in table::lines(history, shown, width(), Paint::of_standard_output()) {
            say(&line);
        }
    }
    match older {
        0 => true,
        1 => say("1 older one is not shown; --limit 0 shows all"),
        _ => say(&format!(
            "{older} older ones are not shown; --limit 0 shows all"
        )),
    };
    if let Some(last) = history.unassigned.last() {
        say(&format!(
            "{} commands of the service ended before their deployment was known, the last one at \
             {}: {}: {}",
            history.unassigned.len(),
            times::local(last.began),
            one_line(&last.command_name),
            one_line(&last.message)
        ));
    }
}
