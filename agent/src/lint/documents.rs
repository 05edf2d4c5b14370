//! Findings about a file as a whole, for which there is no text.

use crate::appspec::{self, Problem, Problems, Severity, Span};

/// An AppSpec of more bytes than are read.
#[must_use]
pub fn too_large() -> Problems {
    appspec::too_large().into()
}

/// A finding of `rule` about a whole file or directory.
#[must_use]
pub fn finding_without_place(
    severity: Severity,
    rule: &'static str,
    message: &str,
    help: &str,
) -> Problem {
    let start = Span {
        start: 0,
        end: 0,
        line: 1,
        column: 1,
    };
    Problem::new(severity, rule, start, message, help)
}
