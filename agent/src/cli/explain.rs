//! `agent explain`: the pages of `agent validate`'s rules.

use std::io::{self, Write as _};

use super::arguments::ExplainArguments;
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
    print(&text)
}

/// To standard output; whoever closes it early has seen enough.
pub(super) fn print(text: &str) -> Exit {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => complain(
            &format!("cannot write to standard output: {error}"),
            Exit::Failed,
        ),
        _ => Exit::Success,
    }
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
