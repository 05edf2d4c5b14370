//! What is planned is what then happens: any two revisions, one after the other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use integration_tests::TestHost;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generated::{Tree, revision, write};
use crate::{bundles, plan, reasons};

/// What can be seen of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    inode: u64,
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    size: Option<u64>,
    target: Option<PathBuf>,
}

/// All that is below `top`, by its path.
fn look(top: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs_err::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let found = fs_err::symlink_metadata(&path).unwrap();
            let kind = if found.is_dir() {
                ahead.push(path.clone());
                "directory"
            } else if found.is_symlink() {
                "link"
            } else {
                "file"
            };
            let object = Seen {
                inode: found.ino(),
                kind,
                mode: found.mode() & 0o7777,
                owner: (found.uid(), found.gid()),
                size: found.is_file().then_some(found.len()),
                target: found
                    .is_symlink()
                    .then(|| fs_err::read_link(&path).unwrap()),
            };
            seen.insert(path, object);
        }
    }
    seen
}

/// What has happened to a name.
fn change(before: Option<&Seen>, after: Option<&Seen>) -> &'static str {
    match (before, after) {
        (None, Some(_)) => "add",
        (Some(_), None) => "remove",
        (Some(before), Some(after)) if before == after => "stays",
        _ => "change",
    }
}

/// The planned objects below `top`, by their paths.
fn planned(json: &Value, top: &Path) -> BTreeMap<PathBuf, Value> {
    let mut planned = BTreeMap::new();
    for object in json["objects"].as_array().unwrap() {
        let path = match object["path_base64"].as_str() {
            Some(bytes) => OsString::from_vec(STANDARD.decode(bytes).unwrap()).into(),
            None => PathBuf::from(object["path"].as_str().unwrap()),
        };
        if path.starts_with(top) && path != top {
            let twice = planned.insert(path, object.clone());
            assert_eq!(twice, None);
        }
    }
    planned
}

/// An object as the plan shows it.
fn shown(seen: &Seen) -> Value {
    json!({
        "kind": seen.kind,
        "size": seen.size,
        "mode": format!("{:04o}", seen.mode),
        "uid": seen.owner.0,
        "gid": seen.owner.1,
        "target": seen.target.as_ref().map(|target| target.to_string_lossy()),
    })
}

/// A plan's properties, as far as [`shown`] has them.
fn told(properties: &Value) -> Value {
    let keys = ["kind", "size", "mode", "uid", "gid", "target"];
    let pairs = keys.map(|key| (key.to_owned(), properties[key].clone()));
    Value::Object(pairs.into_iter().collect())
}

/// What the second revision asks for besides its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    Mode,
    UnknownOwner,
    Script,
    MissingScript,
    UnknownUser,
    MissingSource,
}

fn appspec(host: &TestHost, behavior: &str, wish: Wish) -> String {
    let app = host.destination().join("app");
    let app = app.display();
    let source = if wish == Wish::MissingSource {
        "gone"
    } else {
        "x"
    };
    let more = match wish {
        Wish::Nothing | Wish::MissingSource => String::new(),
        Wish::Mode => format!(
            "permissions:\n- object: {app}\n  pattern: \"**\"\n  mode: \"640\"\n  type: [file]\n"
        ),
        Wish::UnknownOwner => {
            format!("permissions:\n- object: {app}\n  pattern: \"**\"\n  owner: no-such-user\n")
        }
        Wish::Script => "hooks:\n  AfterInstall:\n  - location: s.sh\n".to_owned(),
        Wish::MissingScript => "hooks:\n  AfterInstall:\n  - location: gone.sh\n".to_owned(),
        Wish::UnknownUser => {
            "hooks:\n  AfterInstall:\n  - location: s.sh\n    runas: no-such-user\n".to_owned()
        }
    };
    format!(
        "version: 0.0\nos: linux\nfile_exists_behavior: {behavior}\nfiles:\n- source: {source}\n  \
         destination: {app}\n{more}"
    )
}

/// Contents of few kinds, so that revisions have files in common.
fn alike(tree: &BTreeMap<Vec<u8>, Tree>) -> BTreeMap<Vec<u8>, Tree> {
    let one = |tree: &Tree| match tree {
        Tree::File(content) => Tree::File(content % 2),
        Tree::Link(target) => Tree::Link(target % 2),
        Tree::Directory(content) => Tree::Directory(alike(content)),
    };
    tree.iter()
        .map(|(name, tree)| (name.clone(), one(tree)))
        .collect()
}

/// A bundle, as a directory or a tar.
fn bundle(
    host: &TestHost,
    name: &str,
    tree: &BTreeMap<Vec<u8>, Tree>,
    appspec: &str,
    as_tar: bool,
) -> PathBuf {
    let path = host.path(name);
    write(&path.join("x"), &alike(tree));
    for (path, seen) in look(&path) {
        // Neither setuid nor, in a copy, what the umask takes is to be seen again.
        if seen.kind == "file" && fs_err::read(&path).unwrap() == [1] {
            let mode = std::fs::Permissions::from_mode(0o4775);
            fs_err::set_permissions(&path, mode).unwrap();
        }
    }
    fs_err::write(path.join("appspec.yml"), appspec).unwrap();
    fs_err::write(path.join("s.sh"), "#!/bin/sh\n").unwrap();
    if as_tar { bundles::tar(&path) } else { path }
}

/// Puts foreign objects where nothing is.
fn add_foreign(host: &TestHost, tree: &BTreeMap<Vec<u8>, Tree>) {
    let place = host.path("foreign");
    write(&place, tree);
    for (path, seen) in look(&place) {
        let at = host
            .destination()
            .join("app")
            .join(path.strip_prefix(&place).unwrap());
        let above = fs_err::symlink_metadata(at.parent().unwrap());
        if above.is_ok_and(|above| above.is_dir()) && fs_err::symlink_metadata(&at).is_err() {
            match seen.kind {
                "directory" => fs_err::create_dir(&at).unwrap(),
                "link" => std::os::unix::fs::symlink(seen.target.unwrap(), &at).unwrap(),
                _ => {
                    fs_err::copy(&path, &at).unwrap();
                    let mode = std::fs::Permissions::from_mode(0o600);
                    fs_err::set_permissions(&at, mode).unwrap();
                }
            }
        }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => Just(Wish::Nothing),
        4 => Just(Wish::Mode),
        1 => Just(Wish::UnknownOwner),
        1 => Just(Wish::Script),
        1 => Just(Wish::MissingScript),
        1 => Just(Wish::UnknownUser),
        1 => Just(Wish::MissingSource),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_plan_of_any_second_revision_comes_true(
        first in revision(), second in revision(), common in any::<bool>(), foreign in revision(),
        behavior in prop_oneof![Just("DISALLOW"), Just("OVERWRITE"), Just("RETAIN")],
        wish in wish(), tars in any::<(bool, bool)>(),
    ) {
        let host = TestHost::new();
        let old = bundle(&host, "one", &first, &appspec(&host, "DISALLOW", Wish::Nothing), tars.0);
        host.deploy_from(old).run().assert_success();
        add_foreign(&host, &foreign);
        let second = if common { &first } else { &second };
        let new = bundle(&host, "two", second, &appspec(&host, behavior, wish), tars.1);

        let top = host.destination();
        let before = look(&top);
        let (outcome, json) = plan(host.deploy_from(&new));
        prop_assert_eq!(&look(&top), &before);
        let ran = host.deploy_from(&new).run();
        let after = look(&top);

        let reasons = reasons(&json);
        let expected = if reasons.is_empty() { (0, 0) } else { (3, 1) };
        let codes = (outcome.exit_code.unwrap(), ran.exit_code.unwrap());
        prop_assert_eq!(codes, expected, "{:#}\n{:#?}", json, ran);
        if reasons.iter().any(|reason| !reason.starts_with("AfterInstall: ")) {
            prop_assert_eq!(&after, &before);
            return Ok(());
        }
        let planned = planned(&json, &top);
        for path in before.keys().chain(after.keys()).chain(planned.keys()) {
            let (was, is) = (before.get(path), after.get(path));
            let said = planned.get(path).map_or("stays", |object| {
                match object["change"].as_str().unwrap() {
                    "keep" | "leave" => "stays",
                    other => other,
                }
            });
            let happened = change(was, is);
            prop_assert_eq!(said, happened, "{}: {:?} {:?}\n{:#}", path.display(), was, is, json);
            if let Some(object) = planned.get(path) {
                for (key, seen) in [("before", was), ("after", is)] {
                    let seen = seen.map_or(Value::Null, shown);
                    let told = if object[key].is_null() { Value::Null } else { told(&object[key]) };
                    prop_assert_eq!(told, seen, "{} {} {:#}", path.display(), key, json);
                }
            }
        }
    }
}
