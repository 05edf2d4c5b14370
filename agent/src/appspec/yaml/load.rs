//! A file's first document to a tree, within limits.
//!
//! Every bound is a property of the input that a hostile file controls: nodes (counted as often
//! as aliases repeat them), depth (also through aliases), and directives, which libyaml expands
//! into every node.

use std::io::{BufRead, BufReader, Read as _};

use libyaml_safer::{Event, EventData, Mark, Parser};

use super::builder::Builder;
use super::node::Node;
use super::syntax;
use super::text::{Encoding, Region, Text};
use crate::appspec::problem::{Problem, Severity};
use crate::yaml_parser::{ParserFailure, next_event};

/// `%TAG` lines, and the length of what one stands for.
const MAX_DIRECTIVES: usize = 32;
const MAX_TAG_PREFIX: usize = 256;
/// Characters that the parser holds decoded at a time.
const READ_AHEAD: usize = 16 * 1024;

/// The first document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its value; none when the file holds no document.
    pub(crate) root: Option<Node>,
    /// What is odd but has a meaning.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads the first document.
///
/// # Errors
/// The one problem that keeps the file from being read.
pub(crate) fn load(text: &Text<'_>) -> Result<Document, Problem> {
    check_characters(text)?;
    check_directives(text)?;
    let mut builder = Builder::new(text);
    if text.encoding() != Encoding::Utf8 {
        builder.warn(
            "byte-order-mark",
            Region::new(0, 0),
            "the file starts with a byte order mark, which AWS's agent may refuse",
            "save it as UTF-8 without one",
        );
    }
    let mut parser = Parser::new();
    parser.set_encoding(libyaml_safer::Encoding::Utf8);
    let final_break: &[u8] = if text.as_str().ends_with(['\n', '\r']) {
        b""
    } else {
        b"\n"
    };
    let input = text.as_str().as_bytes().chain(final_break);
    parser.set_input(BufReader::with_capacity(READ_AHEAD, input));
    let mut root = None;
    let mut last = Region::new(0, 0);
    loop {
        let event = next(&mut parser, last, text)?;
        last = region(event.end_mark, event.end_mark);
        match event.data {
            EventData::DocumentEnd { .. } => break,
            EventData::StreamEnd => {
                return Ok(Document {
                    root: None,
                    warnings: builder.warnings,
                });
            }
            _ => {
                if let Some(node) = builder.event(event)? {
                    root = Some(node);
                }
            }
        }
    }
    match next(&mut parser, last, text) {
        Ok(Event {
            data: EventData::StreamEnd,
            ..
        }) => {}
        Ok(Event { start_mark, .. }) => builder.warn(
            "yaml-second-document",
            region(start_mark, start_mark),
            "only the document above this line is read",
            "remove what follows, or the line that separates it",
        ),
        // What follows is not even YAML: AWS's agent does not look at it either.
        Err(_) => {}
    }
    Ok(Document {
        root,
        warnings: builder.warnings,
    })
}

fn next(
    parser: &mut Parser<impl BufRead>,
    last: Region,
    text: &Text<'_>,
) -> Result<Event, Problem> {
    next_event(parser).map_err(|failure| match failure {
        ParserFailure::Refused(error) => syntax::problem(&error, text),
        ParserFailure::Unsupported => error(
            text,
            "yaml-unsupported",
            last,
            "the YAML behind this place cannot be read",
            "if a tag such as `!name` stands before a comma, remove the tag or quote it",
        ),
    })
}

pub(super) fn error(
    text: &Text<'_>,
    code: &'static str,
    at: Region,
    message: &str,
    help: &str,
) -> Problem {
    Problem::new(Severity::Error, code, text.span(at), message, help)
}

/// The parser refuses these as well, but does not say where they are.
fn check_characters(text: &Text<'_>) -> Result<(), Problem> {
    let allowed = |ch: char| {
        matches!(ch, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}')
            || ch >= '\u{10000}'
    };
    let until = text.fault().unwrap_or(text.as_str().len());
    let readable = text.as_str().get(..until).unwrap_or_default();
    if let Some((at, ch)) = readable.char_indices().find(|(_, ch)| !allowed(*ch)) {
        let message = format!(
            "the control character U+{:04X} is not allowed in YAML",
            u32::from(ch)
        );
        return Err(error(
            text,
            "yaml-control-character",
            Region::new(at, at + ch.len_utf8()),
            &message,
            "remove it; if the file is not text at all, the wrong one was named",
        ));
    }
    let Some(at) = text.fault() else {
        return Ok(());
    };
    let (what, width) = match text.encoding() {
        Encoding::Utf16 => ("this is not valid UTF-16", 3),
        Encoding::Utf8 | Encoding::Utf8Bom => ("this is not valid UTF-8", 3),
    };
    Err(error(
        text,
        "yaml-encoding",
        Region::new(at, at + width),
        what,
        "save the file as UTF-8; it may be in an older encoding such as Latin-1",
    ))
}

/// Directives before the document could make the parser copy megabytes for each node.
fn check_directives(text: &Text<'_>) -> Result<(), Problem> {
    let refuse = |line: &str| {
        let start = line.as_ptr().addr() - text.as_str().as_ptr().addr();
        Err(error(
            text,
            "yaml-directive",
            Region::new(start, start + "%TAG".len()),
            "too many or too long %TAG directives",
            "remove them: an AppSpec needs none",
        ))
    };
    let directives = text
        .as_str()
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .filter(|line| line.starts_with("%TAG"));
    for (index, line) in directives.enumerate() {
        if index >= MAX_DIRECTIVES || line.len() > MAX_TAG_PREFIX {
            return refuse(line);
        }
    }
    Ok(())
}

pub(super) fn region(start: Mark, end: Mark) -> Region {
    let offset = |mark: Mark| usize::try_from(mark.index).unwrap_or(usize::MAX);
    Region::new(offset(start), offset(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appspec::yaml::{Content, Entry, Value};
    use proptest::prelude::*;
    use rstest::rstest;

    /// A short notation of a tree, for comparison.
    fn notation(node: &Node) -> String {
        match node.content() {
            Content::Sequence(items) => {
                let items: Vec<_> = items.iter().map(notation).collect();
                format!("[{}]", items.join(", "))
            }
            Content::Mapping(entries) => {
                let pair = |e: &Entry| format!("{}: {}", notation(&e.key), notation(&e.value));
                let pairs: Vec<_> = entries.iter().map(pair).collect();
                format!("{{{}}}", pairs.join(", "))
            }
            Content::Scalar(_) => match node.value() {
                Some(Value::Text(text)) => text.to_owned(),
                Some(Value::Null) => "null".to_owned(),
                Some(Value::Bool(value)) => value.to_string(),
                Some(Value::Int(value)) => value.to_string(),
                Some(Value::Float(value)) => format!("{value:?}"),
                None => String::new(),
            },
        }
    }

    fn read(source: &str) -> (String, Vec<&'static str>) {
        let text = Text::decode(source.as_bytes());
        let document = load(&text).expect("the document is valid");
        let codes = document.warnings.iter().map(|p| p.code).collect();
        (
            document.root.as_ref().map(notation).unwrap_or_default(),
            codes,
        )
    }

    fn refusal(source: &str) -> Problem {
        load(&Text::decode(source.as_bytes())).expect_err("the document is refused")
    }

    #[rstest]
    #[case::empty("", "")]
    #[case::only_a_comment("# nothing\n", "")]
    #[case::separator_alone("---\n", "null")]
    #[case::tabs_after_values("a:\t1\t\nb: x\t# y\n", "{a: 1, b: x}")]
    #[case::crlf("a: 1\r\nb:\r\n  - c\r\n", "{a: 1, b: [c]}")]
    #[case::list_at_the_keys_indentation("a:\n- b\n- c", "{a: [b, c]}")]
    #[case::quoted_scalars_are_text("a: '0644'\nb: \"yes\"\nc: |\n  1", "{a: 0644, b: yes, c: 1}")]
    #[case::merge_key(
        "x: &x {b: 1, c: 2}\ny:\n  <<: *x\n  c: 3",
        "{x: {b: 1, c: 2}, y: {b: 1, c: 3}}"
    )]
    #[case::merge_wins_over_what_is_before("a: 1\n<<: {a: 2}", "{a: 2}")]
    #[case::merge_of_a_list("<<: [{x: 1, y: 2}, {x: 3, z: 4}]", "{x: 1, z: 4, y: 2}")]
    #[case::merge_of_a_scalar_is_a_key("<<: 3", "{<<: 3}")]
    #[case::merge_of_an_aliased_list_is_a_key(
        "x: &x [{a: 1}]\n<<: *x",
        "{x: [{a: 1}], <<: [{a: 1}]}"
    )]
    #[case::quoted_merge_key("\"<<\": {a: 1}", "{a: 1}")]
    #[case::tagged_merge_key("!!str <<: {a: 1}", "{<<: {a: 1}}")]
    #[case::alias("a: &x [1]\nb: *x", "{a: [1], b: [1]}")]
    #[case::anchor_given_again("a: &x 1\nb: &x 2\nc: *x", "{a: 1, b: 2, c: 2}")]
    #[case::string_tag("a: !!str 0644", "{a: 0644}")]
    #[case::integer_tag_resolves_what_is_quoted("a: !!int \"300\"", "{a: 300}")]
    #[case::unspecific_tag("a: ! \"12\"", "{a: 12}")]
    #[case::unknown_tag("a: !Ref Thing\nb: !x [1]", "{a: Thing, b: [1]}")]
    #[case::float_tag("a: !!float 3", "{a: 3.0}")]
    #[case::block_scalar_without_final_newline("a: |\n  x", "{a: x}")]
    #[case::block_scalar_with_final_newline("a: |+\n  x\n", "{a: x\n}")]
    #[case::anchor_given_again_inside_its_value("a: &x {b: &x 1}\nc: *x", "{a: {b: 1}, c: 1}")]
    #[case::list_as_key("? [1]\n: 2", "{[1]: 2}")]
    fn reads_as_psych_does(#[case] source: &str, #[case] expected: &str) {
        assert_eq!(read(source), (expected.to_owned(), vec![]));
    }

    #[rstest]
    #[case::last_duplicate_key_wins("a: 1\nb: 2\na: 3", "{a: 3, b: 2}", "yaml-duplicate-key")]
    #[case::first_document_only("a: 1\n---\nb: [2", "{a: 1}", "yaml-second-document")]
    #[case::byte_order_mark("\u{feff}a: 1", "{a: 1}", "byte-order-mark")]
    fn warns(#[case] source: &str, #[case] expected: &str, #[case] code: &str) {
        assert_eq!(read(source), (expected.to_owned(), vec![code]));
    }

    #[test]
    fn places_are_those_of_the_source() {
        let source = "ä: 1\r\nlist:\n  - 'x y'\n  - [b, c]\nlast: plain text # no\n";
        let text = Text::decode(source.as_bytes());
        let root = load(&text).unwrap().root.unwrap();
        let Content::Mapping(entries) = root.content() else {
            panic!("a mapping")
        };
        let slice = |node: &Node| {
            let region = node.region();
            &source[region.start as usize..region.end as usize]
        };
        assert_eq!(slice(&entries[0].key), "ä");
        assert_eq!(slice(&entries[1].value), "- 'x y'\n  - [b, c]");
        assert_eq!(slice(&entries[2].value), "plain text");
        assert_eq!(text.span(entries[2].value.region()).line, 5);
        let Content::Sequence(items) = entries[1].value.content() else {
            panic!("a list")
        };
        assert_eq!(slice(&items[0]), "'x y'");
        assert_eq!(slice(&items[1]), "[b, c]");
    }

    /// Ten lists of ten aliases each, nine levels up: 10^9 values in 300 bytes.
    #[test]
    fn alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert_eq!(refusal(&bomb).code, "yaml-too-many-values");
    }

    #[test]
    fn alias_chain_is_refused_by_its_depth() {
        let mut chain = "- &a0 [x]\n".to_owned();
        for level in 1..200 {
            chain.push_str(&format!("- &a{level} [*a{}]\n", level - 1));
        }
        assert_eq!(refusal(&chain).code, "yaml-too-deep");
    }

    #[test]
    fn tag_prefix_bomb_is_refused() {
        let long = format!("%TAG ! {}\n--- !x a", "t".repeat(100_000));
        assert_eq!(refusal(&long).code, "yaml-directive");
        let many = format!("{}--- !x a", "%TAG !a! t\n".repeat(1000));
        assert_eq!(refusal(&many).code, "yaml-directive");
    }

    #[rstest]
    #[case::flow("[".repeat(100_000), "yaml-too-deep")]
    #[case::block("- ".repeat(100_000), "yaml-too-deep")]
    #[case::many_values(format!("[{}]", "a,".repeat(600_000)), "yaml-too-many-values")]
    #[case::recursive("a: &a {b: *a}".to_owned(), "yaml-alias-recursive")]
    #[case::undefined("a: *b".to_owned(), "yaml-alias-undefined")]
    #[case::parser_panic("a: [!x, b]".to_owned(), "yaml-unsupported")]
    #[case::control_character("a: 1\nb: \x07".to_owned(), "yaml-control-character")]
    fn refuses(#[case] source: String, #[case] code: &str) {
        assert_eq!(refusal(&source).code, code);
    }

    #[rstest]
    #[case::utf8(b"a: 1\nb: caf\xe9\n".as_slice(), 2, 7)]
    #[case::utf16(b"\xff\xfea\0\0\xd8b\0".as_slice(), 1, 2)]
    fn bad_encoding_has_a_place(#[case] bytes: &[u8], #[case] line: usize, #[case] column: usize) {
        let problem = load(&Text::decode(bytes)).expect_err("refused");
        assert_eq!(problem.code, "yaml-encoding");
        assert_eq!((problem.span.line, problem.span.column), (line, column));
    }

    fn check_places(node: &Node, source: &str, outer: Region) {
        let region = node.region();
        assert!(
            outer.start <= region.start && region.end <= outer.end,
            "inside its parent"
        );
        let slice = source.get(region.start as usize..region.end as usize);
        let slice = slice.expect("on character boundaries");
        match node.content() {
            Content::Scalar(scalar) => {
                if !scalar.quoted && node.tag().is_none() && !slice.contains(['\n', '\r', '&']) {
                    assert_eq!(slice, &*scalar.text);
                }
            }
            Content::Sequence(items) => {
                for item in items {
                    check_places(item, source, region);
                }
            }
            Content::Mapping(entries) => {
                for entry in entries {
                    check_places(&entry.key, source, region);
                    check_places(&entry.value, source, region);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = load(&Text::decode(&bytes));
        }

        #[test]
        fn places_hold_for_whatever_is_read(source in "([-a-cä:?\\[\\]{},'\"|>#%!0 \t\r\n]|: |- |\n  ){0,40}") {
            let text = Text::decode(source.as_bytes());
            if let Ok(Document { root: Some(root), .. }) = load(&text) {
                check_places(&root, &source, Region::new(0, source.len()));
            }
        }
    }
}
