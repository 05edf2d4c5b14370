//! `agent explain`: the pages of `agent validate`'s rules.

use super::arguments::ExplainArguments;
use super::terminal::print;
use super::{Exit, complain};
use crate::appspec::Severity;
use crate::lint::{self, RULES};

/// Runs the subcommand.
pub(super) fn main(arguments: &ExplainArguments) -> Exit {
    let text = match &arguments.rule {
        None => list(),
        Some(name) => match lint::find(name) {
            Some(rule) => rule.page.to_owned(),
            None => {
                let shown: String = name.escape_debug().take(60).collect();
                let help = match lint::closest(name) {
                    Some(rule) => format!("did you mean {}?", rule.id),
                    None => "`agent explain` lists them all".to_owned(),
                };
                return complain(&format!("there is no rule {shown}; {help}"), Exit::Usage);
            }
        },
    };
    print(text.as_bytes());
    Exit::Success
}

fn list() -> String {
    let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    let line = |rule: &lint::Rule| {
        let severity = match rule.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        format!("{:width$}  {severity:7}  {}\n", rule.id, rule.title)
    };
    RULES.iter().map(line).collect()
}
