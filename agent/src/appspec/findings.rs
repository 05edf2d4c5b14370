//! Collects the problems of a file while it is read, so that all are told in one go.

use super::problem::{Problem, Problems, Severity};
use super::suggest;
use super::yaml::{Content, Entry, Node, Region, Text};

/// Kept of each severity; a hostile file could have half a million.
const KEPT: usize = 100;

/// The problems found so far in one text.
pub(crate) struct Findings<'t> {
    text: &'t Text<'t>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    omitted_errors: usize,
    omitted_warnings: usize,
}

impl<'t> Findings<'t> {
    /// Starts with the `warnings` that reading the YAML gave.
    pub(crate) fn new(text: &'t Text<'t>, warnings: Vec<Problem>) -> Self {
        Self {
            text,
            errors: Vec::new(),
            warnings,
            omitted_errors: 0,
            omitted_warnings: 0,
        }
    }

    /// Records what makes the file unusable.
    pub(crate) fn error(&mut self, code: &'static str, at: Region, message: &str, help: &str) {
        if self.errors.len() < KEPT {
            let span = self.text.span(at);
            let problem = Problem::new(Severity::Error, code, span, message, help);
            self.errors.push(problem);
        } else {
            self.omitted_errors += 1;
        }
    }

    /// Records what will bite, or what AWS's agent would refuse.
    pub(crate) fn warning(&mut self, code: &'static str, at: Region, message: &str, help: &str) {
        if self.warnings.len() < KEPT {
            let span = self.text.span(at);
            let problem = Problem::new(Severity::Warning, code, span, message, help);
            self.warnings.push(problem);
        } else {
            self.omitted_warnings += 1;
        }
    }

    /// Whether one of them is an error.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether what is found next will be kept: what takes long to explain need not be, else.
    pub(crate) fn has_room(&self) -> bool {
        self.errors.len() < KEPT && self.warnings.len() < KEPT
    }

    /// The source of a place.
    pub(crate) fn source(&self, at: Region) -> &'t str {
        let range = at.start as usize..at.end as usize;
        self.text.as_str().get(range).unwrap_or_default()
    }

    /// The line of a place, from 1.
    pub(crate) fn line(&self, at: Region) -> usize {
        self.text.line(at.start)
    }

    /// Everything, errors or not.
    pub(crate) fn all(self) -> Problems {
        match self.finish() {
            Ok(problems) | Err(problems) => problems,
        }
    }

    /// The warnings alone, or everything when there is an error.
    pub(crate) fn finish(self) -> Result<Problems, Problems> {
        if self.errors.is_empty() {
            return Ok(Problems::new(self.warnings, self.omitted_warnings));
        }
        let mut all = self.errors;
        all.extend(self.warnings);
        let omitted = self.omitted_errors + self.omitted_warnings;
        Err(Problems::new(all, omitted))
    }
}

/// What a mapping with known keys is, for messages and suggestions.
pub(crate) struct Shape {
    /// "an entry of `files`".
    pub(crate) what: &'static str,
    pub(crate) keys: &'static [&'static str],
    /// What to say of keys that people write here by mistake.
    pub(crate) mistaken: &'static [(&'static str, &'static str)],
}

/// A mapping whose keys are looked up by name.
pub(crate) struct Fields<'n> {
    node: &'n Node,
    entries: &'n [Entry],
    shape: &'static Shape,
}

impl<'n> Fields<'n> {
    /// Reads `node` as a mapping, warning of keys that mean nothing; none when it is no mapping.
    pub(crate) fn read(
        node: &'n Node,
        shape: &'static Shape,
        findings: &mut Findings<'_>,
    ) -> Option<Self> {
        let Content::Mapping(entries) = node.content() else {
            return None;
        };
        for Entry { key, .. } in entries {
            let name = key.text().unwrap_or_default();
            if !shape.keys.contains(&name) {
                let (message, help) = shape.explain(name);
                findings.warning("unknown-key", key.region(), &message, &help);
            }
        }
        Some(Self {
            node,
            entries,
            shape,
        })
    }

    /// Where the mapping is.
    pub(crate) fn region(&self) -> Region {
        self.node.region()
    }

    /// Where its first key is, for what is missing.
    fn first_key(&self) -> Region {
        self.entries
            .first()
            .map_or(self.region(), |entry| entry.key.region())
    }

    fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries
            .iter()
            .find(|entry| entry.key.text() == Some(key))
    }

    /// The value of `key`, unless it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The key's own place when it is there with nothing behind it.
    pub(crate) fn null(&self, key: &str) -> Option<Region> {
        self.entry(key)
            .filter(|entry| entry.value.is_null())
            .map(|entry| entry.key.region())
    }

    /// The value of a key that must be there, or an error with `help`.
    pub(crate) fn require(
        &self,
        key: &'static str,
        code: &'static str,
        help: &str,
        findings: &mut Findings<'_>,
    ) -> Option<&'n Node> {
        if let Some(value) = self.get(key) {
            return Some(value);
        }
        let what = self.shape.what;
        if let Some(at) = self.null(key) {
            findings.error(code, at, &format!("`{key}` of {what} has no value"), help);
            return None;
        }
        let unknown = self.entries.iter().filter_map(|entry| entry.key.text());
        let misspelt = unknown
            .filter(|name| !self.shape.keys.contains(name))
            .find(|name| suggest::closest(name, &[key]).is_some());
        let help = match misspelt {
            Some(name) => format!("`{}` must be written `{key}`", suggest::short(name)),
            None => help.to_owned(),
        };
        let message = format!("{what} has no `{key}`");
        findings.error(code, self.first_key(), &message, &help);
        None
    }
}

impl Shape {
    fn explain(&self, name: &str) -> (String, String) {
        let shown = suggest::short(name);
        let message = format!("`{shown}` means nothing in {}; it is ignored", self.what);
        if let Some((_, help)) = self.mistaken.iter().find(|(key, _)| *key == name) {
            return (message, (*help).to_owned());
        }
        if name.starts_with("//") || name.starts_with("/*") {
            return (message, "comments start with `#`".to_owned());
        }
        let help = match suggest::closest(name, self.keys) {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("it takes {}", list(self.keys)),
        };
        (message, help)
    }
}

fn list(keys: &[&str]) -> String {
    let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    quoted.join(", ")
}

/// A scalar's text, an error when `node` is a list or a mapping.
pub(crate) fn text<'n>(
    node: &'n Node,
    key: &str,
    code: &'static str,
    findings: &mut Findings<'_>,
) -> Option<&'n str> {
    let text = node.text();
    if text.is_none() {
        let message = format!("`{key}` is {}, where text is expected", node.kind());
        findings.error(
            code,
            node.region(),
            &message,
            "write one value; quote it when it holds brackets, braces or `: `",
        );
    }
    text
}
