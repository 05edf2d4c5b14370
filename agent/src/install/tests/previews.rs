//! What is previewed is what is then there.

use std::os::unix::fs::MetadataExt as _;

use super::host::*;
use crate::appspec::{AclEntry, AclTag, Mode, SelinuxContext};
use crate::deployment::FileExistsBehavior::{Disallow, Overwrite, Retain};
use crate::install::{Change, Preview, PreviewedObject};

/// The previewed object at a path of the host.
fn at<'p>(host: &Host, preview: &'p Preview, path: &str) -> &'p PreviewedObject {
    let path = host.at(path);
    let found = preview.objects.iter().find(|object| object.path == path);
    found.unwrap_or_else(|| panic!("{} is not in {preview:#?}", path.display()))
}

/// Compares what was previewed with what is there.
fn assert_there(host: &Host, preview: &Preview, paths: &[&str]) {
    for path in paths {
        let after = at(host, preview, path).after.as_ref().unwrap();
        let there = fs_err::symlink_metadata(host.at(path)).unwrap();
        let found = (there.mode() & 0o7777, there.uid(), there.gid());
        assert_eq!((after.mode, after.user, after.group), found, "{path}");
    }
}

#[test]
fn what_new_things_inherit_from_their_directory_is_foreseen() {
    let host = Host::new();
    let group = nix::unistd::getgroups().unwrap_or_default();
    let other = group.iter().find(|group| **group != nix::unistd::getegid());
    let other = if nix::unistd::geteuid().is_root() {
        Some(nix::unistd::Gid::from_raw(7))
    } else {
        other.copied()
    };
    for directory in ["setgid", "acl"] {
        fs_err::create_dir(host.at(directory)).unwrap();
    }
    nix::unistd::chown(&host.at("setgid"), None, other).unwrap();
    chmod(&host.at("setgid"), 0o2755);
    let has_acls = run(
        "setfacl",
        &[
            "-d",
            "-m",
            "u::rwx,g::r-x,o::-,m::rwx",
            host.at("acl").to_str().unwrap(),
        ],
    );
    assert!(has_acls || std::env::var_os("REQUIRE_ROOT_TESTS").is_none());
    let archive = host.archive(
        "archive",
        &[File("x/f", "f"), Link("x/l", "f"), Directory("x/d")],
    );
    let appspec = host.appspec(&[("x", "setgid/app"), ("x", "acl/app"), ("x", "plain")]);
    let preview = host.preview(&archive, &appspec, &Disallow);
    assert!(
        preview.problems.is_empty() && preview.failures.is_empty(),
        "{preview:#?}"
    );
    host.install(&archive, &appspec, &Disallow).unwrap();
    for top in ["setgid/app", "acl/app", "plain"] {
        let paths = ["", "/f", "/l", "/d"].map(|name| format!("{top}{name}"));
        assert_there(&host, &preview, &paths.each_ref().map(String::as_str));
    }
}

#[test]
fn rules_are_shown_with_what_they_replace() {
    let host = Host::new();
    let archive = host.archive("archive", &[File("f", "f")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 9);
    rule.mode = Some(Mode(0o640));
    rule.acls = vec![AclEntry {
        text: "user:0:rw".into(),
        default: false,
        tag: AclTag::User("0".into()),
        permissions: 6,
    }];
    rule.context = Some(SelinuxContext {
        user: None,
        kind: "etc_t".into(),
        range: Some("s0".into()),
    });
    appspec.permissions.push(rule);
    let preview = host.preview(&archive, &appspec, &Disallow);
    let file = at(&host, &preview, "app/f");
    let after = file.after.as_ref().unwrap();
    assert_eq!((file.rule_line, after.mode), (Some(9), 0o640));
    let acl = [
        "user::rw-",
        "user:root:rw-",
        "group::r--",
        "mask::r--",
        "other::---",
    ];
    assert_eq!(after.acl.as_deref().unwrap(), acl);
    assert_eq!(after.context.as_deref(), Some("*:*:etc_t:s0"));
}

#[test]
fn each_change_is_told_and_nothing_is_touched() {
    let host = Host::new();
    host.deploy(
        "app",
        &[File("a", "1"), File("gone/b", "1"), File("held/c", "1")],
    );
    fs_err::write(host.at("app/held/foreign"), "").unwrap();
    fs_err::write(host.at("app/taken"), "").unwrap();
    chmod(&host.at("app"), 0o700);
    let archive = host.archive(
        "next",
        &[File("a", "22"), File("taken", ""), File("new", "")],
    );
    let appspec = host.appspec(&[("", "app")]);
    let before = snapshot(&host.path(""));
    let changes = |behavior| {
        let preview = host.preview(&archive, &appspec, behavior);
        let below = |object: &PreviewedObject| {
            let path = object.path.strip_prefix(host.srv()).ok()?;
            Some((path.to_str()?.to_owned(), object.change))
        };
        let mut changes: Vec<_> = preview.objects.iter().filter_map(below).collect();
        changes.sort();
        (changes, preview.problems.len())
    };
    let expected = |taken: Change| {
        let list = [
            ("", Change::Keep),
            // Something foreign keeps it: it stays as it is.
            ("app", Change::Keep),
            ("app/a", Change::Change),
            ("app/gone", Change::Remove),
            ("app/gone/b", Change::Remove),
            ("app/held", Change::Leave),
            ("app/held/c", Change::Remove),
            ("app/new", Change::Add),
            ("app/taken", taken),
        ];
        list.map(|(path, change)| (path.to_owned(), change))
            .to_vec()
    };
    assert_eq!(changes(&Retain), (expected(Change::Leave), 0));
    assert_eq!(changes(&Overwrite), (expected(Change::Change), 0));
    assert_eq!(changes(&Disallow), (expected(Change::Change), 1));
    assert!(snapshot(&host.path("")) == before);
}
