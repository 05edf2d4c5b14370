//! What the doctor says: a line a check for people, an object for programs.

use serde_json::{Value, json};

use super::finding::{Finding, Status};
use crate::cli::arguments::Output;
use crate::cli::terminal::{Colour, Paint, one_line, say};

/// The width of the column of names.
const NAME_WIDTH: usize = 13;

/// Collects the findings, and shows them as they come.
pub(super) struct Report {
    output: Output,
    paint: Paint,
    findings: Vec<(&'static str, Finding)>,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            paint: Paint::of_standard_output(),
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, name: &'static str, finding: Finding) {
        if self.output == Output::Human {
            say(&line(name, &finding, self.paint));
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
            Output::Human => say(&format!(
                "{} failed, {} with a warning, {} skipped, {} ok",
                count(Status::Failed),
                count(Status::Warning),
                count(Status::Skipped),
                count(Status::Ok)
            )),
            Output::Json => say(&format!("{:#}", object(&self.findings, healthy))),
        };
        healthy
    }
}

fn line(name: &str, finding: &Finding, paint: Paint) -> String {
    let (word, colour) = match finding.status {
        Status::Ok => ("ok  ", Colour::Green),
        Status::Warning => ("WARN", Colour::Yellow),
        Status::Failed => ("FAIL", Colour::Red),
        Status::Skipped => ("skip", Colour::Dim),
    };
    let word = paint.text(colour, word);
    let detail = one_line(&finding.detail);
    let remedy = match &finding.remedy {
        Some(remedy) => format!(". Remedy: {}", one_line(remedy)),
        None => String::new(),
    };
    format!("{word}  {name:NAME_WIDTH$}  {detail}{remedy}")
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
            line("tcp", &finding, Paint::with(false)),
            "FAIL  tcp            no answer [2J. Remedy: do it"
        );
        let coloured = line("hooks-runner", &Finding::ok("there"), Paint::with(true));
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
