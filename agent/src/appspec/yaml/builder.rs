//! A tree out of events, with anchors, aliases and merge keys, within limits.

use std::collections::HashMap;

use libyaml_safer::{Event, EventData, ScalarStyle};

use super::load::{error, region};
use super::node::{Content, Entry, Node, Scalar};
use super::text::{Region, Text};
use crate::appspec::problem::{Problem, Severity, quoted};

/// Nodes of a document, those behind aliases counted each time.
const MAX_NODES: u64 = 500_000;
/// Lists and mappings inside each other.
const MAX_DEPTH: usize = 100;
/// Duplicate keys that are told.
const MAX_DUPLICATES_TOLD: usize = 100;

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

/// Builds one document's tree.
pub(super) struct Builder<'t> {
    text: &'t Text<'t>,
    stack: Vec<Open>,
    anchors: HashMap<String, Measured>,
    nodes: u64,
    /// Nodes whose start has come.
    started: u64,
    duplicates: usize,
    /// What is odd but has a meaning.
    pub(super) warnings: Vec<Problem>,
    /// The last line has content and no line break. The parser is given one, because it panics
    /// when a block scalar ends without; the scalar's value must not have it.
    unfinished: bool,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t Text<'t>) -> Self {
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

    pub(super) fn warn(&mut self, code: &'static str, at: Region, message: &str, help: &str) {
        let span = self.text.span(at);
        self.warnings
            .push(Problem::new(Severity::Warning, code, span, message, help));
    }

    /// Takes an event in; gives the root when it is complete.
    pub(super) fn event(&mut self, event: Event) -> Result<Option<Node>, Problem> {
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
                if block && past_the_end && self.unfinished && value.ends_with('\n') {
                    value.pop();
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
