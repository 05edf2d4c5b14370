//! What is in the journal's place and is no journal of ours.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::files::checked_line as line;
use crate::journal::read_history;

/// Opens a journal whose place is taken by what `put` makes; returns what was said.
fn set_aside(put: impl FnOnce(&Path)) -> String {
    let place = Place::new();
    put(&place.path());
    let opened = place.open();
    assert!(opened.live.is_empty() && opened.known.is_empty());
    let [said] = &opened.complaints.clone()[..] else {
        panic!("{:?}", opened.complaints)
    };
    let names = place.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[1].starts_with("commands.journal.refused-"));
    assert!(said.contains(&names[1]), "{said}");
    // The new one works.
    opened
        .journal
        .taken(&command("one"), &State::Received)
        .unwrap();
    drop(opened);
    let opened = place.open();
    assert_eq!((opened.live.len(), opened.complaints.len()), (1, 0));
    said.clone()
}

fn mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_newer_format_is_kept_and_not_read() {
    let said = set_aside(|path| {
        let header = serde_json::json!({"journal": "codedeploy-host-agent", "format": 2});
        let mut content = line::encode(&header).unwrap();
        content.extend_from_slice(b"whatever the next version writes\n");
        put(path, content);
        let error = read_history(path).unwrap_err().to_string();
        assert!(error.contains("format is 2"), "{error}");
    });
    assert!(
        said.contains("format is 2") && said.contains("format 1 only"),
        "{said}"
    );
}

#[test]
fn no_journal_at_all() {
    let said = set_aside(|path| put(path, "a diary\nof two lines\n"));
    assert!(said.contains("no line in it"), "{said}");
}

#[test]
fn writable_by_others() {
    for bits in [0o620, 0o602, 0o666] {
        let said = set_aside(|path| {
            put(path, realistic());
            mode(path, bits);
            assert!(read_history(path).is_err());
        });
        assert!(said.contains(&format!("{bits:o}")), "{said}");
    }
}

#[test]
fn somebody_elses() {
    if !integration_tests::running_as_root("a journal of another user") {
        return;
    }
    let said = set_aside(|path| {
        put(path, realistic());
        std::os::unix::fs::chown(path, Some(4321), None).unwrap();
    });
    assert!(said.contains("4321"), "{said}");
}

#[test]
fn a_link_and_where_it_leads_is_not_touched() {
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    fs_err::write(&target, realistic()).unwrap();
    let before = fs_err::read(&target).unwrap();
    let said = set_aside(|path| {
        fs_err::os::unix::fs::symlink(&target, path).unwrap();
        assert!(read_history(path).is_err());
    });
    assert!(said.contains("symbolic link"), "{said}");
    assert_eq!(fs_err::read(&target).unwrap(), before);
}

#[test]
fn a_directory_a_fifo_a_socket() {
    let said = set_aside(|path| fs_err::create_dir(path).unwrap());
    assert!(said.contains("directory"), "{said}");
    let said = set_aside(|path| {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_history(path).is_err());
    });
    assert!(said.contains("fifo"), "{said}");
    let said = set_aside(|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()));
    assert!(said.contains("regular file"), "{said}");
}

#[test]
fn more_than_any_journal_has() {
    let said = set_aside(|path| {
        fs_err::File::create(path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
    });
    assert!(said.contains("bytes"), "{said}");
}

#[test]
fn several_are_set_aside_beside_each_other() {
    let place = Place::new();
    for _ in 0..3 {
        put(&place.path(), "no journal\n");
        assert_eq!(place.open().complaints.len(), 1);
    }
    assert_eq!(place.names().len(), 4);
}
