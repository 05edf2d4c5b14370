//! The tree.

use std::sync::Arc;

use super::resolve::{Value, resolve};
use super::text::Region;

/// A value of a document. Cloning is cheap: an alias is a clone of what it names, at its own
/// place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    region: Region,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tag: Option<Box<str>>,
    content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) enum Content {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// Keys in order, merges applied, of equal keys the last one's value.
    Mapping(Vec<Entry>),
}

/// A scalar before it is resolved.
#[derive(Debug)]
pub(crate) struct Scalar {
    /// Unescaped; for a plain one this is the source text.
    pub(super) text: Box<str>,
    /// Quoted or a block scalar: text, whatever it says.
    pub(super) quoted: bool,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

impl Node {
    pub(super) fn new(region: Region, tag: Option<String>, content: Content) -> Self {
        Self {
            region,
            inner: Arc::new(Inner {
                tag: tag.map(String::into_boxed_str),
                content,
            }),
        }
    }

    /// The same value at another place.
    pub(super) fn at(&self, region: Region) -> Self {
        Self {
            region,
            inner: Arc::clone(&self.inner),
        }
    }

    /// Where it is.
    pub(crate) fn region(&self) -> Region {
        self.region
    }

    /// The explicit tag, expanded (`tag:yaml.org,2002:str`, `!Ref`).
    pub(crate) fn tag(&self) -> Option<&str> {
        self.inner.tag.as_deref()
    }

    /// What it holds.
    pub(crate) fn content(&self) -> &Content {
        &self.inner.content
    }

    /// A scalar's text as written, whatever type it resolves to: `0644` stays `0644`.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.content() {
            Content::Scalar(scalar) => Some(&scalar.text),
            Content::Sequence(_) | Content::Mapping(_) => None,
        }
    }

    /// A scalar's resolved value.
    pub(crate) fn value(&self) -> Option<Value<'_>> {
        let Content::Scalar(scalar) = self.content() else {
            return None;
        };
        let text = &*scalar.text;
        Some(match self.tag() {
            None if scalar.quoted => Value::Text(text),
            None => resolve(text),
            Some("!str" | "tag:yaml.org,2002:str" | "!binary" | "tag:yaml.org,2002:binary") => {
                Value::Text(text)
            }
            Some("!float" | "tag:yaml.org,2002:float") => match resolve(text) {
                #[expect(clippy::cast_precision_loss, reason = "as Ruby's Float() does")]
                Value::Int(value) => Value::Float(value as f64),
                value => value,
            },
            // Psych resolves behind any other tag, even what is quoted.
            Some(_) => resolve(text),
        })
    }

    /// Whether it is a null, however written.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value(), Some(Value::Null))
    }

    /// What it is, for a message: "a list".
    pub(crate) fn kind(&self) -> &'static str {
        match (self.content(), self.value()) {
            (Content::Sequence(_), _) => "a list",
            (Content::Mapping(_), _) => "a mapping",
            (_, Some(Value::Null)) => "nothing",
            (_, Some(Value::Bool(_))) => "a boolean",
            (_, Some(Value::Int(_) | Value::Float(_))) => "a number",
            _ => "text",
        }
    }
}
