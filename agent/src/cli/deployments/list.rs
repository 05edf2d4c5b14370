//! `agent deployments list`.

use serde_json::Value;

use super::arguments::ListArguments;
use super::{json, table};
use crate::cli::Exit;
use crate::cli::arguments::Output;
use crate::cli::terminal::{Paint, one_line, say, width};
use crate::cli::times;
use crate::history::{History, PastDeployment};

/// How many a person is shown.
const FOR_PEOPLE: usize = 20;

/// Runs the subcommand.
pub(super) fn main(history: &History, arguments: &ListArguments) -> Exit {
    let output = Output::or_what_suits(arguments.output);
    let wanted: Vec<&PastDeployment> = history
        .deployments
        .iter()
        .filter(|past| is_of_group(past, arguments.group.as_deref()))
        .collect();
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

fn is_of_group(past: &PastDeployment, group: Option<&str>) -> bool {
    group.is_none_or(|group| {
        past.group_name.as_deref() == Some(group)
            || past
                .group_id
                .as_ref()
                .is_some_and(|id| id.as_str() == group)
    })
}

fn human(history: &History, shown: &[&PastDeployment], older: usize) {
    if shown.is_empty() {
        say("No deployments are known here");
    } else {
        for line in table::lines(shown, width(), Paint::of_standard_output()) {
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
