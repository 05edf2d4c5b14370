//! AppSpecs written by an independent YAML library are read back as what they were.

use std::path::PathBuf;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;

use super::{Mode, parse};

/// An AppSpec as a user writes it; the fields are the file's keys.
#[derive(Debug, Clone, Serialize)]
struct Written {
    version: f64,
    os: &'static str,
    files: Vec<WrittenFile>,
    hooks: std::collections::BTreeMap<String, Vec<WrittenScript>>,
    permissions: Vec<WrittenPermission>,
}

#[derive(Debug, Clone, Serialize)]
struct WrittenFile {
    source: String,
    destination: String,
}

#[derive(Debug, Clone, Serialize)]
struct WrittenScript {
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runas: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct WrittenPermission {
    object: String,
    mode: String,
    owner: String,
}

/// A name as files have them, among them such as only quoting keeps from being something else.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_][a-zA-Z0-9_. :#'\"&*!%@{}\\[\\],?|>-]{0,12}[a-zA-Z0-9_]",
        Just("yes".to_owned()),
        Just("null".to_owned()),
        Just("0755".to_owned()),
        Just("1_000".to_owned()),
        Just("1.5".to_owned()),
        Just("2001-01-01".to_owned()),
        Just("grüße".to_owned()),
    ]
}

fn account() -> impl Strategy<Value = String> {
    "[a-z_][a-z0-9_-]{0,10}"
}

fn written() -> impl Strategy<Value = Written> {
    let file = (name(), name()).prop_map(|(source, destination)| WrittenFile {
        source,
        destination: format!("/{destination}"),
    });
    let script = (name(), option::of(1..=100_000_u32), option::of(account())).prop_map(
        |(location, timeout, runas)| WrittenScript {
            location,
            timeout,
            runas,
        },
    );
    let permission =
        (name(), 0..=0o7777_u32, account()).prop_map(|(object, mode, owner)| WrittenPermission {
            object: format!("/{object}"),
            mode: format!("{mode:o}"),
            owner,
        });
    (
        vec(file, 0..4),
        btree_map("[A-Z][a-zA-Z]{1,10}", vec(script, 1..4), 0..4),
        vec(permission, 0..4),
    )
        .prop_map(|(files, hooks, permissions)| Written {
            version: 0.0,
            os: "linux",
            files,
            hooks,
            permissions,
        })
}

proptest! {
    #[test]
    fn what_another_library_writes_is_what_is_read(written in written()) {
        let text = serde_yaml::to_string(&written).unwrap();
        let parsed = parse(text.as_bytes());
        prop_assert!(parsed.is_ok(), "{}\n{text}", parsed.unwrap_err());
        let appspec = parsed.unwrap().appspec;
        prop_assert_eq!(appspec.files.len(), written.files.len());
        for (read, written) in appspec.files.iter().zip(&written.files) {
            prop_assert_eq!(&read.source, &PathBuf::from(&written.source));
            prop_assert_eq!(&read.destination, &PathBuf::from(&written.destination));
        }
        prop_assert_eq!(appspec.hooks.len(), written.hooks.len());
        for (event, scripts) in &written.hooks {
            let read = appspec.scripts(event);
            prop_assert_eq!(read.len(), scripts.len());
            for (read, written) in read.iter().zip(scripts) {
                prop_assert_eq!(&read.location, &written.location);
                let timeout = u64::from(written.timeout.unwrap_or(3600));
                prop_assert_eq!(read.timeout, Duration::from_secs(timeout));
                prop_assert_eq!(&read.runas, &written.runas);
            }
        }
        for (read, written) in appspec.permissions.iter().zip(&written.permissions) {
            let mode = u16::from_str_radix(&written.mode, 8).unwrap();
            prop_assert_eq!(read.mode, Some(Mode(mode)));
            prop_assert_eq!(&read.object, &PathBuf::from(&written.object));
            prop_assert_eq!(read.owner.as_ref(), Some(&written.owner));
        }
    }
}
