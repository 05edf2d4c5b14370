//! What Install does with files, directories and links (contract: install).

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Kind, TestHost, command, running_as_root, snapshot};

fn bundle(host: &TestHost) -> Bundle {
    host.bundle().appspec(&format!(
        "files:\n- source: app\n  destination: {}\n",
        host.destination().display()
    ))
}

fn names(path: &Path) -> Vec<String> {
    snapshot(path)
        .into_keys()
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn the_second_install_removes_what_the_first_brought_and_foreign_files_stay() {
    let host = TestHost::new();
    host.deploy(
        &bundle(&host)
            .file("app/old/only", "")
            .file("app/both/f", "1"),
    )
    .run()
    .assert_success();
    fs_err::write(host.destination().join("both/foreign"), "").unwrap();
    host.deploy(&bundle(&host).file("app/both/f", "2").file("app/new", ""))
        .run()
        .assert_success();
    assert_eq!(
        names(&host.destination()),
        ["both", "both/f", "both/foreign", "new"]
    );
    assert_eq!(
        fs_err::read_to_string(host.destination().join("both/f")).unwrap(),
        "2"
    );
}

#[test]
fn a_file_becomes_a_directory_and_a_directory_a_file() {
    let host = TestHost::new();
    host.deploy(&bundle(&host).file("app/x", "").file("app/y/z", ""))
        .run()
        .assert_success();
    host.deploy(&bundle(&host).file("app/x/z", "").file("app/y", ""))
        .run()
        .assert_success();
    assert_eq!(names(&host.destination()), ["x", "x/z", "y"]);
    host.deploy(&bundle(&host).file("app/x", "").file("app/y/z", ""))
        .run()
        .assert_success();
    assert_eq!(names(&host.destination()), ["x", "y", "y/z"]);
}

#[test]
fn a_file_source_lands_under_its_own_name_and_missing_parents_are_made() {
    let host = TestHost::new();
    let to = host.destination();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: dir/f\n  destination: {}/a/b\n",
            to.display()
        ))
        .file("dir/f", "");
    host.deploy(&bundle).run().assert_success();
    assert_eq!(names(&to), ["a", "a/b", "a/b/f"]);
    host.deploy(&host.bundle().appspec(""))
        .run()
        .assert_success();
    assert!(names(&to).is_empty());
}

#[test]
fn links_in_the_source() {
    let host = TestHost::new();
    let bundle = bundle(&host)
        .file("app/file", "")
        .file("other/inside", "content")
        .link("app/to-file", "file")
        .link("app/dangling", "nowhere")
        .link("app/to-directory", "../other");
    host.deploy(&bundle).run().assert_success();
    let tree = snapshot(&host.destination());
    let kind = |name: &str| tree[Path::new(name)].kind.clone();
    assert_eq!(kind("to-file"), Kind::Link(PathBuf::from("file")));
    assert_eq!(kind("dangling"), Kind::Link(PathBuf::from("nowhere")));
    assert_eq!(kind("to-directory"), Kind::Directory);
    assert_eq!(kind("to-directory/inside"), Kind::File(b"content".to_vec()));
}

#[test]
fn directory_links_can_be_preserved() {
    let host = TestHost::with_configuration("preserve_directory_symlinks: true");
    let bundle = bundle(&host)
        .file("app/real/inside", "")
        .link("app/to-directory", "real");
    host.deploy(&bundle).run().assert_success();
    let tree = snapshot(&host.destination());
    assert_eq!(
        tree[Path::new("to-directory")].kind,
        Kind::Link(PathBuf::from("real"))
    );
}

#[test]
fn a_destination_behind_a_link_is_used_and_the_link_stays() {
    let host = TestHost::new();
    let real = host.path("real");
    fs_err::create_dir(&real).unwrap();
    fs_err::os::unix::fs::symlink(&real, host.destination().join("link")).unwrap();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}/link\n",
            host.destination().display()
        ))
        .file("app/f", "");
    host.deploy(&bundle).run().assert_success();
    assert_eq!(names(&real), ["f"]);
    assert!(host.destination().join("link").is_symlink());
}

#[test]
fn a_link_that_another_user_could_have_planted_is_refused() {
    if !running_as_root("a directory of another user") {
        return;
    }
    let host = TestHost::new();
    let theirs = host.destination().join("theirs");
    fs_err::create_dir(&theirs).unwrap();
    fs_err::os::unix::fs::symlink(host.path("victim"), theirs.join("link")).unwrap();
    fs_err::create_dir(host.path("victim")).unwrap();
    fs_err::os::unix::fs::lchown(theirs.join("link"), Some(1234), Some(1234)).unwrap();
    fs_err::os::unix::fs::chown(&theirs, Some(1234), Some(1234)).unwrap();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}/link\n",
            theirs.display()
        ))
        .file("app/f", "");
    let outcome = host.deploy(&bundle).run();
    assert!(
        outcome
            .assert_failure("Install", 5)
            .message
            .contains("theirs/link")
    );
    assert!(names(&host.path("victim")).is_empty());
}

#[test]
fn copies_keep_mode_and_time_of_an_unpacked_archive() {
    let host = TestHost::new();
    let archive = host.path("b.tar");
    let mut tar = tar::Builder::new(fs_err::File::create(&archive).unwrap());
    let appspec = format!(
        "version: 0.0\nos: linux\nfiles:\n- source: app\n  destination: {}\n",
        host.destination().display()
    );
    for (name, content, mode) in [
        ("appspec.yml", appspec.as_str(), 0o644),
        ("app/program", "#!/bin/sh\n", 0o751),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_uid(nix::unistd::getuid().as_raw().into());
        header.set_gid(nix::unistd::getgid().as_raw().into());
        tar.append_data(&mut header, name, content.as_bytes())
            .unwrap();
    }
    tar.into_inner().unwrap();
    host.deploy_from(&archive).run().assert_success();
    let metadata = fs_err::metadata(host.destination().join("program")).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o751);
    assert_eq!(metadata.mtime(), 1_000_000_000);
}

#[test]
fn names_with_newlines_blanks_and_other_bytes_are_installed_and_cleaned_up() {
    use std::os::unix::ffi::OsStrExt as _;
    let host = TestHost::new();
    let bundle = bundle(&host).file("app/plain", "");
    let odd: [&[u8]; 5] = [
        b"new\nline",
        b"blank ",
        b" ",
        b"\xff\xfe",
        b"dir\n/in\nside",
    ];
    for name in odd {
        let path = bundle
            .path()
            .join("app")
            .join(std::ffi::OsStr::from_bytes(name));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "odd").unwrap();
    }
    host.deploy(&bundle).run().assert_success();
    assert_eq!(snapshot(&host.destination()).len(), 7);
    host.deploy(&host.bundle().appspec(""))
        .run()
        .assert_success();
    assert!(names(&host.destination()).is_empty());
}

#[test]
fn a_missing_source_is_an_error_before_anything_is_touched() {
    let host = TestHost::new();
    host.deploy(&bundle(&host).file("app/f", ""))
        .run()
        .assert_success();
    let outcome = host.deploy(&bundle(&host)).run();
    assert!(outcome.assert_failure("Install", 5).message.contains("app"));
    assert_eq!(names(&host.destination()), ["f"]);
}

#[test]
fn a_full_disk_leaves_the_old_revision_and_its_records() {
    if !running_as_root("mounting a small file system") {
        return;
    }
    let host = TestHost::new();
    let to = host.destination();
    let mount = |arguments: &[&str]| {
        command(arguments[0])
            .args(&arguments[1..])
            .status()
            .unwrap()
            .success()
    };
    let path = to.to_str().unwrap();
    assert!(mount(&[
        "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path
    ]));
    host.deploy(&bundle(&host).file("app/f", "old").file("app/g", "old"))
        .run()
        .assert_success();
    let before = (
        snapshot(&to),
        host.instructions("default-local-deployment-group-cleanup"),
    );
    let big = bundle(&host)
        .file("app/f", "new")
        .file("app/huge", &"x".repeat(3 << 20));
    let outcome = host.deploy(&big).run();
    let after = (
        snapshot(&to),
        host.instructions("default-local-deployment-group-cleanup"),
    );
    assert!(mount(&["umount", path]));
    let message = &outcome.assert_failure("Install", 5).message;
    assert!(message.contains("space"), "{message}");
    assert_eq!(before, after);
}

#[test]
fn a_destination_that_cannot_be_written_is_an_error_before_anything_is_touched() {
    let host = TestHost::new();
    let bundle = host
        .bundle()
        .appspec(&format!(
            "files:\n- source: app\n  destination: {}\n- source: app\n  destination: /proc/nothing\n",
            host.destination().display()
        ))
        .file("app/f", "");
    let outcome = host.deploy(&bundle).run();
    assert!(
        outcome
            .assert_failure("Install", 5)
            .message
            .contains("/proc")
    );
    assert!(names(&host.destination()).is_empty());
}
