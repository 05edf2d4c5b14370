//! Parser events to a tree, within limits.
//!
//! Every bound is a property of the input that a hostile file controls: nodes (counted as often
//! as aliases repeat them), depth (also through aliases), and directives, which libyaml expands
//! into every node.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};

use super::node::{Content, Entry, Node, Scalar};
use super::syntax;
use super::text::{Encoding, Region, Text};
use crate::appspec::problem::{Problem, Severity, quoted};

/// Nodes of a document, those behind aliases counted each time.
const MAX_NODES: u64 = 500_000;
/// Lists and mappings inside each other.
const MAX_DEPTH: usize = 100;
/// `%TAG` lines, and the length of what one stands for.
const MAX_DIRECTIVES: usize = 32;
const MAX_TAG_PREFIX: usize = 256;
/// Characters that the parser holds decoded at a time.
const READ_AHEAD: usize = 16 * 1024;
/// Duplicate keys that are told.
const MAX_DUPLICATES_TOLD: usize = 100;

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

/// The parser's next event. It panics where libyaml has an answer, at least on a tag before a
/// comma (`[!a, b]`): a file must not be able to take a worker down.
fn next(
    parser: &mut Parser<impl BufRead>,
    last: Region,
    text: &Text<'_>,
) -> Result<Event, Problem> {
    catch_unwind(AssertUnwindSafe(|| parser.parse()))
        .map_err(|_| {
            error(
                text,
                "yaml-unsupported",
                last,
                "the YAML behind this place cannot be read",
                "if a tag such as `!name` stands before a comma, remove the tag or quote it",
            )
        })?
        .map_err(|error| syntax::problem(&error, text))
}

fn error(text: &Text<'_>, code: &'static str, at: Region, message: &str, help: &str) -> Problem {
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

fn region(start: Mark, end: Mark) -> Region {
    let offset = |mark: Mark| usize::try_from(mark.index).unwrap_or(usize::MAX);
    Region::new(offset(start), offset(end))
}

/// A finished node with what the limits need to know of it.
#[derive(Debug, Clone)]
struct Measured {
    node: Node,
    /// Which node of the document it is, by where it starts: an anchor given again inside the
    /// value that it names is the later one.
    order: u64,
    /// Nodes in it, aliases expanded.
    size: u64,
    /// Levels of lists and mappings in it.
    height: usize,
}

/// A list or mapping whose end has not come.
struct Open {
    start: Region,
    /// Flow collections end at their bracket, block ones with their last child.
    flow: bool,
    tag: Option<String>,
    anchor: Option<String>,
    order: u64,
    end: u32,
    size: u64,
    height: usize,
    collection: Collection,
}

enum Collection {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        places: HashMap<Box<str>, Place>,
        key: Option<Node>,
    },
}

/// Where a key stands among the entries.
struct Place {
    index: usize,
    /// It came through `<<`: giving it again is the purpose of merging, not a mistake.
    merged: bool,
}

struct Builder<'t> {
    text: &'t Text<'t>,
    stack: Vec<Open>,
    anchors: HashMap<String, Measured>,
    nodes: u64,
    /// Nodes whose start has come.
    started: u64,
    duplicates: usize,
    warnings: Vec<Problem>,
    /// The last line has content and no line break. The parser is given one, because it panics
    /// when a block scalar ends without; the scalar's value must not have it.
    unfinished: bool,
}

impl<'t> Builder<'t> {
    fn new(text: &'t Text<'t>) -> Self {
        Self {
            text,
            stack: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            started: 0,
            duplicates: 0,
            warnings: Vec::new(),
            unfinished: text.line_text(text.line(u32::MAX)).trim() != "",
        }
    }

    fn warn(&mut self, code: &'static str, at: Region, message: &str, help: &str) {
        let span = self.text.span(at);
        self.warnings
            .push(Problem::new(Severity::Warning, code, span, message, help));
    }

    /// Takes an event in; gives the root when it is complete.
    fn event(&mut self, event: Event) -> Result<Option<Node>, Problem> {
        let end = self.text.as_str().len();
        let place = region(event.start_mark, event.end_mark);
        let past_the_end = place.end as usize > end;
        let place = Region::new(
            (place.start as usize).min(end),
            (place.end as usize).min(end),
        );
        match event.data {
            EventData::Scalar {
                anchor,
                tag,
                mut value,
                style,
                ..
            } => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block && past_the_end && self.unfinished {
                    if value.ends_with('\n') {
                        value.pop();
                    }
                }
                let scalar = Scalar {
                    text: value.into_boxed_str(),
                    quoted: style != ScalarStyle::Plain,
                };
                let node = Node::new(place, tag, Content::Scalar(scalar));
                self.started += 1;
                let measured = Measured {
                    node,
                    order: self.started,
                    size: 1,
                    height: 0,
                };
                self.finish(measured, anchor)
            }
            EventData::Alias { anchor } => self.alias(&anchor, place).map(|()| None),
            EventData::SequenceStart {
                anchor, tag, style, ..
            } => {
                let flow = style == libyaml_safer::SequenceStyle::Flow;
                self.open(place, flow, tag, anchor, Collection::Sequence(Vec::new()))
            }
            EventData::MappingStart {
                anchor, tag, style, ..
            } => {
                let flow = style == libyaml_safer::MappingStyle::Flow;
                let mapping = Collection::Mapping {
                    entries: Vec::new(),
                    places: HashMap::new(),
                    key: None,
                };
                self.open(place, flow, tag, anchor, mapping)
            }
            EventData::SequenceEnd | EventData::MappingEnd => self.close(place),
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => Ok(None),
        }
    }

    fn open(
        &mut self,
        start: Region,
        flow: bool,
        tag: Option<String>,
        anchor: Option<String>,
        collection: Collection,
    ) -> Result<Option<Node>, Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        self.started += 1;
        self.stack.push(Open {
            start,
            flow,
            tag,
            anchor,
            order: self.started,
            end: start.end,
            size: 1,
            height: 0,
            collection,
        });
        Ok(None)
    }

    fn close(&mut self, place: Region) -> Result<Option<Node>, Problem> {
        let Some(open) = self.stack.pop() else {
            return Ok(None);
        };
        let end = if open.flow { place.end } else { open.end };
        let region = Region {
            start: open.start.start,
            end: end.max(open.start.end),
        };
        let content = match open.collection {
            Collection::Sequence(items) => Content::Sequence(items),
            Collection::Mapping { entries, .. } => Content::Mapping(entries),
        };
        let measured = Measured {
            node: Node::new(region, open.tag, content),
            order: open.order,
            size: open.size,
            height: open.height + 1,
        };
        self.finish(measured, open.anchor)
    }

    fn finish(
        &mut self,
        measured: Measured,
        anchor: Option<String>,
    ) -> Result<Option<Node>, Problem> {
        self.count(1, measured.node.region())?;
        if let Some(anchor) = anchor {
            let slot = self
                .anchors
                .entry(anchor)
                .or_insert_with(|| measured.clone());
            if slot.order < measured.order {
                *slot = measured.clone();
            }
        }
        if self.stack.is_empty() {
            return Ok(Some(measured.node));
        }
        self.add(measured, false);
        Ok(None)
    }

    fn alias(&mut self, anchor: &str, place: Region) -> Result<(), Problem> {
        let name = quoted(anchor);
        let target = self.anchors.get(anchor);
        let known = target.map_or(0, |target| target.order);
        let mut open = self.stack.iter();
        if open.any(|open| open.order > known && open.anchor.as_deref() == Some(anchor)) {
            return Err(error(
                self.text,
                "yaml-alias-recursive",
                place,
                &format!("the alias {name} stands inside the value that it repeats"),
                "write the value out",
            ));
        }
        let Some(target) = target else {
            return Err(error(
                self.text,
                "yaml-alias-undefined",
                place,
                &format!("the alias {name} repeats a value that no `&{anchor}` names"),
                &format!("if the text itself starts with a star, quote it: \"*{anchor}\""),
            ));
        };
        let (size, height, order) = (target.size, target.height, target.order);
        let node = target.node.at(place);
        self.count(size, place)?;
        if self.stack.len() + height > MAX_DEPTH {
            return Err(self.too_deep(place));
        }
        let measured = Measured {
            node,
            order,
            size,
            height,
        };
        self.add(measured, true);
        Ok(())
    }

    fn count(&mut self, nodes: u64, place: Region) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(error(
            self.text,
            "yaml-too-many-values",
            place,
            &format!("more than {MAX_NODES} values, counting what aliases repeat"),
            "remove aliases of aliases, or install directories instead of single files",
        ))
    }

    fn too_deep(&self, place: Region) -> Problem {
        error(
            self.text,
            "yaml-too-deep",
            place,
            &format!("more than {MAX_DEPTH} lists and mappings inside each other"),
            "an AppSpec needs no more than six levels",
        )
    }

    /// Puts a finished value into the collection that is open.
    fn add(&mut self, value: Measured, aliased: bool) {
        let Some(open) = self.stack.last_mut() else {
            return;
        };
        open.end = open.end.max(value.node.region().end);
        open.size = open.size.saturating_add(value.size);
        open.height = open.height.max(value.height);
        let mut duplicate = None;
        match &mut open.collection {
            Collection::Sequence(items) => items.push(value.node),
            Collection::Mapping {
                entries,
                places,
                key,
            } => match key.take() {
                None => *key = Some(value.node),
                Some(key) => {
                    if let Some(merged) = merge(&key, &value.node, aliased) {
                        for entry in merged {
                            put(entries, places, entry, true);
                        }
                    } else {
                        let at = key.region();
                        let entry = Entry {
                            key,
                            value: value.node,
                        };
                        duplicate = put(entries, places, entry, false).map(|earlier| (earlier, at));
                    }
                }
            },
        }
        if let Some((earlier, at)) = duplicate {
            self.warn_of_duplicate(&earlier, at);
        }
    }

    fn warn_of_duplicate(&mut self, earlier: &Node, at: Region) {
        self.duplicates += 1;
        if self.duplicates > MAX_DUPLICATES_TOLD {
            return;
        }
        let key = quoted(earlier.text().unwrap_or_default());
        let line = self.text.line(earlier.region().start);
        self.warn(
            "yaml-duplicate-key",
            at,
            &format!("{key} stands on line {line} as well; this one, the last, counts"),
            "remove one of them; items of a list each start with `- `",
        );
    }
}

/// Adds an entry; of equal keys the last one counts, at the place of the first, as in a Ruby
/// hash. Gives back the key that it replaces when both are written in the mapping itself.
fn put(
    entries: &mut Vec<Entry>,
    places: &mut HashMap<Box<str>, Place>,
    entry: Entry,
    merged: bool,
) -> Option<Node> {
    let Some(text) = entry.key.text() else {
        entries.push(entry);
        return None;
    };
    if let Some(place) = places.get_mut(text)
        && let Some(slot) = entries.get_mut(place.index)
    {
        let told = !merged && !place.merged;
        place.merged = merged;
        return Some(std::mem::replace(slot, entry).key).filter(|_| told);
    }
    let index = entries.len();
    places.insert(text.into(), Place { index, merged });
    entries.push(entry);
    None
}

/// What the merge key `<<` brings in; none when this entry is not a merge. As in Psych, merged
/// entries win over those before them.
fn merge(key: &Node, value: &Node, aliased: bool) -> Option<Vec<Entry>> {
    let is_text_by_tag = key.tag() == Some("tag:yaml.org,2002:str");
    if key.text() != Some("<<") || is_text_by_tag {
        return None;
    }
    match value.content() {
        Content::Mapping(entries) => Some(entries.clone()),
        // The first of a list wins.
        Content::Sequence(items) if !aliased => items
            .iter()
            .rev()
            .map(|item| match item.content() {
                Content::Mapping(entries) => Some(entries.as_slice()),
                Content::Scalar(_) | Content::Sequence(_) => None,
            })
            .collect::<Option<Vec<&[Entry]>>>()
            .map(|merged| merged.concat()),
        Content::Scalar(_) | Content::Sequence(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appspec::yaml::Value;
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
