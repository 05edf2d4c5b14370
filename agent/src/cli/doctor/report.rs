//! What the doctor says: a line a check for people, an object for programs.

use std::io::IsTerminal as _;

use serde_json::{Value, json};

use super::finding::{Finding, Status};
use crate::cli::arguments::DoctorOutput;

/// The width of the column of names.
const NAME_WIDTH: usize = 13;

/// Collects the findings, and shows them as they come.
pub(super) struct Report {
    output: DoctorOutput,
    colour: bool,
    findings: Vec<(&'static str, Finding)>,
}

impl Report {
    pub(super) fn new(output: DoctorOutput) -> Self {
        let colour = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            output,
            colour,
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: &'static str, finding: Finding) {
        if self.output == DoctorOutput::Human {
            println!("{}", line(name, &finding, self.colour));
        }
        self.findings.push((name, finding));
    }

    /// Shows the whole; whether nothing has failed.
    pub(super) fn close(self) -> bool {
        let count = |status| {
            let with = |(_, finding): &&(_, Finding)| finding.status == status;
            self.findings.iter().filter(with).count()
        };
        let healthy = count(Status::Failed) == 0;
        match self.output {
            DoctorOutput::Human => println!(
                "{} failed, {} with a warning, {} skipped, {} ok",
                count(Status::Failed),
                count(Status::Warning),
                count(Status::Skipped),
                count(Status::Ok)
            ),
            DoctorOutput::Json => println!("{:#}", object(&self.findings, healthy)),
        }
        healthy
    }
}

fn line(name: &str, finding: &Finding, colour: bool) -> String {
    let (word, code) = match finding.status {
        Status::Ok => ("ok  ", "32"),
        Status::Warning => ("WARN", "33"),
        Status::Failed => ("FAIL", "31"),
        Status::Skipped => ("skip", "2"),
    };
    let word = if colour {
        format!("\x1b[{code}m{word}\x1b[0m")
    } else {
        word.to_owned()
    };
    let detail = one_line(&finding.detail);
    let remedy = match &finding.remedy {
        Some(remedy) => format!(". Remedy: {}", one_line(remedy)),
        None => String::new(),
    };
    format!("{word}  {name:NAME_WIDTH$}  {detail}{remedy}")
}

/// Paths and servers may say anything; the terminal is not theirs.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn object(findings: &[(&'static str, Finding)], healthy: bool) -> Value {
    let checks: Vec<Value> = findings
        .iter()
        .map(|(name, finding)| {
            json!({
                "name": name,
                "status": finding.status.word(),
                "detail": one_line(&finding.detail),
                "remedy": finding.remedy.as_deref().map(one_line),
            })
        })
        .collect();
    json!({
        "agent_version": env!("CARGO_PKG_VERSION"),
        "result": if healthy { "healthy" } else { "failed" },
        "checks": checks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_leaves_its_line() {
        let finding = Finding::failed("no\nanswer\x1b[2J", "do\tit");
        assert_eq!(
            line("tcp", &finding, false),
            "FAIL  tcp            no answer [2J. Remedy: do it"
        );
        let coloured = line("hooks-runner", &Finding::ok("there"), true);
        assert_eq!(coloured, "\x1b[32mok  \x1b[0m  hooks-runner   there");
    }

    #[test]
    fn programs_get_one_object() {
        let findings = [
            ("tcp", Finding::failed("refused", "start it")),
            ("tls", Finding::skipped("no connection")),
        ];
        let shown = object(&findings, false);
        assert_eq!(shown["result"], "failed");
        assert_eq!(shown["checks"][0]["status"], "failed");
        assert_eq!(shown["checks"][0]["remedy"], "start it");
        assert_eq!(shown["checks"][1]["remedy"], Value::Null);
    }
}
