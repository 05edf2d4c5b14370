//! Every type of bundle leads to the same deployment; what is wrong with one is said.

use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use integration_tests::{TestHost, snapshot};
use rstest::rstest;

/// Names, contents and modes of a small revision.
fn content(host: &TestHost) -> Vec<(&'static str, String, u32)> {
    let appspec = format!(
        "version: 0.0\nos: linux\nfiles:\n- source: app\n  destination: {}\nhooks:\n  \
         AfterInstall:\n  - location: s.sh\n",
        host.destination().display()
    );
    vec![
        ("appspec.yml", appspec, 0o644),
        ("s.sh", "#!/bin/sh\necho ran\n".to_owned(), 0o755),
        ("app/f", "content".to_owned(), 0o640),
    ]
}

fn tar(host: &TestHost, prefix: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content, mode) in content(host) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(nix::unistd::getuid().as_raw().into());
        header.set_gid(nix::unistd::getgid().as_raw().into());
        builder
            .append_data(&mut header, format!("{prefix}{name}"), content.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(host: &TestHost, prefix: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content, mode) in content(host) {
        let options = zip::write::SimpleFileOptions::default().unix_permissions(mode);
        writer
            .start_file(format!("{prefix}{name}"), options)
            .unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn written(host: &TestHost, name: &str, bytes: &[u8]) -> PathBuf {
    let path = host.path(name);
    fs_err::write(&path, bytes).unwrap();
    path
}

#[track_caller]
fn deploys(host: &TestHost, bundle: PathBuf, arguments: &[&str]) {
    let outcome = host.deploy_from(bundle).arguments(arguments).run();
    outcome.assert_success();
    assert!(outcome.script_log().contains(&"[stdout]ran".to_owned()));
    let tree = snapshot(&host.destination());
    assert_eq!(tree[std::path::Path::new("f")].mode, 0o640);
}

#[rstest]
#[case::flat("")]
#[case::one_top_directory("revision-1.0/")]
fn every_archive_type_with_and_without_a_top_directory(#[case] prefix: &str) {
    let host = TestHost::new();
    deploys(&host, written(&host, "b.tar", &tar(&host, prefix)), &[]);
    let host = TestHost::new();
    deploys(
        &host,
        written(&host, "b.tgz", &gzip(&tar(&host, prefix))),
        &[],
    );
    let host = TestHost::new();
    deploys(&host, written(&host, "b.zip", &zip(&host, prefix)), &[]);
    // The type as given beats the name; `tar` detects the compression.
    let host = TestHost::new();
    deploys(
        &host,
        written(&host, "b", &gzip(&tar(&host, prefix))),
        &["-t", "tar"],
    );
}

#[test]
fn a_directory_is_copied_and_keeps_no_top_directory() {
    let host = TestHost::new();
    let bundle = host.bundle();
    for (name, content, mode) in content(&host) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = bundle.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    deploys(&host, bundle.path().to_owned(), &["-t", "directory"]);
}

/// Deploys bytes that are no good, and returns what was said.
#[track_caller]
fn refused(name: &str, bytes: &[u8]) -> String {
    let host = TestHost::new();
    let outcome = host.deploy_from(written(&host, name, bytes)).run();
    let message = outcome.assert_failure("DownloadBundle", 5).message.clone();
    let directory = outcome.directory();
    assert!(!directory.join("deployment-archive").exists());
    assert!(!directory.join("deployment-archive.partial").exists());
    assert_eq!(
        host.instructions("default-local-deployment-group_most_recent_install"),
        None
    );
    message
}

#[test]
fn an_archive_that_is_empty_truncated_corrupt_or_of_another_type() {
    let host = TestHost::new();
    let (tar, zip) = (tar(&host, ""), zip(&host, ""));
    let tgz = gzip(&tar);
    let mut corrupt = tgz.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0xff;
    for (name, bytes) in [
        ("b.zip", &b""[..]),
        ("b.tar", b""),
        ("b.tgz", b""),
        ("b.zip", &zip[..zip.len() - 30]),
        ("b.tgz", &tgz[..tgz.len() - 12]),
        ("b.tar", &tar[..600]),
        ("b.tgz", &corrupt),
        ("b.zip", &tgz),
        ("b.tgz", &tar),
        ("b.tar", b"this is a text file and no archive at all"),
    ] {
        assert!(!refused(name, bytes).is_empty(), "{name}");
    }
}

#[test]
fn an_archive_that_would_write_elsewhere() {
    for name in [
        "../outside",
        "/tmp/outside-of-the-archive",
        "a/../../outside",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        // `tar` refuses to write such names itself.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, std::io::empty()).unwrap();
        let message = refused("b.tar", &builder.into_inner().unwrap());
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn links_can_be_refused_and_sizes_limited() {
    for (key, limit) in [
        ("archive_max_extraction_size", 100),
        ("archive_max_entries", 1),
        ("archive_max_path_length", 3),
        ("archive_max_depth", 1),
    ] {
        let host = TestHost::with_configuration(&format!("{key}: {limit}"));
        let outcome = host
            .deploy_from(written(&host, "b.tgz", &gzip(&tar(&host, "dir/"))))
            .run();
        let message = &outcome.assert_failure("DownloadBundle", 5).message;
        assert!(message.contains(key), "{message}");
    }
    let host = TestHost::with_configuration("reject_symlinks_in_bundle: true");
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "link", "target").unwrap();
    let outcome = host
        .deploy_from(written(&host, "b.tar", &builder.into_inner().unwrap()))
        .run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(message.contains("link"), "{message}");
}
