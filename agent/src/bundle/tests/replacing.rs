//! What is left after success, failure and a kill.

use std::os::unix::fs::PermissionsExt as _;

use super::archives::{Place, Raw, tar};
use crate::deployment::BundleType;

#[test]
fn an_archive_is_replaced_whole() {
    let place = Place::new();
    place
        .unpack(
            &tar(&[Raw::file("old", "1"), Raw::file("both", "1")]),
            BundleType::Tar,
        )
        .unwrap();
    place
        .unpack(
            &tar(&[Raw::file("new", "2"), Raw::file("both", "2")]),
            BundleType::Tar,
        )
        .unwrap();
    assert!(!place.archive().join("old").exists());
    assert_eq!(place.read("both"), b"2");
    assert_eq!(place.read("new"), b"2");
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let place = Place::new();
    let left = place.partial().join("locked/inner");
    fs_err::create_dir_all(&left).unwrap();
    fs_err::write(left.join("f"), "x").unwrap();
    fs_err::set_permissions(
        place.partial().join("locked"),
        std::fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    place
        .unpack(&tar(&[Raw::file("f", "x")]), BundleType::Tar)
        .unwrap();
    assert_eq!(place.read("f"), b"x");
}

#[test]
fn a_link_in_place_of_the_partial_archive_is_not_followed() {
    let place = Place::new();
    let outside = place.directory.path().join("outside");
    fs_err::create_dir(&outside).unwrap();
    fs_err::write(outside.join("keep"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, place.partial()).unwrap();
    place
        .unpack(&tar(&[Raw::file("f", "x")]), BundleType::Tar)
        .unwrap();
    assert_eq!(fs_err::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn an_archive_moved_aside_by_a_killed_run_comes_back() {
    let place = Place::new();
    let aside = place.directory.path().join("deployment-archive.replaced");
    fs_err::create_dir(&aside).unwrap();
    fs_err::write(aside.join("old"), "old").unwrap();
    // This bundle fails, so the archive of before must be there again.
    place
        .unpack(b"garbage that is no archive", BundleType::Tgz)
        .map(|_| ())
        .unwrap_err();
    let error = place.unpack(&tar(&[Raw::new(b'3', "dev")]), BundleType::Tar);
    assert!(error.is_err());
    assert_eq!(place.read("old"), b"old");
}

#[test]
fn a_full_file_system_is_told_with_the_entry() {
    if !super::archives::is_root() {
        return;
    }
    let place = Place::new();
    let small = place.directory.path().join("small");
    fs_err::create_dir(&small).unwrap();
    let flags = nix::mount::MsFlags::empty();
    if nix::mount::mount(
        Some("none"),
        &small,
        Some("tmpfs"),
        flags,
        Some("size=65536"),
    )
    .is_err()
    {
        eprintln!("skipped: mounting is not allowed here");
        return;
    }
    fs_err::write(place.bundle(), tar(&[Raw::file("big", vec![1; 200_000])])).unwrap();
    let error = super::unpack(
        &place.bundle(),
        BundleType::Tar,
        &small.join("partial"),
        &small.join("archive"),
        &crate::bundle::UnpackOptions::default(),
    )
    .unwrap_err();
    let left = fs_err::read_dir(&small).unwrap().count();
    nix::mount::umount(&small).unwrap();
    let text = crate::error::chain(&error);
    assert!(
        text.contains(r#"write "big""#) && text.contains("No space left"),
        "{text}"
    );
    assert_eq!(left, 0);
}
