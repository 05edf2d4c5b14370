//! What was found, for people and for programs.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde_json::json;

use super::sarif;
use crate::appspec::{Problem, Problems, Severity, printable};
use crate::cli::arguments::ValidateOutput;
use crate::lint::{self, Platform};

/// A file that was looked at.
pub(super) struct CheckedFile {
    /// As it is shown.
    pub(super) name: String,
    /// Its text, or the beginning of it.
    pub(super) source: Vec<u8>,
    pub(super) problems: Problems,
    /// What it is for, when it is an AppSpec.
    pub(super) platform: Option<Platform>,
}

/// The whole output: for people a part an input, for programs one document.
pub(super) fn show(inputs: &[Vec<CheckedFile>], output: ValidateOutput) -> String {
    match output {
        ValidateOutput::Human => inputs.iter().map(|files| human(files)).collect(),
        ValidateOutput::Json => json(inputs),
        ValidateOutput::Sarif => sarif::log(inputs),
        ValidateOutput::Github => github(inputs),
    }
}

pub(super) fn severity(problem: &Problem) -> &'static str {
    match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Each finding of each file of each input.
pub(super) fn findings(
    inputs: &[Vec<CheckedFile>],
) -> impl Iterator<Item = (&CheckedFile, &Problem)> {
    inputs
        .iter()
        .flatten()
        .flat_map(|file| file.problems.iter().map(move |problem| (file, problem)))
}

fn human(files: &[CheckedFile]) -> String {
    let styled = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    for file in files.iter().filter(|file| !file.problems.is_empty()) {
        text.push_str(
            file.problems
                .render(&file.name, &file.source, styled)
                .trim_end(),
        );
        text.push_str("\n\n");
    }
    let count = |severity: Severity| {
        files
            .iter()
            .flat_map(|file| &file.problems)
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let name = files.first().map_or("", |file| file.name.as_str());
    let name = printable(name);
    // Writing to a String cannot fail.
    let _ = match (errors, warnings) {
        (0, 0) => {
            let platform = match files.first().and_then(|file| file.platform) {
                Some(Platform::Ecs) => "ECS",
                Some(Platform::Lambda) => "Lambda",
                _ => "EC2/on-premises",
            };
            writeln!(text, "{name}: nothing wrong ({platform})")
        }
        _ => writeln!(
            text,
            "{name}: {}, {}; `agent explain RULE` tells more about the name in brackets",
            plural(errors, "error"),
            plural(warnings, "warning")
        ),
    };
    let document = files.first().filter(|file| file.platform.is_some());
    if document.is_some_and(|file| lint::fix(&file.source, &file.problems).is_some()) {
        let _ = writeln!(text, "`agent validate --fix` can mend some of it");
    }
    text
}

fn json(inputs: &[Vec<CheckedFile>]) -> String {
    let list: Vec<_> = findings(inputs)
        .map(|(file, problem)| {
            json!({
                "rule": problem.code,
                "severity": severity(problem),
                "file": file.name,
                "line": problem.span.line,
                "column": problem.span.column,
                "message": problem.message,
                "help": problem.help,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::from(list))
}

/// Workflow commands, one a line.
fn github(inputs: &[Vec<CheckedFile>]) -> String {
    let data = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for (file, problem) in findings(inputs) {
        let help = problem.help.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "::{} file={},line={},col={},title={}::{}",
            severity(problem),
            property(&file.name),
            problem.span.line,
            problem.span.column,
            property(problem.code),
            data(format!("{}\n{help}", problem.message).trim_end()),
        );
    }
    text
}
