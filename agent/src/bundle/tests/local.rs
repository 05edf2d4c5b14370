//! Bundles that are files on this host.

use super::fetch;
use crate::bundle::{FetchError, SourceSettings, Sources};
use crate::deployment::{BundleType, Revision};
use crate::error::chain;

async fn get(location: &std::path::Path, bundle: &std::path::Path) -> Result<u64, FetchError> {
    let revision = Revision::LocalFile {
        location: location.to_owned(),
        bundle_type: BundleType::Zip,
    };
    let sources = Sources::new(SourceSettings::default());
    fetch(&sources, &revision, bundle)
        .await
        .map(|fetched| fetched.bytes)
}

#[tokio::test]
async fn a_file_is_copied_also_through_a_link_and_over_an_old_bundle() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs_err::write(at("source"), vec![3; 500_000]).unwrap();
    std::os::unix::fs::symlink("source", at("link")).unwrap();
    fs_err::write(at("bundle.tar"), "old").unwrap();
    fs_err::write(at("bundle.tar.partial"), "left by a killed run").unwrap();
    assert_eq!(get(&at("link"), &at("bundle.tar")).await.unwrap(), 500_000);
    assert_eq!(fs_err::read(at("bundle.tar")).unwrap(), vec![3; 500_000]);
    assert!(!at("bundle.tar.partial").exists());
    // The bundle itself as the source.
    assert_eq!(
        get(&at("bundle.tar"), &at("bundle.tar")).await.unwrap(),
        500_000
    );
}

#[tokio::test]
async fn what_is_no_file_is_told_and_nothing_is_left() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for location in [at("pipe"), place.path().to_owned()] {
        let error = get(&location, &at("bundle.tar")).await.unwrap_err();
        assert!(
            chain(&error).contains("not a regular file"),
            "{}",
            chain(&error)
        );
    }
    let error = get(&at("missing"), &at("bundle.tar")).await.unwrap_err();
    assert!(chain(&error).contains("missing"), "{}", chain(&error));
    assert!(!at("bundle.tar").exists() && !at("bundle.tar.partial").exists());
}

#[tokio::test]
async fn a_planted_link_is_not_written_through() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs_err::write(at("source"), "new").unwrap();
    fs_err::write(at("victim"), "kept").unwrap();
    std::os::unix::fs::symlink("victim", at("bundle.tar.partial")).unwrap();
    std::os::unix::fs::symlink("victim", at("bundle.tar")).unwrap();
    get(&at("source"), &at("bundle.tar")).await.unwrap();
    assert_eq!(fs_err::read(at("victim")).unwrap(), b"kept");
    assert!(
        fs_err::symlink_metadata(at("bundle.tar"))
            .unwrap()
            .is_file()
    );
}
