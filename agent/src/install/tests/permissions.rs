//! The contract's rules for permissions.

use rstest::rstest;

use super::host::*;
use crate::appspec::{AclEntry, AclTag, Mode, Pattern};
use crate::deployment::FileExistsBehavior::Disallow;
use crate::install::acl::{Acl, Tag};

fn entry(text: &str, default: bool, tag: AclTag, permissions: u8) -> AclEntry {
    AclEntry {
        text: text.into(),
        default,
        tag,
        permissions,
    }
}

fn acl(host: &Host, path: &str, attribute: &str) -> Option<Acl> {
    xattr::get(host.at(path), attribute)
        .unwrap()
        .map(|value| Acl::decode(&value).unwrap())
}

#[test]
fn a_rule_applies_below_its_object_by_pattern_except_and_type() {
    let host = Host::new();
    let archive = host.archive(
        "a",
        &[
            File("a.sh", ""),
            File("b.sh", ""),
            File("c", ""),
            File("d/e.sh", ""),
        ],
    );
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 7);
    rule.pattern = Pattern::Name("*.sh".into());
    rule.except = vec![Pattern::Name("b*".into())];
    rule.mode = Some(Mode(0o700));
    let mut directories = host.rule("app", 12);
    directories.files = false;
    directories.mode = Some(Mode(0o750));
    let mut nothing = host.rule("no/such", 15);
    nothing.owner = Some("no-such-user".into());
    appspec.permissions = vec![rule, directories, nothing];
    host.install(&archive, &appspec, &Disallow).unwrap();
    let plain = host.mode("app/c");
    let modes = ["app/a.sh", "app/b.sh", "app/d/e.sh", "app/d"].map(|path| host.mode(path));
    assert_eq!(modes, [0o700, plain, plain, 0o750]);
    fs_err::create_dir(host.at("plain")).unwrap();
    assert_eq!(
        host.mode("app"),
        host.mode("plain"),
        "the object itself is not touched"
    );
}

#[test]
fn two_rules_for_one_object_are_an_error_with_both_lines() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    appspec.permissions = vec![host.rule("app", 3), host.rule("app/x", 9)];
    let text = problems(host.install(&archive, &appspec, &Disallow));
    assert!(
        text.contains("lines 3 and 9 both match") && text.contains("app/x"),
        "{text}"
    );
}

#[test]
fn every_unknown_name_is_found_in_the_plan() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 4);
    rule.owner = Some("no-such-user".into());
    rule.group = Some("no-such-group".into());
    rule.acls = vec![
        entry(
            "u:nobody-here:r",
            false,
            AclTag::User("nobody-here".into()),
            4,
        ),
        entry("m::r", false, AclTag::Mask, 4),
        entry("m::rw", false, AclTag::Mask, 6),
    ];
    appspec.permissions = vec![rule];
    let text = problems(host.install(&archive, &appspec, &Disallow));
    for name in [
        "4 problems",
        "\"no-such-user\"",
        "\"no-such-group\"",
        "\"nobody-here\"",
        "are for the same",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!host.at("app").exists());
}

#[test]
fn a_file_as_object_needs_the_pattern_for_everything() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", ""), File("y", ""), Link("l", "x")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut named = host.rule("app/x", 2);
    named.pattern = Pattern::Name("x".into());
    // Without files the rule does nothing, whatever its pattern.
    let mut directories = host.rule("app/y", 5);
    directories.pattern = Pattern::Name("y".into());
    directories.files = false;
    appspec.permissions = vec![named, directories, host.rule("app/l", 8)];
    let text = problems(host.install(&archive, &appspec, &Disallow));
    assert!(
        text.contains("line 2") && text.contains("`pattern` must be **"),
        "{text}"
    );
    assert!(
        text.contains("line 8") && text.contains("symbolic link"),
        "{text}"
    );
    assert!(!text.contains("line 5"), "{text}");
}

#[test]
fn a_default_acl_entry_in_a_rule_that_matches_a_file_fails() {
    let host = Host::new();
    let archive = host.archive("a", &[File("d/x", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 6);
    rule.acls = vec![entry("d:u:0:r", true, AclTag::User("0".into()), 4)];
    appspec.permissions = vec![rule];
    let text = problems(host.install(&archive, &appspec, &Disallow));
    assert!(
        text.contains("line 6") && text.contains("app/d/x"),
        "{text}"
    );
}

#[test]
fn the_full_acl_is_completed_from_each_objects_own_mode() {
    let host = Host::new();
    let archive = host.archive("a", &[File("x", ""), File("y", "")]);
    chmod(&archive.join("x"), 0o640);
    chmod(&archive.join("y"), 0o751);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 6);
    rule.acls = vec![entry("u:1234:rwx", false, AclTag::User("1234".into()), 7)];
    appspec.permissions = vec![rule];
    host.install(&archive, &appspec, &Disallow).unwrap();
    for (path, mode) in [("app/x", 0o640), ("app/y", 0o751)] {
        let expected = Acl::complete(&[(Tag::User(1234), 7)], mode);
        assert_eq!(
            acl(&host, path, "system.posix_acl_access"),
            Some(expected),
            "{path}"
        );
        assert_eq!(host.mode(path), mode);
    }
}

#[test]
fn default_entries_are_completed_on_directories() {
    let host = Host::new();
    let archive = host.archive("a", &[File("d/x", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 6);
    rule.files = false;
    rule.mode = Some(Mode(0o750));
    rule.acls = vec![entry("d:g:1234:rx", true, AclTag::Group("1234".into()), 5)];
    appspec.permissions = vec![rule];
    for _ in 0..2 {
        host.install(&archive, &appspec, &Disallow).unwrap();
        let expected = Acl::complete(&[(Tag::Group(1234), 5)], 0o750);
        assert_eq!(
            acl(&host, "app/d", "system.posix_acl_default"),
            Some(expected)
        );
        assert_eq!(acl(&host, "app/d", "system.posix_acl_access"), None);
    }
}

#[test]
fn setuid_with_an_owner_ends_as_asked_for() {
    if !is_root() {
        return;
    }
    let host = Host::new();
    let archive = host.archive("a", &[File("x", ""), Link("l", "/etc/hostname")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 6);
    rule.mode = Some(Mode(0o4755));
    rule.owner = Some("1234".into());
    rule.group = Some("daemon".into());
    appspec.permissions = vec![rule];
    let hostname = std::os::unix::fs::MetadataExt::uid(&fs_err::metadata("/etc/hostname").unwrap());
    host.install(&archive, &appspec, &Disallow).unwrap();
    assert_eq!(host.mode("app/x"), 0o4755);
    let seen = snapshot(&host.at("app"));
    assert!(
        seen.values().all(|seen| seen.owner == (1234, 1)),
        "{seen:?}"
    );
    // A link gets the owner itself; what it leads to is not touched.
    let now = std::os::unix::fs::MetadataExt::uid(&fs_err::metadata("/etc/hostname").unwrap());
    assert_eq!(hostname, now);
}

#[rstest]
#[case(0o4755, true)]
#[case(0o2755, true)]
#[case(0o1755, false)]
fn reject_unsafe_permissions_refuses_setuid_modes(#[case] mode: u16, #[case] refused: bool) {
    let mut host = Host::new();
    host.options.reject_unsafe_permissions = true;
    let archive = host.archive("a", &[File("x", "")]);
    let mut appspec = host.appspec(&[("", "app")]);
    let mut rule = host.rule("app", 6);
    rule.mode = Some(Mode(mode));
    appspec.permissions = vec![rule];
    assert_eq!(
        host.install(&archive, &appspec, &Disallow).is_err(),
        refused
    );
}
