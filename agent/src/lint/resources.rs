//! What AppSpecs for ECS and Lambda have in common: one resource, and functions as hooks.

use super::templates::{is_placeholder, warn_of_cloudformation};
use crate::appspec::findings::{Fields, Findings, Shape};
use crate::appspec::yaml::{Content, Entry, Node, Region};
use crate::appspec::{quoted, suggest, version};

/// The mapping at the top.
pub(super) static TOP: Shape = Shape {
    what: "the AppSpec",
    keys: &["version", "Resources", "resources", "Hooks", "hooks"],
    mistaken: &[
        ("os", "only AppSpecs for EC2/on-premises have it; remove it"),
        (
            "files",
            "only AppSpecs for EC2/on-premises have it; remove it",
        ),
        (
            "permissions",
            "only AppSpecs for EC2/on-premises have it; remove it",
        ),
        ("Version", "did you mean `version`?"),
    ],
};

/// The resource.
pub(super) static RESOURCE: Shape = Shape {
    what: "the resource",
    keys: &["Type", "Properties"],
    mistaken: &[],
};

/// A platform's part of the rules.
pub(super) struct Kind {
    /// `AWS::ECS::Service`.
    pub(super) resource: &'static str,
    /// An example of a resource's name.
    pub(super) name: &'static str,
    pub(super) events: &'static [&'static str],
}

/// Reads all but the properties, and gives those back.
pub(super) fn check<'n>(
    root: Option<&'n Node>,
    kind: &Kind,
    findings: &mut Findings<'_>,
) -> Option<&'n Node> {
    let example = format!(
        "write `version: 0.0` and, below `Resources:`, `- {}:` with its `Type: {}` and `Properties`",
        kind.name, kind.resource
    );
    let Some(root) = root.filter(|root| !root.is_null()) else {
        findings.error("empty", Region::new(0, 0), "the AppSpec is empty", &example);
        return None;
    };
    let Some(fields) = Fields::read(root, &TOP, findings) else {
        let message = format!(
            "the AppSpec is {}, where a mapping is expected",
            root.kind()
        );
        findings.error("not-a-mapping", root.region(), &message, &example);
        return None;
    };
    version(
        &fields,
        "the version is a text, where the number 0.0 is documented",
        findings,
    );
    hooks(&fields, kind, findings);
    let resources = match fields.get("Resources").or_else(|| fields.get("resources")) {
        Some(resources) => resources,
        None => {
            let at = fields
                .null("Resources")
                .or_else(|| fields.null("resources"));
            let at = at.unwrap_or(Region {
                end: root.region().start,
                ..root.region()
            });
            findings.error(
                "resources-missing",
                at,
                "the AppSpec has no `Resources`",
                &example,
            );
            return None;
        }
    };
    resource(resources, kind, &example, findings)
}

fn resource<'n>(
    resources: &'n Node,
    kind: &Kind,
    example: &str,
    findings: &mut Findings<'_>,
) -> Option<&'n Node> {
    let Content::Sequence(items) = resources.content() else {
        let message = format!(
            "`Resources` is {}, where a list is expected",
            resources.kind()
        );
        let help = format!("write `- {}:` below it, with `- ` in front", kind.name);
        findings.error("resources-invalid", resources.region(), &message, &help);
        return None;
    };
    let entries = items.iter().map(|item| match item.content() {
        Content::Mapping(entries) => entries.as_slice(),
        _ => &[],
    });
    let named: Vec<&Entry> = entries.flatten().collect();
    let [Entry { key, value }] = named.as_slice() else {
        let message = format!(
            "`Resources` has {} resources, where one is expected",
            named.len()
        );
        let at = named
            .get(1)
            .map_or(resources.region(), |entry| entry.key.region());
        findings.error("resources-invalid", at, &message, example);
        return None;
    };
    let Some(fields) = Fields::read(value, &RESOURCE, findings) else {
        let message = format!(
            "the resource {} is {}, where a mapping is expected",
            quoted(key.text().unwrap_or_default()),
            value.kind()
        );
        let help = "indent `Type` and `Properties` deeper than its name";
        findings.error("resources-invalid", key.region(), &message, help);
        return None;
    };
    let help = format!("write `Type: {}`", kind.resource);
    if let Some(node) = fields.require("Type", "resource-type", &help, findings)
        && node.text() != Some(kind.resource)
        && !is_placeholder(node, findings)
    {
        let found = node.text().map_or(node.kind().to_owned(), quoted);
        let message = format!("the type {found} is not the one of this platform");
        findings.error("resource-type", node.region(), &message, &help);
    }
    let help = "write `Properties:` beside `Type`, with the properties indented below it";
    fields.require("Properties", "properties-missing", help, findings)
}

fn hooks(fields: &Fields<'_>, kind: &Kind, findings: &mut Findings<'_>) {
    if let Some(at) = fields.null("Hooks").or_else(|| fields.null("hooks")) {
        let message = "there is nothing under `Hooks`";
        let help = "remove the key, or indent what belongs to it below it";
        findings.warning("section-empty", at, message, help);
    }
    let Some(hooks) = fields.get("Hooks").or_else(|| fields.get("hooks")) else {
        return;
    };
    let Content::Sequence(items) = hooks.content() else {
        let message = format!(
            "`Hooks` is {}, where a list is expected: only EC2 has a mapping there",
            hooks.kind()
        );
        let help = format!(
            "write `- {}: my-function` below it",
            kind.events.first().unwrap_or(&"")
        );
        findings.error("hooks-not-a-list", hooks.region(), &message, &help);
        return;
    };
    for item in items {
        let Content::Mapping(entries) = item.content() else {
            let message = format!(
                "an entry of `Hooks` is {}, not an event with a function",
                item.kind()
            );
            let help = "write `- BeforeAllowTraffic: my-function`";
            findings.error("hook-function", item.region(), &message, help);
            continue;
        };
        for Entry { key, value } in entries {
            event(key, kind, findings);
            function(key, value, findings);
        }
    }
}

fn event(key: &Node, kind: &Kind, findings: &mut Findings<'_>) {
    let name = key.text().unwrap_or_default();
    if kind.events.contains(&name) || is_placeholder(key, findings) {
        return;
    }
    let message = format!("{} is no event of this platform", quoted(name));
    let help = match suggest::closest(name, kind.events) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("the events are {}", kind.events.join(", ")),
    };
    findings.error("hook-event", key.region(), &message, &help);
}

fn function(key: &Node, value: &Node, findings: &mut Findings<'_>) {
    warn_of_cloudformation(value, findings);
    if is_placeholder(value, findings) {
        return;
    }
    let name = quoted(key.text().unwrap_or_default());
    let valid = value
        .text()
        .filter(|_| !value.is_null())
        .is_some_and(|text| {
            let words =
                |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '_' | ':' | '$');
            !text.is_empty() && text.chars().all(words)
        });
    if !valid {
        let at = if value.is_null() {
            key.region()
        } else {
            value.region()
        };
        let message = format!(
            "{name} holds {}, where a Lambda function is expected",
            value.kind()
        );
        let help = "write the function's name or ARN; scripts run on EC2 only";
        findings.error("hook-function", at, &message, help);
    }
}

/// A required property that is a text, placeholders included; none when it is missing or wrong, or
/// not known yet.
pub(super) fn required<'n>(
    fields: &Fields<'n>,
    key: &'static str,
    help: &str,
    findings: &mut Findings<'_>,
) -> Option<&'n Node> {
    let node = fields.require(key, "property-missing", help, findings)?;
    warn_of_cloudformation(node, findings);
    if is_placeholder(node, findings) {
        return None;
    }
    if node.text().is_some_and(|text| !text.trim().is_empty()) {
        return Some(node);
    }
    let message = match node.text() {
        Some(_) => format!("`{key}` is empty"),
        None => format!("`{key}` is {}, where text is expected", node.kind()),
    };
    findings.error("property-invalid", node.region(), &message, help);
    None
}

/// A mapping of properties, or an error that says what it is instead.
pub(super) fn mapping<'n>(
    node: &'n Node,
    key: &str,
    shape: &'static Shape,
    findings: &mut Findings<'_>,
) -> Option<Fields<'n>> {
    if is_placeholder(node, findings) {
        return None;
    }
    let fields = Fields::read(node, shape, findings);
    if fields.is_none() {
        let message = format!("`{key}` is {}, where a mapping is expected", node.kind());
        let help = format!("write its keys below `{key}:`, indented");
        findings.error("property-invalid", node.region(), &message, &help);
    }
    fields
}
