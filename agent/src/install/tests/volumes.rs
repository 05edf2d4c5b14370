//! Real file systems of other kinds, and full ones: the promises hold on each.

use rstest::rstest;

use super::crash::{after_a_whole_install, comparable, killed, last_step, recover};
use super::faults::{busy, everything};
use super::host::*;
use crate::deployment::FileExistsBehavior::Overwrite;
use crate::install::apply::Moment;
use crate::install::{InstallError, Outcome};

/// What is mounted where, over a directory of the host.
#[derive(Debug, Clone, Copy)]
enum On {
    Tmpfs(&'static str),
    Ext4(&'static str),
    /// Over an empty directory.
    Overlay(&'static str),
}

impl On {
    fn mount(self, host: &Host) -> Option<Small> {
        match self {
            Self::Tmpfs(name) => Small::mount(host.path(name), "tmpfs", "size=1m,mode=755"),
            Self::Ext4(name) => Small::ext4(host.path(name)),
            Self::Overlay(name) => Small::overlay(host.path(name)),
        }
    }

    fn full(self, host: &Host) -> std::path::PathBuf {
        let (Self::Tmpfs(name) | Self::Ext4(name) | Self::Overlay(name)) = self;
        host.path(name).join("filler")
    }
}

#[rstest]
#[case::tmpfs(On::Tmpfs("srv"))]
#[case::ext4(On::Ext4("srv"))]
#[case::overlay(On::Overlay("srv"))]
fn after_a_kill_the_set_is_old_or_new_on(#[case] on: On) {
    let after = after_a_whole_install();
    let mut outcomes = Vec::new();
    // Every third: each run makes and mounts a file system.
    for kill_at in (0..).step_by(3) {
        let host = Host::new();
        let Some(mounted) = on.mount(&host) else {
            return;
        };
        let (host, archive, appspec) = busy(host);
        // Unmounted before its directory is removed: what is declared last is dropped first.
        let _mounted = mounted;
        let before = everything(&host);
        if !killed(&host, &archive, &appspec, kill_at) {
            break;
        }
        let outcome = recover(&host).map(|recovered| recovered.outcome);
        match outcome {
            Some(Outcome::RolledForward) => {
                let mut now = comparable(&host);
                now.remove(std::path::Path::new("lost+found"));
                assert_eq!(now, after);
            }
            _ => assert_eq!(everything(&host), before, "killed at step {kill_at}"),
        }
        host.assert_tidy();
        outcomes.push(outcome);
    }
    outcomes.dedup();
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}

/// Two destinations, one of them in memory; the host goes down in the middle of the commit.
#[test]
fn what_was_in_memory_does_not_keep_the_rest_from_being_recovered() {
    let mut lost = 0;
    for kill_at in (0..).step_by(2) {
        let host = Host::new();
        let Some(mounted) = On::Tmpfs("srv/run").mount(&host) else {
            return;
        };
        let old = [File("run/x", "1"), File("kept/x", "1")];
        host.deploy("", &old);
        let before = fs_err::read_to_string(host.at("kept/x")).unwrap();
        let new = [File("run/x", "2"), File("kept/x", "2"), File("kept/y", "2")];
        let archive = host.archive("new", &new);
        let appspec = host.appspec(&[("", "")]);
        if !killed(&host, &archive, &appspec, kill_at) {
            break;
        }
        drop(mounted);
        let Some(_mounted) = On::Tmpfs("srv/run").mount(&host) else {
            return;
        };
        let recovered = recover(&host);
        if let Some(recovered) = &recovered
            && recovered.outcome == Outcome::RolledBack
        {
            assert_eq!(fs_err::read_to_string(host.at("kept/x")).unwrap(), before);
            assert!(!host.at("kept/y").exists());
            let told = recovered.warnings.join("\n");
            lost += usize::from(told.contains("was on a file system in memory"));
        }
        host.assert_tidy();
        host.install(&archive, &appspec, &Overwrite).unwrap();
        assert_eq!(fs_err::read_to_string(host.at("run/x")).unwrap(), "2");
        assert_eq!(fs_err::read_to_string(host.at("kept/x")).unwrap(), "2");
    }
    assert!(lost > 3, "{lost}");
}

/// The host goes down in the middle of the commit, and its disk has another number when it is up.
#[test]
fn a_file_system_with_another_device_number_is_recovered() {
    use std::os::unix::fs::MetadataExt as _;

    for moment in [Moment::Place, Moment::Remove, Moment::Commit] {
        let host = Host::new();
        let Some(mounted) = On::Ext4("srv").mount(&host) else {
            return;
        };
        let (host, archive, appspec) = busy(host);
        let before = everything(&host);
        let device = fs_err::metadata(host.srv()).unwrap().dev();
        assert!(killed(&host, &archive, &appspec, last_step(moment)));
        drop(mounted);
        // Takes the number that is free.
        let _other = On::Ext4("other").mount(&host);
        let _mounted = Small::ext4_again(host.srv());
        if fs_err::metadata(host.srv()).unwrap().dev() == device {
            eprintln!("the device kept its number");
        }
        let recovered = recover(&host).unwrap();
        assert_eq!(recovered.outcome, Outcome::RolledBack);
        assert_eq!(recovered.warnings, [""; 0]);
        assert_eq!(everything(&host), before);
        host.assert_tidy();
    }
}

#[test]
fn subvolumes_of_one_mount_are_installed_into() {
    let host = Host::new();
    let Some(_mounted) = Small::btrfs(host.srv()) else {
        return;
    };
    for name in ["one", "two", "one/nested"] {
        let path = host.at(name);
        assert!(run(
            "btrfs",
            &["-q", "subvolume", "create", path.to_str().unwrap()]
        ));
    }
    // Not safe to stage in, and what is above is another subvolume.
    std::os::unix::fs::chown(host.at("one/nested"), Some(1234), None).unwrap();
    let appspec = host.appspec(&[("a", "one"), ("b", "two/made"), ("a", "one/nested")]);
    for content in ["1", "2"] {
        let stale = format!("a/only-{content}");
        let archive = host.archive(
            content,
            &[
                File("a/x", content),
                File(&stale, ""),
                File("b/d/y", content),
            ],
        );
        host.install(&archive, &appspec, &Overwrite).unwrap();
        let names = ["one/x", "one/nested/x", "two/made/d/y"];
        assert_eq!(names.map(|name| host.text(name)), [content; 3]);
        host.assert_tidy();
    }
    assert!(!host.at("one/nested/only-1").exists());
    // And back, from the middle.
    let before = everything(&host);
    let archive = host.archive("3", &[File("a/x", "3"), File("b/d/z", "3")]);
    let mut steps = 0;
    let error = host.install_watched(&archive, &appspec, &Overwrite, &mut |moment| {
        steps += usize::from(moment == Moment::Place);
        match (moment, steps) {
            (Moment::Place, 3) => Err(std::io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    });
    error.unwrap_err();
    assert_eq!(everything(&host), before);
    host.assert_tidy();
}

/// From each step on, the file system of the destinations or that of the records is full.
#[rstest]
#[case::tmpfs(On::Tmpfs("srv"))]
#[case::ext4(On::Ext4("srv"))]
#[case::records_on_tmpfs(On::Tmpfs("root"))]
#[case::records_on_ext4(On::Ext4("root"))]
fn a_disk_that_is_full_from_any_step_on_leaves_the_old_or_the_new_set(#[case] on: On) {
    let after = after_a_whole_install();
    let (mut failures, mut successes) = (0, 0);
    for full_at in (0..).step_by(2) {
        let host = Host::new();
        let Some(mounted) = on.mount(&host) else {
            return;
        };
        let (host, archive, appspec) = busy(host);
        // Unmounted before its directory is removed: what is declared last is dropped first.
        let _mounted = mounted;
        let before = everything(&host);
        let filler = on.full(&host);
        let mut step = 0;
        let result = host.install_watched(&archive, &appspec, &Overwrite, &mut |_| {
            step += 1;
            if step == full_at + 1 {
                fill_up(&filler);
            }
            Ok(())
        });
        if !filler.exists() {
            break;
        }
        fs_err::remove_file(&filler).unwrap();
        match result {
            Ok(_) => {
                let mut now = comparable(&host);
                now.remove(std::path::Path::new("lost+found"));
                assert_eq!(now, after, "full at step {full_at}");
                successes += 1;
            }
            Err(InstallError::Undone(error)) => {
                assert!(crate::error::chain(&error).contains("No space left"));
                assert_eq!(everything(&host), before, "full at step {full_at}");
                failures += 1;
            }
            Err(error) => panic!("step {full_at}: {}", crate::error::chain(&error)),
        }
        host.assert_tidy();
    }
    assert!(failures > 0 && successes > 0, "{failures} {successes}");
}

fn fill_up(path: &std::path::Path) {
    use std::io::Write as _;

    let mut file = fs_err::File::create(path).unwrap();
    for size in [64 * 1024, 4096, 512, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    // Blocks that were promised before they were taken.
    let _ = file.sync_all();
}

#[test]
fn a_revision_in_the_lower_layer_of_an_overlay_is_updated() {
    let host = Host::new();
    let old = [File("a/x", "1"), File("a/y", "1"), File("stale/z", "1")];
    host.deploy("app", &old);
    let Some(mounted) = Small::overlay(host.srv()) else {
        return;
    };
    let _mounted = mounted;
    for number in ["2", "3"] {
        host.deploy(
            "app",
            &[File("a/x", number), File("a/y", number), File("b", "2")],
        );
        assert_eq!(
            host.text("app/a/x") + &host.text("app/a/y"),
            number.repeat(2)
        );
    }
    assert!(!host.at("app/stale").exists());
    host.assert_tidy();
}
