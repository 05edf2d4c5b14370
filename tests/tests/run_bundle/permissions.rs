//! The `permissions` section on real files: patterns, exceptions, types, modes, owners, ACLs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use integration_tests::{Outcome, TestHost, running_as_root, snapshot};

/// Installs one tree below the destination with these permissions.
fn install(host: &TestHost, permissions: &str) -> Outcome {
    let to = host.destination().join("app").display().to_string();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {to}\npermissions:\n{}",
            permissions.replace("TO", &to)
        ))
        .file("app/a.txt", "")
        .file("app/b.conf", "")
        .file("app/sub/c.txt", "")
        .file("app/sub/deep/d.txt", "");
    host.deploy(&bundle).run()
}

/// Modes below the destination's `app`, by path.
fn modes(host: &TestHost) -> BTreeMap<String, u32> {
    snapshot(&host.destination().join("app"))
        .into_iter()
        .map(|(path, entry)| (path.display().to_string(), entry.mode))
        .collect()
}

fn with_mode(host: &TestHost, mode: u32) -> Vec<String> {
    modes(host)
        .into_iter()
        .filter(|(_, found)| *found == mode)
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn everything_below_the_object_and_not_the_object_itself() {
    let host = TestHost::new();
    install(&host, "- object: TO\n  mode: 701\n").assert_success();
    assert_eq!(
        with_mode(&host, 0o701),
        [
            "a.txt",
            "b.conf",
            "sub",
            "sub/c.txt",
            "sub/deep",
            "sub/deep/d.txt"
        ]
    );
    let top = snapshot(&host.destination());
    assert_eq!(top[Path::new("app")].mode, 0o755);
}

#[test]
fn type_file_and_type_directory() {
    let host = TestHost::new();
    install(
        &host,
        "- object: TO\n  mode: 600\n  type: [file]\n- object: TO\n  mode: 711\n  type: [directory]\n",
    )
    .assert_success();
    assert_eq!(with_mode(&host, 0o711), ["sub", "sub/deep"]);
    assert_eq!(with_mode(&host, 0o600).len(), 4);
}

#[test]
fn a_pattern_matches_names_directly_in_the_object_and_except_takes_some_away() {
    let host = TestHost::new();
    install(&host, "- object: TO\n  pattern: \"*.txt\"\n  mode: 600\n").assert_success();
    assert_eq!(with_mode(&host, 0o600), ["a.txt"]);
    let host = TestHost::new();
    install(
        &host,
        "- object: TO\n  pattern: \"*\"\n  except: [\"*.conf\", sub]\n  mode: 600\n",
    )
    .assert_success();
    assert_eq!(with_mode(&host, 0o600), ["a.txt"]);
}

#[test]
fn a_copied_file_as_object() {
    let host = TestHost::new();
    install(&host, "- object: TO/sub/c.txt\n  mode: 600\n").assert_success();
    assert_eq!(with_mode(&host, 0o600), ["sub/c.txt"]);
}

#[test]
fn a_mode_is_what_was_written_with_or_without_quotes_and_zeros() {
    for mode in ["0640", "640", "\"0640\"", "'640'"] {
        let host = TestHost::new();
        install(
            &host,
            &format!("- object: TO\n  mode: {mode}\n  type: [file]\n"),
        )
        .assert_success();
        assert_eq!(with_mode(&host, 0o640).len(), 4, "{mode}");
    }
}

#[test]
fn an_object_set_twice_is_an_error() {
    let host = TestHost::new();
    let outcome = install(
        &host,
        "- object: TO\n  mode: 600\n- object: TO/a.txt\n  owner: root\n",
    );
    assert!(
        outcome
            .assert_failure("Install", 5)
            .message
            .contains("a.txt")
    );
    assert!(snapshot(&host.destination()).is_empty());
}

#[test]
fn an_object_that_is_neither_copied_nor_a_directory_does_nothing() {
    let host = TestHost::new();
    install(&host, "- object: TO/nothing\n  mode: 600\n").assert_success();
    assert!(with_mode(&host, 0o600).is_empty());
}

#[test]
fn existing_directories_and_foreign_files_are_not_touched() {
    let host = TestHost::new();
    let app = host.destination().join("app");
    fs_err::create_dir_all(app.join("sub")).unwrap();
    fs_err::write(app.join("foreign"), "").unwrap();
    install(&host, "- object: TO\n  mode: 700\n").assert_success();
    let modes = modes(&host);
    assert_eq!(modes["sub"], 0o755);
    assert_eq!(modes["foreign"], 0o644);
    assert_eq!(modes["sub/c.txt"], 0o700);
}

#[test]
fn owner_and_group_by_name_and_by_number() {
    if !running_as_root("changing owners") {
        return;
    }
    let host = TestHost::new();
    install(
        &host,
        "- object: TO/sub\n  owner: daemon\n  group: \"4242\"\n- object: TO/a.txt\n  owner: 4243\n",
    )
    .assert_success();
    let tree = snapshot(&host.destination().join("app"));
    let owners = |path: &str| (tree[Path::new(path)].uid, tree[Path::new(path)].gid);
    let daemon = nix::unistd::User::from_name("daemon")
        .unwrap()
        .unwrap()
        .uid
        .as_raw();
    assert_eq!(owners("sub/c.txt"), (daemon, 4242));
    assert_eq!(owners("a.txt").0, 4243);
    assert_eq!(owners("b.conf").0, 0);
}

#[test]
fn a_setuid_bit_survives_a_change_of_owner() {
    if !running_as_root("changing owners") {
        return;
    }
    let host = TestHost::new();
    install(
        &host,
        "- object: TO/a.txt\n  mode: 4755\n  owner: daemon\n  group: daemon\n",
    )
    .assert_success();
    assert_eq!(with_mode(&host, 0o4755), ["a.txt"]);
}

/// The text form of an extended attribute with an access ACL: `tag:id:perm`, sorted as stored.
fn acl(path: &PathBuf, name: &str) -> Vec<(u16, u16, u32)> {
    let bytes = xattr::get(path, name).unwrap().unwrap_or_default();
    assert_eq!(bytes.get(..4), Some([2, 0, 0, 0].as_slice()), "version 2");
    bytes[4..]
        .chunks_exact(8)
        .map(|entry| {
            (
                u16::from_le_bytes([entry[0], entry[1]]),
                u16::from_le_bytes([entry[2], entry[3]]),
                u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]),
            )
        })
        .collect()
}

const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NOBODY: u32 = u32::MAX;

#[test]
fn an_acl_is_completed_from_the_mode_and_set_as_a_whole() {
    let host = TestHost::new();
    install(
        &host,
        "- object: TO\n  pattern: \"*.txt\"\n  mode: 640\n  acls: [\"u:1234:rw\"]\n  type: [file]\n",
    )
    .assert_success();
    let path = host.destination().join("app/a.txt");
    // The mask equals the group bits when a named entry exists and no mask is given.
    assert_eq!(
        acl(&path, "system.posix_acl_access"),
        [
            (USER_OBJ, 6, NOBODY),
            (USER, 6, 1234),
            (GROUP_OBJ, 4, NOBODY),
            (MASK, 4, NOBODY),
            (OTHER, 0, NOBODY),
        ]
    );
}

#[test]
fn default_entries_on_directories_are_completed_likewise() {
    let host = TestHost::new();
    install(
        &host,
        "- object: TO\n  mode: 750\n  acls: [\"d:u:1234:rwx\", \"u:1234:rx\", \"m::rx\"]\n  \
         type: [directory]\n",
    )
    .assert_success();
    let path = host.destination().join("app/sub");
    assert_eq!(
        acl(&path, "system.posix_acl_access"),
        [
            (USER_OBJ, 7, NOBODY),
            (USER, 5, 1234),
            (GROUP_OBJ, 5, NOBODY),
            (MASK, 5, NOBODY),
            (OTHER, 0, NOBODY),
        ]
    );
    assert_eq!(
        acl(&path, "system.posix_acl_default"),
        [
            (USER_OBJ, 7, NOBODY),
            (USER, 7, 1234),
            (GROUP_OBJ, 5, NOBODY),
            (MASK, 5, NOBODY),
            (OTHER, 0, NOBODY),
        ]
    );
}

#[test]
fn default_entries_in_a_rule_that_matches_a_file_fail_install() {
    let host = TestHost::new();
    let outcome = install(&host, "- object: TO\n  acls: [\"d:u:1234:r\"]\n");
    outcome.assert_failure("Install", 5);
    assert!(snapshot(&host.destination()).is_empty());
}

#[test]
fn unsafe_permissions_can_be_refused() {
    let host = TestHost::with_configuration("reject_unsafe_permissions_in_bundle: true");
    let outcome = install(&host, "- object: TO/a.txt\n  mode: 4755\n");
    let failed = outcome.events.last().unwrap();
    assert_eq!(
        (failed.result.as_str(), failed.code),
        ("failed", Some(5)),
        "{failed:?}"
    );
    assert!(snapshot(&host.destination()).is_empty());
}
