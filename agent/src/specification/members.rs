//! Members of a JSON object, by name, with errors that name them and never quote them.
//!
//! One rule for all: a member that is null or an empty text is as good as absent (v1 reads them
//! so), and members that nobody asks for are ignored.

use serde_json::{Map, Value};

use super::content_error::ContentError;

/// An object, and where it is.
pub(super) struct Members<'a> {
    /// With a dot at its end; empty for the outermost object.
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// The outermost object.
    pub(super) fn outermost(value: &'a Value) -> Result<Self, ContentError> {
        match value {
            Value::Object(map) => Ok(Self {
                path: String::new(),
                map,
            }),
            other => Err(wrong_type(
                "the specification".to_owned(),
                "an object",
                other,
            )),
        }
    }

    /// The full name of a member, for errors.
    pub(super) fn name(&self, member: &str) -> String {
        format!("{}{member}", self.path)
    }

    pub(super) fn text(&self, member: &str) -> Result<Option<&'a str>, ContentError> {
        let Some(value) = self.value(member) else {
            return Ok(None);
        };
        let text = text_of(value, || self.name(member))?;
        Ok((!text.is_empty()).then_some(text))
    }

    pub(super) fn required_text(&self, member: &str) -> Result<&'a str, ContentError> {
        self.text(member)?.ok_or_else(|| ContentError::Missing {
            member: self.name(member),
        })
    }

    pub(super) fn object(&self, member: &str) -> Result<Option<Members<'a>>, ContentError> {
        match self.value(member) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Members {
                path: format!("{}{member}.", self.path),
                map,
            })),
            Some(other) => Err(wrong_type(self.name(member), "an object", other)),
        }
    }

    pub(super) fn required_object(&self, member: &str) -> Result<Members<'a>, ContentError> {
        self.object(member)?.ok_or_else(|| ContentError::Missing {
            member: self.name(member),
        })
    }

    /// A list of texts, none of them empty. An empty list is as good as absent.
    pub(super) fn texts(&self, member: &str) -> Result<Option<Vec<String>>, ContentError> {
        let list = match self.value(member) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(wrong_type(self.name(member), "a list", other)),
        };
        let texts = list.iter().enumerate().map(|(index, value)| {
            let name = || format!("{}[{index}]", self.name(member));
            match text_of(value, name)? {
                "" => Err(ContentError::Missing { member: name() }),
                text => Ok(text.to_owned()),
            }
        });
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        Ok((!texts.is_empty()).then_some(texts))
    }

    fn value(&self, member: &str) -> Option<&'a Value> {
        self.map.get(member).filter(|value| !value.is_null())
    }
}

fn text_of(value: &Value, member: impl Fn() -> String) -> Result<&str, ContentError> {
    match value {
        Value::String(text) if text.contains('\0') => Err(ContentError::Nul { member: member() }),
        Value::String(text) => Ok(text),
        other => Err(wrong_type(member(), "a text", other)),
    }
}

fn wrong_type(member: String, expected: &'static str, found: &Value) -> ContentError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ContentError::Type {
        member,
        expected,
        found,
    }
}
