//! SARIF 2.1.0: what code scanning services read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::json;

use super::output::{CheckedFile, findings, severity};
use crate::appspec::Severity;
use crate::lint;

/// A log with one run.
pub(super) fn log(inputs: &[Vec<CheckedFile>]) -> String {
    let used: BTreeSet<&str> = findings(inputs).map(|(_, problem)| problem.code).collect();
    let rules: Vec<_> = used
        .iter()
        .filter_map(|id| lint::find(id))
        .map(|rule| {
            let level = match rule.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "help": { "text": rule.page, "markdown": rule.page },
                "defaultConfiguration": { "level": level },
            })
        })
        .collect();
    let results: Vec<_> = findings(inputs)
        .map(|(file, problem)| {
            let mut message = problem.message.clone();
            if let Some(help) = &problem.help {
                // Writing to a String cannot fail.
                let _ = write!(message, ": {help}");
            }
            json!({
                "ruleId": problem.code,
                "level": severity(problem),
                "message": { "text": message },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(&file.name) },
                    "region": {
                        "startLine": problem.span.line,
                        "startColumn": problem.span.column,
                    },
                } }],
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "codedeploy-host-agent",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

/// A relative or absolute path as a reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("a b/ä.yml"), "a%20b/%C3%A4.yml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }
}
