//! What is told of one object: what it is like, and what changes about it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::names::{Accounts, escaped};
use crate::cli::sizes::bytes;
use crate::install::{Change, ObjectKind, PreviewedObject, Properties};

/// What is told of an object behind its name.
pub(super) fn details(object: &PreviewedObject, accounts: &Accounts) -> String {
    match (&object.before, &object.after) {
        (Some(before), Some(after)) if object.change == Change::Change => {
            difference(before, after, accounts)
        }
        (Some(_), _) if object.change == Change::Leave => "stays as it is".to_owned(),
        (Some(only), _) if object.change == Change::Remove => {
            only.size.map(bytes).unwrap_or_default()
        }
        (_, Some(after)) if object.change == Change::Add => all_of(after, accounts),
        _ => String::new(),
    }
}

fn all_of(properties: &Properties, accounts: &Accounts) -> String {
    let size = properties.size.map(bytes);
    let parts = size.into_iter().chain([access(properties, accounts)]);
    parts.collect::<Vec<_>>().join(" ")
}

/// What differs, before and after.
fn difference(before: &Properties, after: &Properties, accounts: &Accounts) -> String {
    if before.kind != after.kind {
        let was = match before.kind {
            ObjectKind::File => "a file",
            ObjectKind::Directory => "a directory",
            ObjectKind::Link => "a link",
            ObjectKind::Other => "something else",
        };
        return format!("{} (was {was})", all_of(after, accounts));
    }
    let mut parts = Vec::new();
    let mut put = |what: &str, old: String, new: String| {
        if old != new {
            parts.push(format!("{what}{old} -> {new}"));
        }
    };
    let size = |properties: &Properties| properties.size.map(bytes).unwrap_or_default();
    put("", size(before), size(after));
    let mode = |properties: &Properties| format!("{:04o}", properties.mode);
    put("mode ", mode(before), mode(after));
    let owner = |found: &Properties| accounts.owner(found.user, found.group);
    put("owner ", owner(before), owner(after));
    let target = |found: &Properties| found.target.as_deref().map(path_text).unwrap_or_default();
    put("link ", target(before), target(after));
    let none = || "none".to_owned();
    let acl = |acl: &Option<Vec<String>>| acl.as_deref().map_or_else(none, acl_text);
    put("", acl(&before.acl), acl(&after.acl));
    put(
        "default ",
        acl(&before.default_acl),
        acl(&after.default_acl),
    );
    let context = |found: &Properties| found.context.clone().unwrap_or_else(none);
    put("context ", context(before), context(after));
    if parts.is_empty() {
        parts.push(match before.kind {
            ObjectKind::Directory => "made again".to_owned(),
            _ => "replaced".to_owned(),
        });
    }
    parts.join(", ")
}

/// Who may do what with it; of a link, where it leads.
pub(super) fn access(properties: &Properties, accounts: &Accounts) -> String {
    let mut parts = vec![match &properties.target {
        Some(target) => format!("-> {}", path_text(target)),
        None => format!("{:04o}", properties.mode),
    }];
    parts.push(accounts.owner(properties.user, properties.group));
    parts.extend(properties.acl.as_deref().map(acl_text));
    let default = properties.default_acl.as_deref().map(acl_text);
    parts.extend(default.map(|acl| format!("default {acl}")));
    let context = properties.context.as_ref();
    parts.extend(context.map(|text| format!("context {text}")));
    parts.join(" ")
}

fn acl_text(entries: &[String]) -> String {
    format!("acl {}", entries.join(","))
}

fn path_text(path: &Path) -> String {
    escaped(OsString::from(path).into_vec().as_slice())
}
