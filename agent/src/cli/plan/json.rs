//! The plan as one JSON object, with stable keys (`docs/plan.md`).

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Planned;
use super::names::Accounts;
use super::summary::{CHANGES, Counts, kind, word};
use crate::executor::{DownloadPreview, EventPreview, EventWork, ScriptPreview, ScriptsFrom};
use crate::install::{ObjectKind, Outcome, PreviewedObject, Properties, Room};
use crate::lifecycle::LifecycleEvent;

/// The version of the keys: raised when one gets another meaning.
const FORMAT: u32 = 1;

pub(super) fn show(planned: &Planned) -> String {
    let preview = &planned.preview;
    let accounts = Accounts::default();
    let install = preview.install.as_ref();
    let objects = install.map_or(&[][..], |install| &install.objects);
    let mut counts = Counts::default();
    for object in objects {
        counts.count(object);
    }
    let totals: Map<String, Value> = CHANGES
        .into_iter()
        .map(|change| {
            let value = json!({
                "files": counts.files(change),
                "directories": counts.directories(change),
            });
            (word(change).to_owned(), value)
        })
        .collect();
    let objects: Vec<Value> = objects.iter().map(|each| object(each, &accounts)).collect();
    let reasons: Vec<Value> = preview
        .reasons
        .iter()
        .map(|reason| {
            json!({
                "event": reason.event,
                "message": reason.message,
                "path": reason.path.as_deref().map(lossy),
            })
        })
        .collect();
    let download = preview.download.as_ref();
    let rooms = download.and_then(|download| download.room.as_ref());
    let rooms = rooms
        .into_iter()
        .chain(install.into_iter().flat_map(|install| &install.rooms));
    let value = json!({
        "format": FORMAT,
        "result": if preview.reasons.is_empty() { "would_succeed" } else { "would_fail" },
        "bundle": planned.bundle,
        "deployment_group": planned.group,
        "events": preview.events.iter().map(event).collect::<Vec<_>>(),
        "download": download.map(fetched),
        "unfinished_install": preview.unfinished.map(outcome),
        "objects": objects,
        "totals": totals,
        "space": rooms.map(room).collect::<Vec<_>>(),
        "reasons": reasons,
        "warnings": preview.warnings,
        "unseen": preview.unseen,
    });
    format!("{value:#}\n")
}

fn lossy(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn event(preview: &EventPreview) -> Value {
    let mut value = Map::new();
    let mut put = |key: &str, what: Value| value.insert(key.to_owned(), what);
    put("event", preview.event.as_str().into());
    match &preview.work {
        EventWork::Own if preview.event == LifecycleEvent::DownloadBundle => {
            put("does", "download".into());
        }
        EventWork::Own => {
            put("does", "install".into());
        }
        EventWork::Nothing(reason) => {
            put("does", "nothing".into());
            put("reason", reason.clone().into());
        }
        EventWork::Unknown => {
            put("does", "unknown".into());
        }
        EventWork::Scripts { from, scripts } => {
            put("does", "scripts".into());
            let (revision, directory) = match from {
                ScriptsFrom::ThisRevision => ("this", Value::Null),
                ScriptsFrom::Earlier(directory) => ("earlier", lossy(directory).into()),
            };
            put("revision", revision.into());
            put("deployment_directory", directory);
            put("scripts", scripts.iter().map(script).collect());
        }
    }
    value.into()
}

fn script(script: &ScriptPreview) -> Value {
    json!({
        "location": script.location,
        "runas": script.runas,
        "sudo": script.sudo,
        "timeout_seconds": script.timeout.as_secs(),
    })
}

fn fetched(download: &DownloadPreview) -> Value {
    json!({
        "bundle_bytes": download.bundle_bytes,
        "entries": download.entries,
        "bytes": download.bytes,
        "removed_deployments": download.removed.iter().map(|path| lossy(path)).collect::<Vec<_>>(),
    })
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotBegun => "not_begun",
        Outcome::RolledBack => "rolled_back",
        Outcome::RolledForward => "rolled_forward",
        Outcome::Superseded => "superseded",
    }
}

fn room(room: &Room) -> Value {
    json!({
        "path": lossy(&room.path),
        "needed_bytes": room.needed_bytes,
        "free_bytes": room.free_bytes,
        "needed_inodes": room.needed_inodes,
        "free_inodes": room.free_inodes,
        "enough": room.shortage().is_none(),
    })
}

fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::File => "file",
        ObjectKind::Directory => "directory",
        ObjectKind::Link => "link",
        ObjectKind::Other => "other",
    }
}

fn object(object: &PreviewedObject, accounts: &Accounts) -> Value {
    let mut value = Map::new();
    let mut put = |key: &str, what: Value| value.insert(key.to_owned(), what);
    put("path", lossy(&object.path).into());
    if object.path.to_str().is_none() {
        let bytes = object.path.as_os_str().as_bytes();
        put("path_base64", STANDARD.encode(bytes).into());
    }
    put("change", word(object.change).into());
    put("kind", kind_word(kind(object)).into());
    let shown = |properties: &Option<Properties>| {
        properties
            .as_ref()
            .map_or(Value::Null, |found| self::properties(found, accounts))
    };
    put("before", shown(&object.before));
    put("after", shown(&object.after));
    put("source", object.source.as_deref().map(lossy).into());
    put("permissions_line", object.rule_line.into());
    value.into()
}

fn properties(properties: &Properties, accounts: &Accounts) -> Value {
    json!({
        "kind": kind_word(properties.kind),
        "size": properties.size,
        "mode": format!("{:04o}", properties.mode),
        "uid": properties.user,
        "gid": properties.group,
        "owner": accounts.user(properties.user),
        "group": accounts.group(properties.group),
        "target": properties.target.as_deref().map(lossy),
        "acl": properties.acl,
        "default_acl": properties.default_acl,
        "selinux_context": properties.context,
    })
}
