//! Failures and surprises at every step: everything is as before, or the surprise is respected.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use rstest::rstest;

use super::host::*;
use crate::appspec::{AppSpec, Mode};
use crate::deployment::FileExistsBehavior::{self, Disallow, Overwrite};
use crate::install::apply::Moment;
use crate::install::place;
use crate::install::{InstallError, StepError};

pub(super) type Everything = (BTreeMap<PathBuf, Seen>, BTreeMap<PathBuf, Seen>);

pub(super) fn everything(host: &Host) -> Everything {
    (snapshot(&host.srv()), snapshot(&host.path("root")))
}

/// A host whose next Install does everything that an Install can: new, replaced, foreign,
/// changed type, made again, removed.
pub(super) fn busy_host() -> (Host, PathBuf, AppSpec) {
    busy(Host::new())
}

pub(super) fn busy(host: Host) -> (Host, PathBuf, AppSpec) {
    host.deploy(
        "app",
        &[
            File("same", "1"),
            File("d/x", "1"),
            File("file-to-directory", "1"),
            Link("link", "same"),
            File("directory-to-file/deep/y", "1"),
            File("stale/a/b", "1"),
            Directory("stale/empty"),
            File("odd ", "1"),
        ],
    );
    chmod(&host.at("app/d"), 0o700);
    chmod(&host.at("app/stale/a"), 0o2770);
    let acl = crate::install::acl::Acl::complete(&[(crate::install::acl::Tag::User(77), 7)], 0o770);
    for path in ["app/d", "app/stale/a"] {
        xattr::set(host.at(path), "system.posix_acl_default", &acl.encode()).unwrap();
    }
    fs_err::write(host.at("foreign"), "f").unwrap();
    let archive = host.archive(
        "second",
        &[
            File("same", "2"),
            File("d/x", "2"),
            File("d/new", "2"),
            File("file-to-directory/z", "2"),
            File("directory-to-file", "2"),
            Link("link", "d"),
            File("whole/new/tree", "2"),
            File("blank ", "2"),
            File("foreign", "2"),
        ],
    );
    let mut appspec = host.appspec(&[("", "app"), ("foreign", "")]);
    let mut rule = host.rule("app", 1);
    rule.files = false;
    rule.mode = Some(Mode(0o751));
    appspec.permissions = vec![rule];
    (host, archive, appspec)
}

#[rstest]
#[case::kernel(None)]
#[case::too_old_a_kernel(Some(Errno::ENOSYS))]
#[case::unknown_flag(Some(Errno::EINVAL))]
#[case::filtered(Some(Errno::EPERM))]
#[case::across(Some(Errno::EXDEV))]
fn a_failure_before_any_step_leaves_everything_as_it_was(#[case] refusal: Option<Errno>) {
    place::tests::REFUSAL.set(refusal);
    let (host, archive, appspec) = busy_host();
    let before = everything(&host);
    let mut steps = 0;
    for fail_at in 0.. {
        let mut step = 0;
        let mut watch = |_: Moment| {
            step += 1;
            if step == fail_at + 1 {
                Err(io::Error::from_raw_os_error(28))
            } else {
                Ok(())
            }
        };
        match host.install_watched(&archive, &appspec, &Overwrite, &mut watch) {
            Ok(_) => {
                steps = fail_at;
                break;
            }
            Err(InstallError::Undone(_)) => {
                assert_eq!(everything(&host), before, "failed at step {fail_at}");
            }
            Err(other) => panic!("step {fail_at}: {}", crate::error::chain(&other)),
        }
    }
    assert!(steps > 30, "only {steps} steps");
    host.assert_tidy();
    assert_eq!(
        host.text("app/whole/new/tree") + &host.text("foreign"),
        "22"
    );
    assert_eq!((host.mode("app/d"), host.mode("app/whole")), (0o751, 0o751));
}

#[test]
fn a_foreign_file_that_appears_after_the_plan_is_planned_for_again() {
    let appears = |behavior: &FileExistsBehavior| {
        let host = Host::new();
        host.deploy("app", &[File("old", "1")]);
        let archive = host.archive("second", &[File("old", "2"), File("surprise", "2")]);
        let path = host.at("app/surprise");
        let mut first = true;
        let result = host.install_watched(
            &archive,
            &host.appspec(&[("", "app")]),
            behavior,
            &mut |moment| {
                if moment == Moment::Place && std::mem::take(&mut first) {
                    fs_err::write(&path, "foreign")?;
                }
                Ok(())
            },
        );
        (host, result)
    };
    let (host, result) = appears(&Disallow);
    assert!(problems(result).contains("app/surprise exists"));
    assert_eq!(
        host.text("app/old") + &host.text("app/surprise"),
        "1foreign"
    );
    let (host, result) = appears(&FileExistsBehavior::Retain);
    assert_eq!(result.unwrap().retained, 1);
    assert_eq!(
        host.text("app/old") + &host.text("app/surprise"),
        "2foreign"
    );
    let (host, result) = appears(&Overwrite);
    assert_eq!(result.unwrap().replaced, 1);
    assert_eq!(host.text("app/old") + &host.text("app/surprise"), "22");
    host.assert_tidy();
}

#[test]
fn a_directory_with_a_foreign_file_that_appears_is_not_swallowed() {
    let host = Host::new();
    host.deploy("app", &[File("d/e/x", "1")]);
    let archive = host.archive("second", &[File("d", "2")]);
    let path = host.at("app/d/e/foreign");
    let mut first = true;
    let result = host.install_watched(
        &archive,
        &host.appspec(&[("", "app")]),
        &Overwrite,
        &mut |m| {
            if m == Moment::Place && std::mem::take(&mut first) {
                fs_err::write(&path, "foreign")?;
            }
            Ok(())
        },
    );
    assert!(problems(result).contains("app/d is a directory"));
    assert_eq!(
        host.text("app/d/e/foreign") + &host.text("app/d/e/x"),
        "foreign1"
    );
}

#[test]
fn a_stale_file_that_became_a_directory_meanwhile_is_not_removed() {
    for killed in [false, true] {
        let host = Host::new();
        host.deploy("app", &[File("stale", "1"), File("x", "1")]);
        let archive = host.archive("second", &[File("x", "2")]);
        let appspec = host.appspec(&[("", "app")]);
        let path = host.at("app/stale");
        let mut first = true;
        let install = std::panic::AssertUnwindSafe(|| {
            host.install_watched(&archive, &appspec, &Disallow, &mut |moment| {
                if moment == Moment::Remove && std::mem::take(&mut first) {
                    fs_err::remove_file(&path)?;
                    fs_err::create_dir(&path)?;
                    fs_err::write(path.join("precious"), "precious")?;
                } else if killed && moment == Moment::Restore {
                    std::panic::resume_unwind(Box::new(()));
                }
                Ok(())
            })
        });
        match std::panic::catch_unwind(install) {
            Ok(result) => {
                result.unwrap();
                assert_eq!(host.text("app/x"), "2");
            }
            Err(_) => {
                crate::install::recover(&host.records(), &host.options.selinux).unwrap();
                assert_eq!(host.text("app/x"), "1");
            }
        }
        assert_eq!(host.text("app/stale/precious"), "precious");
        host.assert_tidy();
    }
}

#[test]
fn a_destination_that_changes_for_ever_fails_in_the_end() {
    let host = Host::new();
    let archive = host.archive("second", &[File("x", "2")]);
    let path = host.at("x");
    let result = host.install_watched(
        &archive,
        &host.appspec(&[("", "")]),
        &Overwrite,
        &mut |moment| match moment {
            Moment::Place if path.exists() => fs_err::remove_file(&path),
            Moment::Place => fs_err::write(&path, "foreign"),
            _ => Ok(()),
        },
    );
    assert!(
        matches!(result, Err(InstallError::Undone(StepError::Changed { .. }))),
        "{result:?}"
    );
    host.assert_tidy();
}

#[test]
fn a_directory_swapped_for_a_link_after_the_plan_is_not_followed() {
    let host = Host::new();
    fs_err::create_dir(host.at("app")).unwrap();
    fs_err::create_dir(host.at("secret")).unwrap();
    let archive = host.archive("second", &[File("x", "2")]);
    let (app, moved) = (host.at("app"), host.at("moved"));
    let mut first = true;
    let result = host.install_watched(
        &archive,
        &host.appspec(&[("", "app")]),
        &Disallow,
        &mut |_| {
            if std::mem::take(&mut first) {
                fs_err::rename(&app, &moved)?;
                std::os::unix::fs::symlink("secret", &app)?;
                if nix::unistd::geteuid().is_root() {
                    std::os::unix::fs::lchown(&app, Some(1234), None)?;
                }
            }
            Ok(())
        },
    );
    if nix::unistd::geteuid().is_root() {
        assert!(problems(result).contains("could have made"));
        assert_eq!(fs_err::read_dir(host.at("secret")).unwrap().count(), 0);
    } else {
        result.unwrap();
    }
}

#[test]
fn too_little_room_is_found_before_anything_is_staged() {
    let host = Host::new();
    let options = "size=256k,nr_inodes=30";
    let Some(_mounted) = Small::mount(host.at("small"), "tmpfs", options) else {
        return;
    };
    host.deploy("small/app", &[File("x", "1"), File("y", "1")]);
    let before = everything(&host);
    let big = "b".repeat(200_000);
    let appspec = host.appspec(&[("", "small/app")]);
    let mut staged = false;
    let archive = host.archive("second", &[File("x", &big), File("y", &big)]);
    let result = host.install_watched(&archive, &appspec, &Disallow, &mut |_| {
        staged = true;
        Ok(())
    });
    match result {
        Err(InstallError::NoSpace { needed, free, .. }) => assert!(needed > free && free > 0),
        other => panic!("{other:?}"),
    }
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| File(name, "1")).collect();
    let archive = host.archive("third", &many);
    let result = host.install(&archive, &appspec, &Disallow);
    match result {
        Err(InstallError::NoInodes { needed, free, .. }) => assert!(needed > free && free > 0),
        other => panic!("{other:?}"),
    }
    assert!(!staged);
    assert_eq!(everything(&host), before);
}

#[test]
fn a_staging_directory_that_cannot_be_made_completely_does_not_stay() {
    let mut failures = 0;
    for free in 1..8 {
        let host = Host::new();
        let Some(mounted) = Small::mount(host.at("small"), "tmpfs", "size=1m,nr_inodes=30") else {
            return;
        };
        // Unmounted before its directory is removed: what is declared last is dropped first.
        let (host, _mounted) = (host, mounted);
        let full = (0..).find(|number| {
            let path = host.at(&format!("small/{number}"));
            fs_err::write(path, "").is_err()
        });
        for number in 0..free {
            assert!(number < full.unwrap());
            fs_err::remove_file(host.at(&format!("small/{number}"))).unwrap();
        }
        let archive = host.archive("a", &[File("x", "1")]);
        let appspec = host.appspec(&[("", "small")]);
        match host.install(&archive, &appspec, &Disallow) {
            Ok(_) => assert_eq!(host.text("small/x"), "1"),
            Err(error) => {
                let text = crate::error::chain(&error);
                assert!(text.contains("No space left"), "{text}");
                failures += 1;
            }
        }
        host.assert_tidy();
    }
    assert!((1..7).contains(&failures), "{failures}");
}

#[test]
fn several_file_systems_and_a_mount_point_inside() {
    let host = Host::new();
    host.deploy("app", &[File("data/x", "1"), File("y", "1")]);
    fs_err::remove_dir_all(host.at("app/data")).unwrap();
    let Some(_mounted) = Small::mount(host.at("app/data"), "tmpfs", "size=1m,mode=700") else {
        return;
    };
    fs_err::write(host.at("app/data/x"), "1").unwrap();
    host.deploy(
        "app",
        &[File("data/x", "2"), File("data/new/z", "2"), File("y", "2")],
    );
    assert_eq!(
        host.text("app/data/x") + &host.text("app/data/new/z") + &host.text("app/y"),
        "222"
    );
    // The mount point could not have been removed: it is kept, with what keeps it alive.
    assert_eq!(host.mode("app/data"), 0o700);
    assert_eq!(
        host.cleanup(),
        ["app/data/new", "app/data/new/z", "app/data/x", "app/y"]
    );
    host.assert_tidy();
}

#[test]
fn a_bind_mount_of_the_same_file_system_is_another_place() {
    let host = Host::new();
    fs_err::create_dir_all(host.at("elsewhere")).unwrap();
    fs_err::create_dir_all(host.at("app/bound")).unwrap();
    if !is_root() {
        return;
    }
    let (from, to) = (host.at("elsewhere"), host.at("app/bound"));
    if !run(
        "mount",
        &["--bind", from.to_str().unwrap(), to.to_str().unwrap()],
    ) {
        assert!(
            std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
            "cannot mount"
        );
        return;
    }
    let _mounted = Small::there(to);
    host.deploy("app", &[File("bound/x", "1"), File("y", "1")]);
    host.deploy("app", &[File("bound/x", "2"), File("bound/d/z", "2")]);
    assert_eq!(host.text("elsewhere/x") + &host.text("elsewhere/d/z"), "22");
    host.assert_tidy();
}

#[test]
fn acls_on_a_file_system_without_them_are_a_clear_error() {
    let host = Host::new();
    // The simplest of all file systems has no extended attributes.
    let Some(_mounted) = Small::mount(host.at("small"), "ramfs", "mode=755") else {
        return;
    };
    let archive = host.archive("a", &[File("x", "1")]);
    let mut appspec = host.appspec(&[("", "small/app")]);
    let mut rule = host.rule("small/app", 11);
    rule.acls = vec![crate::appspec::AclEntry {
        text: "u:5:r".into(),
        default: false,
        tag: crate::appspec::AclTag::User("5".into()),
        permissions: 4,
    }];
    appspec.permissions = vec![rule];
    let error = host.install(&archive, &appspec, &Disallow).unwrap_err();
    assert!(crate::error::chain(&error).contains("remove `acls` from line 11"));
    assert!(!host.at("small/app").exists());
}
