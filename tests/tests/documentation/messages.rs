//! The messages that the page on troubleshooting explains are in the source, so that who searches for
//! one finds it; so are the variables that the AppSpec's reference promises to hooks.

use std::path::Path;

use super::assert_none;
use super::page::{Page, repository};

/// Stands for what a message fills in.
const FILLED_IN: char = '\u{1}';

/// The texts in quotes of a source file, tests left out.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut texts = Vec::new();
    let mut rest = source.chars().peekable();
    while let Some(ch) = rest.next() {
        match ch {
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|ch| *ch != '\n').is_some() {},
            // '"' and '\'' are characters; 'a is a lifetime.
            '\'' if rest.next_if_eq(&'\\').is_some() || rest.peek() == Some(&'"') => {
                rest.next();
            }
            '"' => texts.push(text(&mut rest)),
            _ => {}
        }
    }
    texts
}

fn text(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut text = String::new();
    while let Some(ch) = rest.next() {
        match ch {
            '"' => break,
            '\\' => match rest.next() {
                Some('\n') => while rest.next_if(|ch| ch.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                other => text.extend(other),
            },
            '{' => {
                while rest.next_if(|ch| *ch != '}' && *ch != '"').is_some() {}
                rest.next_if_eq(&'}');
                text.push(FILLED_IN);
            }
            ch => text.push(ch),
        }
    }
    text
}

/// Those of the programs.
fn all_texts() -> Vec<String> {
    let mut found = Vec::new();
    for directory in ["agent/src", "hooks-runner/src"] {
        collect(&repository().join(directory), &mut found);
    }
    found
}

fn collect(directory: &Path, found: &mut Vec<String>) {
    for entry in fs_err::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                collect(&path, found);
            }
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.extend(texts(&fs_err::read_to_string(&path).unwrap()));
        }
    }
}

/// Whether `text` can come out as `message`, in which `...` stands for what is filled in.
fn is_said(message: &str, text: &str) -> bool {
    let mut rest = text;
    message.split("...").map(str::trim).all(|piece| {
        let found = rest.split_once(piece);
        if let Some((_, after)) = found {
            rest = after;
        }
        found.is_some()
    })
}

#[test]
fn the_messages_that_are_explained_are_said() {
    let said = all_texts();
    let page = Page::read(repository().join("docs/troubleshooting.md"));
    let mut complaints = Vec::new();
    let mut count = 0;
    for line in page.lines().iter().filter(|line| !line.fenced) {
        let Some(message) = line
            .text
            .strip_prefix("### `")
            .and_then(|rest| rest.strip_suffix('`'))
        else {
            continue;
        };
        count += 1;
        let letters = message.replace("...", "").len();
        if letters < 12 || !said.iter().any(|text| is_said(message, text)) {
            complaints.push(format!(
                "{}:{}: nothing in the source says {message:?}",
                page.name, line.number
            ));
        }
    }
    assert!(count >= 40, "only {count} messages were found");
    assert_none(&complaints);
}

#[test]
fn the_variables_that_hooks_are_promised_are_in_the_source() {
    let said = all_texts();
    let page = Page::read(repository().join("docs/appspec.md"));
    let mut names: Vec<String> = Vec::new();
    for (_, span) in page.code_spans() {
        let is_variable = |b: u8| b.is_ascii_uppercase() || b == b'_';
        if span.len() > 6 && span.contains('_') && span.bytes().all(is_variable) {
            names.push(span);
        }
    }
    assert!(names.len() >= 12, "{names:?}");
    names.retain(|name| !said.contains(name));
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn texts_are_read_as_the_compiler_reads_them() {
    let source =
        "let a = \"one \\\n     two {x:?}: \\\"q\\\"\"; // \"no\"\nlet c = '\"'; f::<'a>(\"b\");";
    assert_eq!(
        texts(source),
        [format!("one two {FILLED_IN}: \"q\""), "b".to_owned()]
    );
    assert!(is_said("one two ...: \"q\"", &texts(source)[0]));
    assert!(!is_said("one three", &texts(source)[0]));
    assert!(!is_said("two q", &texts(source)[0]));
}
