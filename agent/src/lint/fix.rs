//! `--fix`: what can be mended without knowing what was meant. Each edit changes the text of one
//! finding's place and nothing that the file means to AWS's agent or to ours, except where it
//! means to both what the edit writes.

use crate::appspec::yaml::Text;
use crate::appspec::{MAX_BYTES, Problem, Problems, Span};

/// The text between two offsets is replaced.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// The document with everything mended that can be; none when nothing can. The result is UTF-8
/// without a byte order mark. Run the rules again on it: one edit may show the next finding.
#[must_use]
pub fn fix(document: &[u8], problems: &Problems) -> Option<Vec<u8>> {
    if document.len() > MAX_BYTES {
        return None;
    }
    let text = Text::decode(document);
    if text.fault().is_some() {
        return None;
    }
    // An empty section above a key that is lost: its entries lack their indentation.
    let lost = problems.iter().any(|p| p.code == "unknown-key");
    let mut edits: Vec<Edit> = problems
        .iter()
        .filter(|problem| !(lost && problem.code == "section-empty"))
        .filter_map(|problem| edit(problem, &text))
        .collect();
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let marked = problems.iter().any(|p| p.code == "byte-order-mark");
    if edits.is_empty() && !marked {
        return None;
    }
    let source = text.as_str();
    let mut fixed = String::with_capacity(source.len() + 16);
    let mut copied = 0;
    for edit in edits {
        // Of two edits of one place, the first.
        if edit.start < copied {
            continue;
        }
        fixed.push_str(source.get(copied..edit.start)?);
        fixed.push_str(&edit.text);
        copied = edit.end;
    }
    fixed.push_str(source.get(copied..)?);
    Some(fixed.into_bytes())
}

fn edit(problem: &Problem, text: &Text<'_>) -> Option<Edit> {
    let Span {
        start, end, line, ..
    } = problem.span;
    let written = text.as_str().get(start..end)?;
    let (quote, inner) = unquoted(written);
    let replace = |with: String| {
        Some(Edit {
            start,
            end,
            text: with,
        })
    };
    match problem.code {
        "mode-unquoted-octal" => replace(format!("\"{written}\"")),
        "version-quoted" => replace("0.0".to_owned()),
        "container-port-quoted" if inner.bytes().all(|b| b.is_ascii_digit()) => {
            replace(inner.to_owned())
        }
        "destination-relative" | "object-relative" if is_plain_path(inner) => {
            replace(format!("{quote}/{inner}{quote}"))
        }
        "location-absolute" if inner.starts_with('/') => {
            let relative = inner.trim_start_matches('/');
            is_plain_path(relative).then(|| replace(format!("{quote}{relative}{quote}")))?
        }
        "timeout-unit" => {
            let digits = inner.trim_end_matches(|ch: char| !ch.is_ascii_digit());
            let unit = inner.get(digits.len()..)?.trim();
            let seconds = matches!(unit, "s" | "sec" | "secs" | "second" | "seconds");
            let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (seconds && number).then(|| replace(digits.to_owned()))?
        }
        "file-exists-behavior-invalid" => {
            let upper = inner.to_ascii_uppercase();
            let known = matches!(&*upper, "DISALLOW" | "OVERWRITE" | "RETAIN");
            known.then(|| replace(upper))?
        }
        "os-invalid" if inner.eq_ignore_ascii_case("linux") => replace("linux".to_owned()),
        "yaml-space-after-colon" => {
            let range = text.line_range(line);
            let colon = text.line_text(line).find(':')?;
            let at = range.start + colon + 1;
            Some(Edit {
                start: at,
                end: at,
                text: " ".to_owned(),
            })
        }
        "yaml-comment" => {
            let content = text.line_text(line);
            let at = content.len() - content.trim_start().len();
            let slashes = content.get(at..)?.strip_prefix("//")?;
            let width = 2 + slashes.len() - slashes.trim_start_matches('/').len();
            let start = text.line_range(line).start + at;
            Some(Edit {
                start,
                end: start + width,
                text: "#".to_owned(),
            })
        }
        "yaml-unquoted" => {
            let value = written.split(" #").next()?.trim_end();
            let simple = !value.is_empty()
                && !value.contains(['"', '\\', '[', ']', '{', '}', ',', ':', '\n']);
            simple.then(|| Edit {
                start,
                end: start + value.len(),
                text: format!("\"{value}\""),
            })
        }
        "section-empty" | "event-empty" | "context-role" => whole_line(problem, text),
        _ => None,
    }
}

/// The quote around a scalar, and what is in it.
fn unquoted(written: &str) -> (&str, &str) {
    for quote in ["\"", "'"] {
        let inner = written
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return (quote, inner);
        }
    }
    ("", written)
}

/// Nothing that quoting or YAML could change.
fn is_plain_path(path: &str) -> bool {
    !path.is_empty()
        && path
            .chars()
            .all(|ch| ch.is_alphanumeric() || matches!(ch, '/' | '.' | '_' | '-' | ' ' | '+' | '@'))
        && path.starts_with(|ch: char| ch.is_alphanumeric() || matches!(ch, '.' | '_'))
}

/// Removes a line that holds one key with nothing, or one scalar, behind it.
fn whole_line(problem: &Problem, text: &Text<'_>) -> Option<Edit> {
    let line = problem.span.line;
    let content = text.line_text(line).trim();
    let content = content.split(" #").next()?.trim_end();
    let (key, value) = content.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let empty = matches!(value.trim(), "" | "~" | "null" | "[]" | "{}");
    let scalar = !value.trim_start().starts_with(['|', '>', '[', '{', '&']);
    let fits = match problem.code {
        "context-role" => key == "role" && scalar,
        _ => empty,
    };
    let range = text.line_range(line);
    let next = text.line_range(line + 1).start.max(range.end);
    (is_key && fits).then(|| Edit {
        start: range.start,
        end: next,
        text: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lint::{Subject, lint};

    fn fixed(document: &[u8]) -> Option<String> {
        let subject = Subject {
            document,
            platform: None,
            bundle: None,
            host: None,
        };
        let report = lint(&subject);
        fix(document, &report.document).map(|fixed| String::from_utf8(fixed).unwrap())
    }

    const HEAD: &str = "version: 0.0\nos: linux\nfiles:\n- source: a\n  destination: /srv\n";

    #[rstest]
    #[case::mode(
        "permissions:\n- object: /srv\n  mode: 0755 # all\n",
        "permissions:\n- object: /srv\n  mode: \"0755\" # all\n"
    )]
    #[case::object("permissions:\n- object: 'srv'\n", "permissions:\n- object: '/srv'\n")]
    #[case::location(
        "hooks:\n  AfterInstall:\n  - location: //a b.sh\n",
        "hooks:\n  AfterInstall:\n  - location: a b.sh\n"
    )]
    #[case::seconds(
        "hooks:\n  AfterInstall:\n  - location: a\n    timeout: 30s\n",
        "hooks:\n  AfterInstall:\n  - location: a\n    timeout: 30\n"
    )]
    #[case::section(
        "permissions: # none\nhooks:\n  AfterInstall:\n  - location: a\n",
        "hooks:\n  AfterInstall:\n  - location: a\n"
    )]
    #[case::comment("  /// a\n", "  # a\n")]
    #[case::two(
        "file_exists_behavior: retain\npermissions:\n- object: srv\n",
        "file_exists_behavior: RETAIN\npermissions:\n- object: /srv\n"
    )]
    fn is_mended(#[case] body: &str, #[case] expected: &str) {
        let after = fixed(format!("{HEAD}{body}").as_bytes());
        assert_eq!(after, Some(format!("{HEAD}{expected}")));
    }

    #[rstest]
    #[case::minutes("hooks:\n  AfterInstall:\n  - location: a\n    timeout: 5m\n")]
    #[case::alias("x: &a srv\npermissions:\n- object: *a\n")]
    #[case::windows("permissions:\n- object: C:\\srv\n")]
    #[case::lost_indentation("hooks:\nAfterInstall:\n- location: a\n")]
    #[case::nothing_wrong("")]
    fn is_left(#[case] body: &str) {
        assert_eq!(fixed(format!("{HEAD}{body}").as_bytes()), None);
    }

    #[test]
    fn a_byte_order_mark_goes() {
        let document = format!("\u{feff}{HEAD}");
        assert_eq!(fixed(document.as_bytes()).as_deref(), Some(HEAD));
    }
}
