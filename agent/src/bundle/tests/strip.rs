//! The single top-level directory (contract: deployment, DownloadBundle).

use std::os::unix::fs::PermissionsExt as _;

use super::archives::{Place, Raw, Zip, tar};
use crate::deployment::BundleType;

fn names(place: &Place) -> Vec<String> {
    let mut names: Vec<_> = fs_err::read_dir(place.archive())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[rstest::rstest]
#[case::one_directory_with_an_appspec(&["top/appspec.yml", "top/x"], &["appspec.yml", "x"])]
#[case::any_case(&["top/AppSpec.YAML"], &["AppSpec.YAML"])]
#[case::anywhere_in_the_name(&["top/my-appspec-prod.json"], &["my-appspec-prod.json"])]
#[case::something_beside_it(&["top/appspec.yml", "other"], &["other", "top"])]
#[case::a_hidden_file_beside_it(&["top/appspec.yml", ".hidden"], &[".hidden", "top"])]
#[case::no_appspec(&["top/x"], &["top"])]
#[case::an_appspec_further_down(&["top/in/appspec.yml"], &["top"])]
#[case::only_one_level_is_stripped(&["top/in/appspec.yml", "top/appspec.d/x"], &["appspec.d", "in"])]
fn a_single_top_directory_is_stripped(#[case] files: &[&str], #[case] expected: &[&str]) {
    let entries: Vec<_> = files.iter().map(|name| Raw::file(name, "x")).collect();
    let place = Place::new();
    place.unpack(&tar(&entries), BundleType::Tar).unwrap();
    assert_eq!(names(&place), expected);
    let zip = files
        .iter()
        .fold(Zip::new(), |zip, name| zip.file(name, "x", 0o644));
    let place = Place::new();
    place.unpack(&zip.finish(), BundleType::Zip).unwrap();
    assert_eq!(names(&place), expected);
}

#[test]
fn a_link_is_no_top_directory() {
    let place = Place::new();
    fs_err::create_dir(place.directory.path().join("outside")).unwrap();
    let bytes = tar(&[Raw::link(b'2', "top", "../outside")]);
    place.unpack(&bytes, BundleType::Tar).unwrap();
    assert_eq!(names(&place), ["top"]);
}

#[test]
fn a_stripped_directory_need_not_be_writable_or_ours() {
    let place = Place::new();
    let top = Raw {
        owner: (1234, 1234),
        ..Raw::directory("top").mode(0o555)
    };
    let bytes = tar(&[
        top,
        Raw::file("top/appspec.yml", "x"),
        Raw::directory("top/ro").mode(0o555),
    ]);
    place.unpack(&bytes, BundleType::Tar).unwrap();
    assert_eq!(names(&place), ["appspec.yml", "ro"]);
    let at = fs_err::metadata(place.archive()).unwrap();
    assert_eq!(at.permissions().mode() & 0o7777, 0o755);
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&at),
        nix::unistd::geteuid().as_raw()
    );
}
