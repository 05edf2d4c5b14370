//! Bundles: the same findings in a directory, a zip and a tar; archives that the agent refuses.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use rstest::rstest;

use super::*;

const APPSPEC: &str = r#"version: 0.0
os: linux
files:
  - source: app
    destination: /srv/app
  - source: nothing
    destination: /srv/app
hooks:
  AfterInstall:
    - location: scripts/start.sh
    - location: scripts/absent.sh
permissions:
  - object: /srv/app
    pattern: "*.pl"
    mode: 755
"#;
const EXPECTED: [(&str, &str); 5] = [
    ("permission-matches-nothing", "appspec.yml"),
    ("script-background-output", "start.sh"),
    ("script-missing", "appspec.yml"),
    ("script-not-executable", "appspec.yml"),
    ("source-not-found", "appspec.yml"),
];

/// A revision with one fault of each kind.
fn faulty() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs_err::create_dir_all(at("revision/app")).unwrap();
    fs_err::create_dir_all(at("revision/scripts")).unwrap();
    fs_err::write(at("revision/appspec.yml"), APPSPEC).unwrap();
    fs_err::write(at("revision/app/index.html"), "x").unwrap();
    let script = at("revision/scripts/start.sh");
    fs_err::write(&script, "#!/bin/sh\nsleep 100 &\n").unwrap();
    fs_err::set_permissions(&script, std::fs::Permissions::from_mode(0o644)).unwrap();
    directory
}

fn summary(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = ran
        .findings()
        .iter()
        .map(|f| {
            (
                text(&f["rule"]),
                text(&f["file"]).rsplit('/').next().unwrap().to_owned(),
            )
        })
        .collect();
    found.sort();
    found
}

fn tar_of(directory: &Path, inside: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(inside, directory).unwrap();
    builder.into_inner().unwrap()
}

fn expected() -> Vec<(String, String)> {
    EXPECTED
        .iter()
        .map(|(rule, file)| ((*rule).to_owned(), (*file).to_owned()))
        .collect()
}

#[rstest]
#[case::at_the_top(".")]
#[case::in_one_directory("revision-1.0")]
fn an_archive_is_checked_like_the_directory(#[case] inside: &str) {
    let directory = faulty();
    let revision = directory.path().join("revision");
    let of_directory = validate(directory.path(), "revision");
    assert_eq!(
        summary(&of_directory),
        expected(),
        "{}",
        of_directory.stdout
    );
    assert_eq!(of_directory.status, 1);

    let tar = tar_of(&revision, inside);
    fs_err::write(directory.path().join("bundle.tar"), &tar).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    fs_err::write(directory.path().join("bundle.tgz"), gzip.finish().unwrap()).unwrap();
    // A name that says nothing.
    fs_err::copy(
        directory.path().join("bundle.tgz"),
        directory.path().join("bundle"),
    )
    .unwrap();
    for name in ["bundle.tar", "bundle.tgz", "bundle"] {
        let ran = validate(directory.path(), name);
        assert_eq!(summary(&ran), expected(), "{name}: {}", ran.stdout);
    }
}

#[test]
fn a_zip_is_checked_like_the_directory() {
    let directory = faulty();
    let revision = directory.path().join("revision");
    let file = fs_err::File::create(directory.path().join("bundle.zip")).unwrap();
    let mut zip = zip::ZipWriter::new(file);
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o644);
    for name in ["appspec.yml", "app/index.html", "scripts/start.sh"] {
        zip.start_file(name, options).unwrap();
        zip.write_all(&fs_err::read(revision.join(name)).unwrap())
            .unwrap();
    }
    zip.finish().unwrap();
    let ran = validate(directory.path(), "bundle.zip");
    assert_eq!(summary(&ran), expected(), "{}", ran.stdout);
}

#[test]
fn an_archive_that_the_agent_refuses_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.as_old_mut().name[..9].copy_from_slice(b"../escape");
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, std::io::empty()).unwrap();
    fs_err::write(
        directory.path().join("a.tar"),
        builder.into_inner().unwrap(),
    )
    .unwrap();
    fs_err::write(directory.path().join("b.zip"), "no zip at all").unwrap();
    for name in ["a.tar", "b.zip"] {
        let ran = validate(directory.path(), name);
        assert_eq!(
            (ran.status, ran.rules()),
            (1, vec!["bundle-invalid".to_owned()]),
            "{name}"
        );
    }
}

#[test]
fn a_link_out_of_the_bundle_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("secret"), "version: top secret\n").unwrap();
    let revision = directory.path().join("revision");
    fs_err::create_dir(&revision).unwrap();
    symlink("../secret", revision.join("appspec.yml")).unwrap();
    let ran = run(directory.path(), &["validate", "revision"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("appspec-missing"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("top secret"), "{}", ran.stdout);
}

#[test]
fn link_loops_and_sockets_end_with_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs_err::write(at("appspec.yml"), GOOD).unwrap();
    fs_err::create_dir(at("a")).unwrap();
    symlink("..", at("a/up")).unwrap();
    symlink("itself", at("itself")).unwrap();
    symlink("y", at("x")).unwrap();
    symlink("x", at("y")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let ran = validate(directory.path(), ".");
    assert_eq!(ran.rules(), ["source-link-loop", "source-special-file"]);
    assert_eq!(validate(directory.path(), "itself").status, 2);
    let socket = validate(directory.path(), "socket");
    assert_eq!(socket.status, 2, "{}", socket.stderr);
}

#[test]
fn a_tree_that_is_too_deep_is_not_checked_and_said_so() {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("appspec.yml"), GOOD).unwrap();
    fs_err::create_dir_all(directory.path().join("d/".repeat(300))).unwrap();
    let ran = validate(directory.path(), ".");
    assert_eq!(
        (ran.status, ran.rules()),
        (0, vec!["content-check-incomplete".to_owned()])
    );
}
