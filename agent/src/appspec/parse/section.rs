//! The sections at the top: lists and mappings that may be empty.

use crate::appspec::findings::{Fields, Findings};
use crate::appspec::yaml::{Content, Entry, Node, Value};

/// The items of the list `key`; none when it is absent or empty.
pub(super) fn list<'n>(fields: &Fields<'n>, key: &str, findings: &mut Findings<'_>) -> &'n [Node] {
    let Some(node) = value(fields, key, findings) else {
        return &[];
    };
    match node.content() {
        Content::Sequence(items) => items,
        Content::Mapping(entries) if entries.is_empty() => &[],
        _ => {
            let message = format!("`{key}` is {}, where a list is expected", node.kind());
            let help = "start each entry below it with `- `";
            findings.error("section-not-a-list", node.region(), &message, help);
            &[]
        }
    }
}

/// The entries of the mapping `key`; none when it is absent or empty.
pub(super) fn mapping<'n>(
    fields: &Fields<'n>,
    key: &str,
    findings: &mut Findings<'_>,
) -> &'n [Entry] {
    let Some(node) = value(fields, key, findings) else {
        return &[];
    };
    match node.content() {
        Content::Mapping(entries) => entries,
        _ => {
            let message = format!("`{key}` is {}, where a mapping is expected", node.kind());
            let help = "write the events below it as `AfterInstall:`, without `- `";
            findings.error("section-not-a-mapping", node.region(), &message, help);
            &[]
        }
    }
}

/// The value of `key`, unless it says "none": absent, null, or `false`, as in Ruby.
fn value<'n>(fields: &Fields<'n>, key: &str, findings: &mut Findings<'_>) -> Option<&'n Node> {
    if let Some(at) = fields.null(key) {
        findings.warning(
            "section-empty",
            at,
            &format!("there is nothing under `{key}`, which AWS's agent may refuse"),
            "remove the key, or indent what belongs to it below it",
        );
    }
    fields
        .get(key)
        .filter(|node| node.value() != Some(Value::Bool(false)))
}
