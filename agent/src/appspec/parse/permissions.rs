//! `permissions`: what is set on what was installed.

use super::{acl, mode, paths, selinux};
use crate::appspec::findings::{Fields, Findings, Shape, text};
use crate::appspec::model::{Pattern, Permission};
use crate::appspec::places::RulePlaces;
use crate::appspec::problem::quoted;
use crate::appspec::text_path::resolve;
use crate::appspec::yaml::{Content, Node};

pub(crate) static RULE: Shape = Shape {
    what: "an entry of `permissions`",
    keys: &[
        "object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context",
    ],
    mistaken: &[
        ("destination", "did you mean `object`?"),
        ("path", "did you mean `object`?"),
        ("user", "did you mean `owner`?"),
        (
            "recursive",
            "`pattern: \"**\"`, the default, is everything below the object",
        ),
    ],
};

/// One entry of `permissions`.
pub(super) fn rule(node: &Node, findings: &mut Findings<'_>) -> Option<(Permission, RulePlaces)> {
    let Some(fields) = Fields::read(node, &RULE, findings) else {
        let message = format!(
            "an entry of `permissions` is {}, not a mapping",
            node.kind()
        );
        let help = "write `- object: /srv/app` and what to set below `object`";
        findings.error("permissions-entry", node.region(), &message, help);
        return None;
    };
    // All are read before any is given up, so that all are told.
    let object = object(&fields, findings);
    let pattern = fields
        .get("pattern")
        .map(|node| pattern(node, "pattern", findings));
    let except = except(&fields, findings);
    let types = types(&fields, findings);
    let owner = account(&fields, "owner", findings);
    let group = account(&fields, "group", findings);
    let mode = fields.get("mode").map(|node| mode::mode(node, findings));
    let acls = fields.get("acls").map(|node| acl::entries(node, findings));
    let context = fields
        .get("context")
        .map(|node| selinux::context(node, findings));
    // An inner None has been told as an error: the file is refused, the value does not matter.
    let acls = acls.flatten().unwrap_or_default();
    let (files, directories) = types.unwrap_or((true, true));
    if files && acls.iter().any(|entry| entry.default) {
        let at = fields.get("acls").map_or(fields.region(), Node::region);
        let message = "default ACL entries are for directories: Install fails if a file matches";
        let help = "add `type: [directory]`";
        findings.warning("acl-default-on-files", at, message, help);
    }
    let place = |key| fields.get(key).map(Node::region);
    let places = RulePlaces {
        object: place("object")?,
        pattern: place("pattern"),
        owner: place("owner"),
        group: place("group"),
        mode: place("mode"),
    };
    let permission = Permission {
        object: object?,
        pattern: pattern.flatten().unwrap_or(Pattern::Everything),
        except: except.unwrap_or_default(),
        files,
        directories,
        owner,
        group,
        mode: mode.flatten(),
        acls,
        context: context.flatten(),
        line: findings.line(node.region()),
    };
    Some((permission, places))
}

fn object(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<std::path::PathBuf> {
    let help = "name an installed file, or the directory above what to change";
    let node = fields.require("object", "object-missing", help, findings)?;
    let path = text(node, "object", "object-invalid", findings)?.trim();
    let at = node.region();
    if path.is_empty() {
        findings.error("object-missing", at, "`object` is empty", help);
        return None;
    }
    if !paths::check(path, "object", at, findings) {
        return None;
    }
    let resolved = resolve(path);
    if !path.starts_with('/') {
        let message = format!("object {} is relative; it is taken from `/`", quoted(path));
        let help = format!("write {}", quoted(&resolved.to_string_lossy()));
        findings.warning("object-relative", at, &message, &help);
    }
    Some(resolved)
}

fn pattern(node: &Node, key: &str, findings: &mut Findings<'_>) -> Option<Pattern> {
    let name = text(node, key, "pattern-invalid", findings)?;
    if name == "**" {
        return Some(Pattern::Everything);
    }
    if name.is_empty() || name.contains('/') {
        let message = format!(
            "{} matches nothing: a pattern is for names directly in the object",
            quoted(name)
        );
        let help = "name the directory as the `object` of a rule of its own";
        findings.warning("pattern-matches-nothing", node.region(), &message, help);
    }
    Some(Pattern::Name(name.to_owned()))
}

fn except(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<Vec<Pattern>> {
    let node = fields.get("except")?;
    let items = list(node, "except", "except: [\"*.sh\"]", findings)?;
    let patterns = items.iter().filter_map(|item| {
        if item.is_null() {
            let message = "an entry of `except` is empty";
            findings.error("pattern-invalid", item.region(), message, "remove it");
            return None;
        }
        pattern(item, "an entry of `except`", findings)
    });
    Some(patterns.collect())
}

/// Whether files and directories match.
fn types(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<(bool, bool)> {
    let node = fields.get("type")?;
    let items = list(node, "type", "type: [file]", findings)?;
    let mut types = (false, false);
    for item in items {
        match item.text() {
            Some("file") => types.0 = true,
            Some("directory") => types.1 = true,
            other => {
                let found = other.map_or(item.kind().to_owned(), quoted);
                let message = format!("{found} is no type of object");
                let help = "write `file`, `directory`, or both";
                findings.error("type-invalid", item.region(), &message, help);
            }
        }
    }
    if items.is_empty() {
        let message = "an empty `type` matches nothing";
        let help = "remove it: both types are the default";
        findings.warning("type-empty", node.region(), message, help);
    }
    Some(types)
}

fn list<'n>(
    node: &'n Node,
    key: &str,
    example: &str,
    findings: &mut Findings<'_>,
) -> Option<&'n [Node]> {
    if let Content::Sequence(items) = node.content() {
        return Some(items);
    }
    let message = format!("`{key}` is {}, where a list is expected", node.kind());
    let help = format!("write a list, such as `{example}`");
    findings.error("not-a-list", node.region(), &message, &help);
    None
}

/// The name, or number, of an account.
fn account(fields: &Fields<'_>, key: &str, findings: &mut Findings<'_>) -> Option<String> {
    let node = fields.get(key)?;
    let name = text(node, key, "account-invalid", findings)?;
    let at = node.region();
    let fault = |ch: char| ch.is_control() || ch == ':';
    if name.is_empty() || name.contains(fault) {
        let message = format!("{key} {} is not a name", quoted(name));
        let help = "write one name; `owner` and `group` are two keys";
        findings.error("account-invalid", at, &message, help);
        return None;
    }
    if name.bytes().all(|b| b.is_ascii_digit()) {
        let message = format!("{key} {name} is a number, which AWS's agent refuses");
        let help = "write the name if AWS's agent must read this file, too";
        findings.warning("account-numeric", at, &message, help);
    }
    Some(name.to_owned())
}
