//! `files`: what is copied where.

use super::paths;
use crate::appspec::findings::{Fields, Findings, Shape, text};
use crate::appspec::model::FileMapping;
use crate::appspec::places::FilePlaces;
use crate::appspec::problem::quoted;
use crate::appspec::text_path::{resolve, resolve_within};
use crate::appspec::yaml::Node;

pub(crate) static ENTRY: Shape = Shape {
    what: "an entry of `files`",
    keys: &["source", "destination"],
    mistaken: &[
        (
            "overwrite",
            "write `file_exists_behavior: OVERWRITE` at the top of the file",
        ),
        (
            "file_exists_behavior",
            "write it at the top of the file: it is for all entries",
        ),
        ("mode", "write it in an entry of `permissions`"),
        ("owner", "write it in an entry of `permissions`"),
        ("group", "write it in an entry of `permissions`"),
    ],
};

/// One entry of `files`.
pub(super) fn mapping(
    node: &Node,
    findings: &mut Findings<'_>,
) -> Option<(FileMapping, FilePlaces)> {
    let Some(fields) = Fields::read(node, &ENTRY, findings) else {
        let message = format!("an entry of `files` is {}, not a mapping", node.kind());
        let help = "write `- source: /` and, below `source`, `destination: /srv/app`";
        findings.error("files-entry", node.region(), &message, help);
        return None;
    };
    // Both are read before either is given up, so that both are told.
    let source = source(&fields, findings);
    let destination = destination(&fields, findings);
    let place = |key| fields.get(key).map(Node::region);
    let places = FilePlaces {
        source: place("source")?,
        destination: place("destination")?,
    };
    let mapping = FileMapping {
        source: source?,
        destination: destination?,
    };
    Some((mapping, places))
}

fn source(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<std::path::PathBuf> {
    let help = "name a file or directory of the bundle; `/` is all of it";
    let node = fields.require("source", "source-missing", help, findings)?;
    let path = text(node, "source", "source-invalid", findings)?;
    let at = node.region();
    if path.is_empty() {
        findings.error("source-missing", at, "`source` is empty", help);
        return None;
    }
    if !paths::check(path, "source", at, findings) {
        return None;
    }
    let resolved = resolve_within(path);
    if resolved.is_none() {
        let message = format!("source {} leads out of the bundle", quoted(path));
        let help = "only what is in the bundle can be installed; remove the `..`";
        findings.error("source-outside", at, &message, help);
    }
    resolved
}

fn destination(fields: &Fields<'_>, findings: &mut Findings<'_>) -> Option<std::path::PathBuf> {
    let help = "name the directory that receives the files, such as `/srv/app`";
    let node = fields.require("destination", "destination-missing", help, findings)?;
    let path = text(node, "destination", "destination-invalid", findings)?;
    let at = node.region();
    if path.is_empty() {
        findings.error("destination-missing", at, "`destination` is empty", help);
        return None;
    }
    if !paths::check(path, "destination", at, findings) {
        return None;
    }
    if path == "~" || path.starts_with("~/") {
        let message = "`~` stands for no home directory here";
        let help = "write the whole path, such as `/home/ubuntu/app`";
        findings.error("destination-home", at, message, help);
        return None;
    }
    let resolved = resolve(path);
    if !path.starts_with('/') {
        let message = format!(
            "destination {} is relative; it is taken from `/`",
            quoted(path)
        );
        let help = if path.starts_with('$') {
            "variables are not expanded here; write the whole path, such as `/home/ubuntu/app`"
                .to_owned()
        } else {
            format!("write {}", quoted(&resolved.to_string_lossy()))
        };
        findings.warning("destination-relative", at, &message, &help);
    }
    Some(resolved)
}
