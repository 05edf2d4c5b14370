//! What is wrong with a file, and where: the one type for parser and linter.
//!
//! Texts are made printable when a problem is made, so that nothing from a hostile file reaches
//! a terminal or a log raw, whoever prints it.

use std::fmt;
use std::ops::Deref;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted, but something will bite, or AWS's agent would refuse it.
    Warning,
}

/// A place in a file.
///
/// Offsets count bytes of the text: the file as UTF-8, without a byte order mark. Line and
/// column count from 1, the column in characters; they are those of `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Byte offset of the first character.
    pub start: usize,
    /// Byte offset after the last one.
    pub end: usize,
    /// Line of `start`.
    pub line: usize,
    /// Column of `start`.
    pub column: usize,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The stable identifier of the rule.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Where.
    pub span: Span,
}

impl Problem {
    /// A problem whose texts are made printable.
    pub(crate) fn new(
        severity: Severity,
        code: &'static str,
        span: Span,
        message: &str,
        help: &str,
    ) -> Self {
        Self {
            severity,
            code,
            message: printable(message),
            help: (!help.is_empty()).then(|| printable(help)),
            span,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { line, column, .. } = self.span;
        write!(f, "line {line}, column {column}: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// The problems of one file, in the order of their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    omitted: usize,
}

impl Problems {
    /// How many problems [`Display`](fmt::Display) spells out.
    const SPELT_OUT: usize = 5;

    /// Sorts `list` by place; `omitted` more were found and not kept.
    pub(crate) fn new(mut list: Vec<Problem>, omitted: usize) -> Self {
        list.sort_by_key(|problem| (problem.span.start, problem.span.end));
        Self { list, omitted }
    }

    /// How many more problems there are than are listed: lists are bounded.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem], 0)
    }
}

impl Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl fmt::Display for Problems {
    /// The errors on one line (the warnings when there are no errors).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = || self.iter().filter(|p| p.severity == Severity::Error);
        let shown: Vec<&Problem> = if errors().next().is_some() {
            errors().collect()
        } else {
            self.iter().collect()
        };
        for (index, problem) in shown.iter().take(Self::SPELT_OUT).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        match shown.len().saturating_sub(Self::SPELT_OUT) + self.omitted {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// Whether a terminal could take `ch` for an order, or show a text other than the one it is.
pub(crate) fn unprintable(ch: char) -> bool {
    ch.is_control()
        || matches!(
            ch,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// `ch`, or U+FFFD in place of a character that a terminal could obey.
pub(crate) fn printable_char(ch: char) -> char {
    if unprintable(ch) { '\u{fffd}' } else { ch }
}

/// `text` made of [`printable_char`]s, one for one.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(printable_char).collect()
}

/// `value` between backquotes for a message, cut to a length that fits one.
pub(crate) fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    match value.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("`{}…`", value.get(..cut).unwrap_or_default()),
        None => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(severity: Severity, line: usize, message: &str, help: &str) -> Problem {
        let span = Span {
            start: line,
            end: line,
            line,
            column: 5,
        };
        Problem::new(severity, "rule", span, message, help)
    }

    #[test]
    fn one_line_form_has_place_and_remedy() {
        let problems = Problems::from(problem(Severity::Error, 3, "bad mode", "write `0644`"));
        assert_eq!(
            problems.to_string(),
            "line 3, column 5: bad mode (write `0644`)"
        );
    }

    #[test]
    fn one_line_form_leaves_warnings_out_when_there_are_errors_and_is_bounded() {
        let mut list: Vec<_> = (2..=8)
            .map(|n| problem(Severity::Error, n, "e", ""))
            .collect();
        list.push(problem(Severity::Warning, 1, "w", ""));
        let text = Problems::new(list, 10).to_string();
        assert!(text.starts_with("line 2, column 5: e; line 3"), "{text}");
        assert!(text.ends_with("line 6, column 5: e; and 12 more"), "{text}");
    }

    #[test]
    fn control_characters_do_not_survive() {
        let made = problem(Severity::Error, 1, "a\x1b[31m\u{9b}\n\u{202e}", "\t");
        assert_eq!(made.message, "a\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(made.help.as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(quoted(&"ä".repeat(61)), format!("`{}…`", "ä".repeat(60)));
        assert_eq!(quoted("ä"), "`ä`");
    }
}
