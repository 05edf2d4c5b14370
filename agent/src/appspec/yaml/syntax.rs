//! What is wrong with a file that is not YAML, in words that help to mend it.
//!
//! libyaml says what its grammar missed; people write `runas:root`, `// comment`, tabs and
//! unquoted stars. The line that the parser complains of usually shows which.

use libyaml_safer::{Error, Mark};

use super::text::{Region, Text};
use crate::appspec::problem::{Problem, Severity};

const INDENT_HELP: &str = "keys of one mapping, and the `- ` of one list, must start in the same \
     column, indented with spaces";

/// The problem that `error`, met while reading `text`, amounts to.
pub(super) fn problem(error: &Error, text: &Text<'_>) -> Problem {
    let complaint = Complaint::new(error, text);
    let (code, message, help) = complaint.explain();
    let span = text.span(complaint.region);
    Problem::new(Severity::Error, code, span, &message, &help)
}

struct Complaint<'a> {
    what: &'static str,
    while_doing: &'static str,
    region: Region,
    /// From the place to the end of its line.
    rest: &'a str,
    line: &'a str,
    /// The line where the block or quote began that is being read.
    began: Option<usize>,
}

impl<'a> Complaint<'a> {
    fn new(error: &Error, text: &'a Text<'_>) -> Self {
        let length = text.as_str().len();
        let offset = |mark: Mark| usize::try_from(mark.index).unwrap_or(length).min(length);
        let context = error.context_mark();
        let while_doing = error.context().unwrap_or_default();
        // For these the parser notices only after the text that is wrong.
        let early = matches!(
            while_doing,
            "while scanning a simple key"
                | "while scanning a quoted scalar"
                | "while scanning an alias"
                | "while scanning an anchor"
                | "while scanning a tag"
        );
        let at = match (context, error.problem_mark()) {
            (Some(context), _) if early => offset(context),
            (_, Some(mark)) => last_content(text, offset(mark)),
            _ => length,
        };
        let line_number = text.line(Region::new(at, at).start);
        let line = text.line_range(line_number);
        let end = line.end.max(at);
        Self {
            what: error.problem(),
            while_doing,
            region: Region::new(at, end),
            rest: text.as_str().get(at..end).unwrap_or_default(),
            line: text.line_text(line_number),
            began: context.map(|mark| text.line(Region::new(offset(mark), 0).start)),
        }
    }

    fn explain(&self) -> (&'static str, String, String) {
        let trimmed = self.line.trim_start();
        let content = trimmed.strip_prefix("- ").unwrap_or(trimmed).trim_start();
        if trimmed.starts_with("//") || trimmed.starts_with("/*") {
            return said(
                "yaml-comment",
                "this is not a comment in YAML",
                "comments start with `#`",
            );
        }
        if leading_tab(self.line) {
            return said(
                "yaml-tab",
                "the line is indented with a tab",
                "YAML allows spaces only for indentation",
            );
        }
        if let Some((key, value)) = missing_space(content) {
            return said(
                "yaml-space-after-colon",
                &format!("no space after the colon of `{key}`"),
                &format!("write `{key}: {value}`"),
            );
        }
        match self.while_doing {
            "while scanning an alias" => {
                return said(
                    "yaml-unquoted",
                    "an unquoted `*` at the start of a value means a YAML alias",
                    &format!("quote the text: \"{}\"", value_text(self.rest)),
                );
            }
            "while scanning an anchor" => {
                return said(
                    "yaml-unquoted",
                    "an unquoted `&` at the start of a value means a YAML anchor",
                    &format!("quote the text: \"{}\"", value_text(self.rest)),
                );
            }
            "while scanning a quoted scalar" => {
                return said(
                    "yaml-unclosed",
                    "the quote that opens here is not closed, or is closed by a quote inside the text",
                    "close it on the same line; double a ' inside '...', write \\\" inside \"...\"",
                );
            }
            "while parsing a quoted scalar" | "while scanning a tag"
                if self.rest.starts_with('!') =>
            {
                return said(
                    "yaml-unquoted",
                    "an unquoted `!` at the start of a value means a YAML tag",
                    &format!("quote the text: \"{}\"", value_text(self.rest)),
                );
            }
            "while parsing a quoted scalar" => {
                return said(
                    "yaml-escape",
                    &format!("not valid inside double quotes: {}", self.what),
                    "inside \"...\" a backslash starts an escape: double it, or use '...'",
                );
            }
            _ => {}
        }
        match self.what {
            "mapping values are not allowed in this context" => said(
                "yaml-colon",
                "a colon that does not belong here: the line holds a second `key:`, or is \
                 indented deeper than the one above allows",
                &format!("quote a text that holds `: `; {INDENT_HELP}"),
            ),
            "could not find expected ':'" => said(
                "yaml-not-a-key",
                "this line is neither `key: value` nor a list item",
                "write `key: value`, or `- ` before an item; comments start with `#`",
            ),
            "found character that cannot start any token" => said(
                "yaml-unquoted",
                &format!("a value cannot start with {}", first_character(self.rest)),
                &format!("quote the text: \"{}\"", value_text(self.rest)),
            ),
            "did not find expected key"
            | "did not find expected '-' indicator"
            | "block sequence entries are not allowed in this context"
            | "did not find expected <document start>" => {
                let block = match self.began {
                    Some(line) => format!(" that starts on line {line}"),
                    None => " above".to_owned(),
                };
                said(
                    "yaml-indentation",
                    &format!("this line does not fit the block{block}"),
                    INDENT_HELP,
                )
            }
            "did not find expected ',' or ']'" | "did not find expected ',' or '}'" => said(
                "yaml-unclosed",
                "the bracket that opens above is not closed, or a comma is missing",
                "close it; quote a text that holds brackets, braces or commas",
            ),
            "did not find expected node content"
                if self.while_doing == "while parsing a flow node" =>
            {
                said(
                    "yaml-unclosed",
                    "the bracket that opens above is not closed, or a comma is missing",
                    "close it; quote a text that holds brackets, braces or commas",
                )
            }
            "found undefined tag handle" => said(
                "yaml-unquoted",
                "an unquoted `!` at the start of a value means a YAML tag",
                &format!("quote the text: \"{}\"", value_text(self.rest)),
            ),
            other => {
                let doing = if self.while_doing.is_empty() { "" } else { " " };
                said(
                    "yaml-syntax",
                    &format!("not YAML: {other}{doing}{}", self.while_doing),
                    INDENT_HELP,
                )
            }
        }
    }
}

fn said(code: &'static str, message: &str, help: &str) -> (&'static str, String, String) {
    (code, message.to_owned(), help.to_owned())
}

/// The place itself or, at the end of the file, its last character.
fn last_content(text: &Text<'_>, at: usize) -> usize {
    let before = text.as_str().get(..at).unwrap_or_default();
    let rest = text.as_str().get(at..).unwrap_or_default();
    if rest.trim().is_empty() {
        let content = before.trim_end();
        content.len() - content.chars().next_back().map_or(0, char::len_utf8)
    } else {
        at
    }
}

fn leading_tab(line: &str) -> bool {
    let content = line.trim_start_matches([' ', '\t']);
    let indentation = line.len() - content.len();
    !content.is_empty()
        && line
            .get(..indentation)
            .is_some_and(|blank| blank.contains('\t'))
}

/// `runas:root` as `("runas", "root")`.
fn missing_space(content: &str) -> Option<(&str, &str)> {
    let (key, value) = content.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value_follows =
        value.starts_with(|ch: char| !ch.is_whitespace() && !matches!(ch, ':' | '/'));
    (is_key && value_follows).then(|| (key, value.trim_end()))
}

/// A value's text without a comment behind it.
fn value_text(rest: &str) -> &str {
    rest.split(" #").next().unwrap_or(rest).trim()
}

fn first_character(rest: &str) -> String {
    match rest.chars().next() {
        None => "nothing".to_owned(),
        Some('\t') => "a tab".to_owned(),
        Some(ch) => format!("`{ch}`"),
    }
}

#[cfg(test)]
mod tests {
    use crate::appspec::problem::Problem;
    use crate::appspec::yaml::{Text, load};
    use rstest::rstest;

    fn refusal(source: &str) -> Problem {
        load(&Text::decode(source.as_bytes())).expect_err("refused")
    }

    #[rstest]
    #[case::tab("hooks:\n\tAfterInstall:\n", 2, "indented with a tab", "spaces only")]
    #[case::tab_deeper(
        "hooks:\n  A:\n  \t- location: x\n    y: z",
        3,
        "indented with a tab",
        "spaces"
    )]
    #[case::no_space_after_colon(
        "h:\n  - location: a.sh\n    runas:root\n    timeout: 3\n",
        3,
        "no space after the colon of `runas`",
        "write `runas: root`"
    )]
    #[case::slash_comment(
        "version: 0.0\n// the system\nos: linux\n",
        2,
        "not a comment",
        "start with `#`"
    )]
    #[case::unquoted_star("a:\n  - *.sh\n", 2, "an unquoted `*`", "quote the text: \"*.sh\"")]
    #[case::unquoted_pattern("a: ** # all\n", 1, "an unquoted `*`", "quote the text: \"**\"")]
    #[case::two_colons("a: b: c\n", 1, "a second `key:`", "quote a text")]
    #[case::indentation(
        "a:\n    b: 1\n   c: 2\n",
        3,
        "does not fit the block that starts on line 1",
        "same column"
    )]
    #[case::item_among_keys("a: 1\n- b\n", 2, "does not fit the block", "same column")]
    #[case::open_quote("a: \"b\nc: d\n", 1, "not closed", "close it")]
    #[case::open_bracket("a: [b, c\n", 1, "not closed, or a comma", "close it")]
    #[case::at_sign("a: @b\n", 1, "cannot start with `@`", "quote the text: \"@b\"")]
    #[case::backslashes("a: \"C:\\Users\\app\"\n", 1, "inside double quotes", "double it")]
    #[case::words(
        "a: 1\nsome words\nb: 2\n",
        2,
        "neither `key: value`",
        "write `key: value`"
    )]
    #[case::tag("a: !x!y z\n", 1, "an unquoted `!`", "quote the text: \"!x!y z\"")]
    fn common_mistakes_are_explained(
        #[case] source: &str,
        #[case] line: usize,
        #[case] message: &str,
        #[case] help: &str,
    ) {
        let problem = refusal(source);
        assert_eq!(problem.span.line, line, "{problem}");
        assert!(problem.message.contains(message), "{problem}");
        assert!(
            problem.help.as_deref().unwrap_or_default().contains(help),
            "{problem}"
        );
    }
}
