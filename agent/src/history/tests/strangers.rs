//! What is in the place of the record of local deployments and is none of ours.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::files::checked_line;
use crate::history::LocalRecordError;

/// Neither read nor written, and the reason is said both times.
fn refused(place: &Place, reason: &str) {
    let [complaint] = &place.read().complaints[..] else {
        panic!("{:?}", place.read())
    };
    assert!(complaint.contains(reason), "{complaint}");
    let error = place.recorder("d-1").began(&spec("d-1")).unwrap_err();
    assert!(
        matches!(error, LocalRecordError::Unusable { .. }),
        "{error}"
    );
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn a_link_is_not_followed() {
    let place = Place::new();
    let precious = place.root.path().join("precious");
    fs_err::write(&precious, "x").unwrap();
    fs_err::os::unix::fs::symlink(&precious, place.local_file()).unwrap();
    refused(&place, "symbolic link");
    assert_eq!(fs_err::read(&precious).unwrap(), b"x");
}

#[test]
fn another_name_of_another_file_is_not_written() {
    let place = Place::new();
    let precious = place.root.path().join("precious");
    fs_err::write(&precious, "x\n").unwrap();
    fs_err::set_permissions(&precious, std::fs::Permissions::from_mode(0o600)).unwrap();
    fs_err::hard_link(&precious, place.local_file()).unwrap();
    let error = place.recorder("d-1").began(&spec("d-1")).unwrap_err();
    assert!(error.to_string().contains("another name"), "{error}");
    assert_eq!(fs_err::read(&precious).unwrap(), b"x\n");
}

#[test]
fn a_fifo_keeps_nobody_waiting() {
    let place = Place::new();
    nix::unistd::mkfifo(&place.local_file(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(&place, "fifo");
}

#[test]
fn a_directory_and_a_file_that_others_may_write_are_refused() {
    let place = Place::new();
    fs_err::create_dir(place.local_file()).unwrap();
    refused(&place, "it is a directory");
    fs_err::remove_dir(place.local_file()).unwrap();
    fs_err::write(place.local_file(), "").unwrap();
    fs_err::set_permissions(place.local_file(), std::fs::Permissions::from_mode(0o666)).unwrap();
    refused(&place, "others may write it");
}

#[test]
fn a_newer_format_is_left_to_the_newer_version() {
    let place = Place::new();
    let header = serde_json::json!(
        {"history": "codedeploy-host-agent local deployments", "format": 2}
    );
    let mut content = checked_line::encode(&header).unwrap();
    content.extend_from_slice(b"whatever it writes\n");
    fs_err::write(place.local_file(), &content).unwrap();
    fs_err::set_permissions(place.local_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
    refused(&place, "format is 2");
    assert_eq!(fs_err::read(place.local_file()).unwrap(), content);
}
