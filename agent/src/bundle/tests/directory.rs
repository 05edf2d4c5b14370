//! A local directory as the bundle (contract: install, "A local directory as bundle").

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::bundle::{
    Limits, UnpackError, UnpackOptions, copy_archive, copy_directory, examine_directory,
};
use crate::error::chain;

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn copy(source: &Path, into: &Path) -> Result<crate::bundle::Unpacked, UnpackError> {
    copy_with(source, into, &UnpackOptions::default())
}

fn copy_with(
    source: &Path,
    into: &Path,
    options: &UnpackOptions,
) -> Result<crate::bundle::Unpacked, UnpackError> {
    let partial = into.join("deployment-archive.partial");
    let archive = into.join("deployment-archive");
    let result = copy_directory(source, &partial, &archive, options, &AtomicBool::new(false));
    assert!(!partial.exists());
    result
}

#[test]
fn content_modes_and_links_are_copied_and_nothing_is_stripped() {
    let (source, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = source.path();
    fs_err::create_dir_all(from.join("top/deep")).unwrap();
    fs_err::write(from.join("top/appspec.yml"), "x").unwrap();
    fs_err::write(from.join("top/deep/run.sh"), vec![5; 300_000]).unwrap();
    fs_err::write(from.join("top/.hidden"), "").unwrap();
    set_mode(&from.join("top/deep/run.sh"), 0o4755);
    set_mode(&from.join("top/.hidden"), 0o400);
    set_mode(&from.join("top/deep"), 0o500);
    symlink("/nowhere\n", from.join("dangling")).unwrap();
    symlink("top", from.join("link")).unwrap();
    let unpacked = copy(from, into.path()).unwrap();
    assert_eq!(unpacked.entries, 7);
    assert_eq!(unpacked.bytes, 300_001);
    assert!(
        unpacked.warnings[0].contains("4755"),
        "{:?}",
        unpacked.warnings
    );
    let archive = into.path().join("deployment-archive");
    let at = |name: &str| fs_err::symlink_metadata(archive.join(name)).unwrap();
    let mode = |name: &str| at(name).permissions().mode() & 0o7777;
    let umask = nix::sys::stat::Mode::from_bits_truncate(umask());
    let less = |mode: u32| mode & !umask.bits();
    assert_eq!(mode("top/deep/run.sh"), less(0o755));
    assert_eq!(mode("top/.hidden"), less(0o400));
    assert_eq!(mode("top/deep"), less(0o777));
    assert_eq!(at("top/deep/run.sh").uid(), nix::unistd::geteuid().as_raw());
    assert_eq!(
        fs_err::read(archive.join("top/deep/run.sh")).unwrap(),
        vec![5; 300_000]
    );
    assert_eq!(
        fs_err::read_link(archive.join("dangling"))
            .unwrap()
            .as_os_str(),
        "/nowhere\n"
    );
    assert_eq!(
        fs_err::read_link(archive.join("link")).unwrap().as_os_str(),
        "top"
    );
    set_mode(&from.join("top/deep"), 0o700);
}

/// Read without changing it: setting it would disturb other tests.
fn umask() -> u32 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("Umask:"))
        .unwrap();
    u32::from_str_radix(line.split_whitespace().nth(1).unwrap(), 8).unwrap()
}

#[test]
fn special_files_are_named() {
    let (source, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    nix::unistd::mkfifo(&source.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = copy(source.path(), into.path()).unwrap_err();
    assert!(
        chain(&error).contains("pipe\" is a fifo"),
        "{}",
        chain(&error)
    );
    fs_err::remove_file(source.path().join("pipe")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.path().join("sock")).unwrap();
    let error = copy(source.path(), into.path()).unwrap_err();
    assert!(
        chain(&error).contains("sock\" is a socket"),
        "{}",
        chain(&error)
    );
}

#[test]
fn what_the_configuration_refuses_in_an_archive_it_refuses_in_a_directory() {
    let (source, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (source.path(), into.path());
    fs_err::write(from.join("f"), "four").unwrap();
    symlink("f", from.join("link")).unwrap();
    set_mode(&from.join("f"), 0o4755);
    copy(from, to).unwrap();
    let options = UnpackOptions::default;
    for (refusing, said) in [
        (
            UnpackOptions {
                reject_links: true,
                ..options()
            },
            "link",
        ),
        (
            UnpackOptions {
                reject_unsafe_permissions: true,
                ..options()
            },
            "4755",
        ),
        (
            UnpackOptions {
                max_extracted_bytes: Some(3),
                ..options()
            },
            "archive_max_extraction_size",
        ),
        (
            UnpackOptions {
                limits: Limits {
                    entries: 1,
                    ..Limits::default()
                },
                ..options()
            },
            "archive_max_entries",
        ),
    ] {
        let never = AtomicBool::new(false);
        let archive = to.join("deployment-archive");
        let partial = to.join("deployment-archive.partial");
        for error in [
            copy_with(from, to, &refusing).unwrap_err(),
            copy_archive(from, &partial, &archive, &refusing, &never).unwrap_err(),
            examine_directory(from, &archive, &refusing, &never).unwrap_err(),
        ] {
            assert!(chain(&error).contains(said), "{}", chain(&error));
        }
        assert!(archive.join("link").is_symlink(), "it is as it was");
    }
}

#[test]
fn a_source_that_is_missing_or_no_directory_is_told() {
    let into = tempfile::tempdir().unwrap();
    for source in ["/nonexistent/source", "/etc/passwd"] {
        let error = copy(Path::new(source), into.path()).unwrap_err();
        assert!(chain(&error).contains(source), "{}", chain(&error));
    }
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let source = tempfile::tempdir().unwrap();
    let into = source.path().join("a/b");
    fs_err::create_dir_all(&into).unwrap();
    fs_err::write(source.path().join("f"), "x").unwrap();
    let error = copy(source.path(), &into).unwrap_err();
    assert!(
        matches!(error, UnpackError::IntoItself { .. }),
        "{}",
        chain(&error)
    );
    // Nor is what is about to be replaced.
    fs_err::create_dir_all(into.join("deployment-archive/sub")).unwrap();
    for below in ["deployment-archive", "deployment-archive/sub"] {
        let error = copy(&into.join(below), &into).unwrap_err();
        assert!(
            matches!(error, UnpackError::IntoItself { .. }),
            "{}",
            chain(&error)
        );
        assert!(into.join(below).is_dir());
    }
    // The archive of another deployment is a fine source.
    fs_err::write(into.join("deployment-archive/sub/f"), "x").unwrap();
    let other = tempfile::tempdir().unwrap();
    copy(&into.join("deployment-archive"), other.path()).unwrap();
    assert!(other.path().join("deployment-archive/sub/f").exists());
}

#[test]
fn a_source_given_through_a_link_is_followed() {
    let (source, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs_err::write(source.path().join("f"), "x").unwrap();
    let link = into.path().join("link");
    symlink(source.path(), &link).unwrap();
    copy(&link, into.path()).unwrap();
    assert!(into.path().join("deployment-archive/f").exists());
}

#[test]
fn an_archive_is_copied_with_modes_owners_and_times() {
    let (source, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = source.path();
    fs_err::create_dir(from.join("directory")).unwrap();
    fs_err::write(from.join("directory/file"), "content").unwrap();
    symlink("file", from.join("directory/link")).unwrap();
    set_mode(&from.join("directory/file"), 0o646);
    set_mode(&from.join("directory"), 0o577);
    let root = nix::unistd::geteuid().is_root();
    let long_ago = nix::sys::time::TimeSpec::new(1_000_000_000, 5);
    for name in ["directory/file", "directory/link", "directory"] {
        let path = from.join(name);
        if root {
            fs_err::os::unix::fs::lchown(&path, Some(1234), Some(4321)).unwrap();
        }
        let flag = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
        let here = nix::fcntl::AT_FDCWD;
        nix::sys::stat::utimensat(here, &path, &long_ago, &long_ago, flag).unwrap();
    }
    let archive = into.path().join("deployment-archive");
    copy_archive(
        from,
        &into.path().join("deployment-archive.partial"),
        &archive,
        &UnpackOptions::default(),
        &AtomicBool::new(false),
    )
    .unwrap();
    for name in ["directory/file", "directory/link", "directory"] {
        let of = |path: &Path| {
            let data = fs_err::symlink_metadata(path).unwrap();
            (
                data.mode(),
                data.uid(),
                data.gid(),
                data.mtime(),
                data.mtime_nsec(),
            )
        };
        assert_eq!(of(&archive.join(name)), of(&from.join(name)), "{name}");
    }
    assert_eq!(
        fs_err::read_to_string(archive.join("directory/file")).unwrap(),
        "content"
    );
}
