//! A flat YAML mapping: names, the text of their values, and lines.
//!
//! Both of the agent's own files have this form. The events of the parser are used and not its
//! values, because only they tell a quoted scalar from a plain one, keep the text as written,
//! and know lines. The first document of a stream counts, as it does for Ruby.

use std::collections::HashMap;
use std::io::BufRead;
use std::rc::Rc;

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};

use crate::yaml_parser::{ParserFailure, next_event};

/// How deep the values that are skipped may nest.
const DEEPEST: usize = 100;

/// A file that is not a flat YAML mapping.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The YAML itself is broken. The text is not quoted: it may hold a secret.
    #[error("{}{problem}; correct the YAML there", at(*line))]
    Syntax {
        /// Where the parser stopped, counted from 1, when it knows.
        line: Option<u32>,
        /// What the parser met.
        problem: &'static str,
    },
    /// The document is a list or a single value.
    #[error("line {line}: found {found} where lines of the form \"name: value\" are needed")]
    NotAMapping {
        /// Where it starts, counted from 1.
        line: u32,
        /// What it is.
        found: &'static str,
    },
    /// A key is a list or a mapping.
    #[error("line {line}: a key must be a plain name")]
    Key {
        /// Where the key starts, counted from 1.
        line: u32,
    },
    /// `<<` would bring in keys that nothing here checks.
    #[error("line {line}: the merge key << is not supported; write the settings out")]
    Merge {
        /// Where the key is, counted from 1.
        line: u32,
    },
    /// `*name` without `&name` before it.
    #[error("line {line}: the alias refers to an anchor that does not exist")]
    Alias {
        /// Where the alias is, counted from 1.
        line: u32,
    },
}

fn at(line: Option<u32>) -> String {
    line.map(|line| format!("line {line}: "))
        .unwrap_or_default()
}

impl From<ParserFailure> for DocumentError {
    fn from(failure: ParserFailure) -> Self {
        match failure {
            ParserFailure::Refused(error) => Self::Syntax {
                line: error.problem_mark().map(|mark| line_of(mark.line)),
                problem: error.problem(),
            },
            ParserFailure::Unsupported => Self::Syntax {
                line: None,
                problem: "a tag before a comma, or another form that is not supported",
            },
        }
    }
}

/// One value. Deliberately without `Debug`: it may be a secret.
pub(crate) enum Value {
    /// `~`, `null`, or nothing at all.
    Null,
    /// A single value.
    Scalar(Scalar),
    /// A list of single values.
    List(Vec<Rc<Value>>),
    /// Something that no setting takes, named for messages.
    Other(&'static str),
}

/// A single value as written.
pub(crate) struct Scalar {
    /// The text without its quotes.
    pub(crate) text: String,
    /// Quoted, or tagged as text: Ruby had a string and neither a number nor a boolean.
    pub(crate) quoted: bool,
}

/// `name: value`.
pub(crate) struct Field {
    /// The name without the colon that Ruby's symbols begin with.
    pub(crate) name: String,
    /// Where the name is, counted from 1.
    pub(crate) line: u32,
    /// Shared, because aliases repeat values: a small file cannot grow large in memory.
    pub(crate) value: Rc<Value>,
}

/// A name that occurs again; the later one wins, as in Ruby.
pub(crate) struct Duplicate {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) earlier_line: u32,
}

/// The first document of a stream.
pub(crate) struct Document {
    /// Each name once, in the order of the file.
    pub(crate) fields: Vec<Field>,
    /// The names that occur more than once.
    pub(crate) duplicates: Vec<Duplicate>,
    /// Where a second document starts, which is not read.
    pub(crate) ignored_from_line: Option<u32>,
}

impl Document {
    /// Reads `text`, in any encoding that YAML knows. No document, or an empty one, has no
    /// fields.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, DocumentError> {
        let mut input = text;
        let mut parser = Parser::new();
        parser.set_input_string(&mut input);
        let mut reader = Reader {
            parser,
            anchors: HashMap::new(),
        };
        let all = reader.root()?;
        let mut document = Self {
            fields: Vec::new(),
            duplicates: Vec::new(),
            ignored_from_line: reader.next_document(),
        };
        let mut index = HashMap::new();
        for field in all {
            match index.get(&field.name) {
                Some(&earlier) => document.replace(earlier, field),
                None => {
                    index.insert(field.name.clone(), document.fields.len());
                    document.fields.push(field);
                }
            }
        }
        Ok(document)
    }

    fn replace(&mut self, earlier: usize, field: Field) {
        let Some(slot) = self.fields.get_mut(earlier) else {
            return;
        };
        self.duplicates.push(Duplicate {
            name: field.name.clone(),
            line: field.line,
            earlier_line: slot.line,
        });
        *slot = field;
    }
}

struct Reader<R> {
    parser: Parser<R>,
    anchors: HashMap<String, Rc<Value>>,
}

impl<R: BufRead> Reader<R> {
    fn event(&mut self) -> Result<(EventData, u32), DocumentError> {
        let Event {
            data, start_mark, ..
        } = next_event(&mut self.parser)?;
        Ok((data, line_of(start_mark.line)))
    }

    fn root(&mut self) -> Result<Vec<Field>, DocumentError> {
        loop {
            let (data, line) = self.event()?;
            match data {
                EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
                EventData::MappingStart { .. } => return self.fields(),
                EventData::StreamEnd => return Ok(Vec::new()),
                other => {
                    return match *self.value(other, line)? {
                        Value::Null => Ok(Vec::new()),
                        Value::List(_) => Err(DocumentError::NotAMapping {
                            line,
                            found: "a list",
                        }),
                        Value::Scalar(_) | Value::Other(_) => Err(DocumentError::NotAMapping {
                            line,
                            found: "a single value",
                        }),
                    };
                }
            }
        }
    }

    fn fields(&mut self) -> Result<Vec<Field>, DocumentError> {
        let mut fields = Vec::new();
        loop {
            let (key, line) = self.event()?;
            if matches!(key, EventData::MappingEnd) {
                return Ok(fields);
            }
            let key = self.value(key, line)?;
            let Value::Scalar(key) = &*key else {
                return Err(DocumentError::Key { line });
            };
            if key.text == "<<" && !key.quoted {
                return Err(DocumentError::Merge { line });
            }
            let (value, value_line) = self.event()?;
            fields.push(Field {
                name: key.text.strip_prefix(':').unwrap_or(&key.text).to_owned(),
                line,
                value: self.value(value, value_line)?,
            });
        }
    }

    /// The value that `data` begins. Not recursive: what is nested deeper is skipped, because no
    /// setting takes it.
    fn value(&mut self, data: EventData, line: u32) -> Result<Rc<Value>, DocumentError> {
        let (anchor, value) = match data {
            EventData::Alias { anchor } => {
                let value = self.anchors.get(&anchor);
                return value.cloned().ok_or(DocumentError::Alias { line });
            }
            EventData::Scalar {
                anchor,
                tag,
                value,
                style,
                ..
            } => (anchor, scalar(value, tag.as_deref(), style)),
            EventData::SequenceStart { anchor, .. } => (anchor, self.list()?),
            EventData::MappingStart { anchor, .. } => {
                self.skip()?;
                (anchor, Value::Other("a mapping"))
            }
            _ => (None, Value::Null),
        };
        let value = Rc::new(value);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Rc::clone(&value));
        }
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, DocumentError> {
        let mut items = Vec::new();
        let mut nested = false;
        loop {
            let (data, line) = self.event()?;
            match data {
                EventData::SequenceEnd if nested => {
                    return Ok(Value::Other("a list of lists or mappings"));
                }
                EventData::SequenceEnd => return Ok(Value::List(items)),
                EventData::SequenceStart { .. } | EventData::MappingStart { .. } => {
                    nested = true;
                    self.skip()?;
                }
                other => items.push(self.value(other, line)?),
            }
        }
    }

    /// Reads to the end of the list or mapping that has just begun.
    fn skip(&mut self) -> Result<(), DocumentError> {
        let mut depth = 1_usize;
        while depth > 0 {
            let (data, line) = self.event()?;
            match data {
                EventData::SequenceStart { .. } | EventData::MappingStart { .. } => depth += 1,
                EventData::SequenceEnd | EventData::MappingEnd => depth -= 1,
                _ => {}
            }
            // The parser's time grows with the square of the depth.
            if depth > DEEPEST {
                return Err(DocumentError::Syntax {
                    line: Some(line),
                    problem: "lists or mappings nested too deeply",
                });
            }
        }
        Ok(())
    }

    /// The line of what follows the first document. What is there need not even be YAML.
    fn next_document(&mut self) -> Option<u32> {
        loop {
            match self.event() {
                Ok((EventData::DocumentEnd { .. }, _)) => {}
                Ok((EventData::StreamEnd, _)) => return None,
                Ok((_, line)) => return Some(line),
                Err(DocumentError::Syntax { line, .. }) => return Some(line.unwrap_or(1)),
                Err(_) => return Some(1),
            }
        }
    }
}

fn scalar(text: String, tag: Option<&str>, style: ScalarStyle) -> Value {
    const YAML: &str = "tag:yaml.org,2002:";
    let plain = style == ScalarStyle::Plain;
    let quoted = match tag {
        None => !plain,
        Some("!ruby/symbol" | "!ruby/sym") => false,
        Some("!") => true,
        Some(tag) => match tag.strip_prefix(YAML) {
            Some("str") => true,
            Some("int" | "float" | "bool") => false,
            Some("null") => return Value::Null,
            _ => return Value::Other("a value with a tag that is not understood"),
        },
    };
    if !quoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar(Scalar { text, quoted })
}

/// Lines as people count them. The files are small: saturation is never reached.
fn line_of(zero_based: u64) -> u32 {
    u32::try_from(zero_based.saturating_add(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let value = |value: &Value| match value {
            Value::Null => "null".to_owned(),
            Value::Scalar(s) if s.quoted => format!("'{}'", s.text),
            Value::Scalar(s) => s.text.clone(),
            Value::List(items) => format!("{} items", items.len()),
            Value::Other(what) => format!("({what})"),
        };
        Document::parse(text.as_bytes())
            .unwrap_or_else(|error| panic!("{text:?}: {error}"))
            .fields
            .iter()
            .map(|field| format!("{}@{}={}", field.name, field.line, value(&field.value)))
            .collect()
    }

    #[rstest]
    #[case::symbol_key(":a: 1", &["a@1=1"])]
    #[case::plain_key("a: 1", &["a@1=1"])]
    #[case::quoted_symbol_key("\":a\": 1", &["a@1=1"])]
    #[case::flow("{a: 1, \":b\": 2}", &["a@1=1", "b@1=2"])]
    #[case::text_as_written("a: 0123e45\nb: 2.10", &["a@1=0123e45", "b@2=2.10"])]
    #[case::quotes("a: '5'\nb: \"x\"", &["a@1='5'", "b@2='x'"])]
    #[case::nulls("a:\nb: ~\nc: null\nd: ''", &["a@1=null", "b@2=null", "c@3=null", "d@4=''"])]
    #[case::tags("a: !!str 5\nb: !ruby/symbol x\nc: !x y",
        &["a@1='5'", "b@2=x", "c@3=(a value with a tag that is not understood)"])]
    #[case::list("a:\n  - 1\n  - 2", &["a@1=2 items"])]
    #[case::nested("a: [[1], {b: 2}]\nc: {d: {e: 1}}\nf: 1",
        &["a@1=(a list of lists or mappings)", "c@2=(a mapping)", "f@3=1"])]
    #[case::alias("a: &x 5\nb: *x", &["a@1=5", "b@2=5"])]
    #[case::byte_order_mark("\u{feff}a: 1", &["a@1=1"])]
    #[case::dos_lines("a: 1\r\nb: 2\r\n", &["a@1=1", "b@2=2"])]
    #[case::last_one_wins(":a: 1\nb: 2\na: 3", &["a@3=3", "b@2=2"])]
    #[case::empty("", &[])]
    #[case::only_a_marker("---\n", &[])]
    #[case::only_comments("# nothing\n", &[])]
    fn a_flat_mapping_is_read(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(shown(text), expected);
    }

    #[rstest]
    #[case::list(
        "- a",
        "line 1: found a list where lines of the form \"name: value\" are needed"
    )]
    #[case::scalar(
        "\njust text",
        "line 2: found a single value where lines of the form \"name: value\" are needed"
    )]
    #[case::broken(
        "a: 'b\nc: d",
        "line 2: found unexpected end of stream; correct the YAML there"
    )]
    #[case::key("a: 1\n[b]: 2", "line 2: a key must be a plain name")]
    #[case::merge(
        "a: 1\n<<: {b: 2}",
        "line 2: the merge key << is not supported; write the settings out"
    )]
    #[case::alias(
        "a: *gone",
        "line 1: the alias refers to an anchor that does not exist"
    )]
    fn what_is_no_flat_mapping_is_refused(#[case] text: &str, #[case] expected: &str) {
        let error = Document::parse(text.as_bytes()).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_duplicate_and_a_second_document_are_reported() {
        let document = Document::parse(b"a: 1\n:a: 2\n---\nb: 3\n").unwrap();
        let duplicate = &document.duplicates[0];
        assert_eq!(
            (
                duplicate.name.as_str(),
                duplicate.line,
                duplicate.earlier_line
            ),
            ("a", 2, 1)
        );
        assert_eq!(document.ignored_from_line, Some(3));
        assert_eq!(document.fields.len(), 1);
    }

    #[test]
    fn many_aliases_of_one_value_take_no_memory() {
        let mut text = format!("a: &x '{}'\n", "y".repeat(500_000));
        for n in 0..20_000 {
            text.push_str(&format!("k{n}: *x\n"));
        }
        assert_eq!(
            Document::parse(text.as_bytes()).unwrap().fields.len(),
            20_001
        );
    }

    #[test]
    fn deep_nesting_is_refused_soon() {
        let deep = format!("a: {}", "[".repeat(500_000));
        let error = Document::parse(deep.as_bytes()).err().unwrap();
        let expected = "line 1: lists or mappings nested too deeply; correct the YAML there";
        assert_eq!(error.to_string(), expected);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::parse(&bytes);
        }

        #[test]
        fn no_yaml_like_text_makes_it_panic(text in "[a:\\-&*!'\"\\[\\]{}<> \n|>~#,]{0,60}") {
            let _ = Document::parse(text.as_bytes());
        }
    }
}
