//! Users who own a destination's directory move directories of others to the paths that an Install
//! works with. As root, an Install must not change, fill or empty these.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use super::crash::{area, killed, recover};
use super::host::*;
use crate::appspec::{AppSpec, Mode};
use crate::deployment::FileExistsBehavior::Overwrite;
use crate::install::apply::Moment;

/// The user who owns the destinations.
const USER: u32 = 1234;

/// A host on which the last revision made `dest/data`, for the user who owns `dest`, where root
/// has a `secret`; and a revision that makes it again, with other modes.
fn host() -> (Host, PathBuf, AppSpec) {
    let host = Host::new();
    fs_err::create_dir(host.at("dest")).unwrap();
    chown(host.at("dest"), Some(USER), None).unwrap();
    let mut appspec = host.appspec(&[("", "dest/data")]);
    let mut rule = host.rule("dest/data", 1);
    rule.files = false;
    rule.owner = Some(USER.to_string());
    rule.mode = Some(Mode(0o770));
    appspec.permissions = vec![rule];
    let first = host.archive(
        "first",
        &[
            File("x", "1"),
            File("stale", "1"),
            File("d/y", "1"),
            Directory("empty"),
        ],
    );
    host.install(&first, &appspec, &Overwrite).unwrap();
    chown(host.at("dest/data"), Some(USER), None).unwrap();
    chmod(&host.at("dest/data"), 0o770);
    fs_err::create_dir_all(host.at("dest/secret/empty")).unwrap();
    fs_err::write(host.at("dest/secret/key"), "root's").unwrap();
    chmod(&host.at("dest/secret"), 0o700);
    let second = host.archive(
        "second",
        &[File("x", "2"), File("new", "2"), File("d/y", "2")],
    );
    (host, second, appspec)
}

/// Moves a directory away and root's to its path.
fn swap(path: &Path) {
    fs_err::rename(path, path.with_file_name("mine")).unwrap();
    fs_err::rename(path.with_file_name("secret"), path).unwrap();
}

/// Root's directory is as root left it.
fn assert_untouched(secret: &Path) {
    let status = fs_err::metadata(secret).unwrap();
    assert_eq!((status.uid(), status.mode() & 0o7777), (0, 0o700));
    let names: Vec<_> = snapshot(secret).into_keys().collect();
    assert_eq!(names, [Path::new("empty"), Path::new("key")]);
}

fn step_of(host: &Host, archive: &Path, appspec: &AppSpec, moment: Moment) -> usize {
    let (mut at, mut first) = (0, None);
    host.install_watched(archive, appspec, &Overwrite, &mut |now| {
        if now == moment {
            first.get_or_insert(at);
        }
        at += 1;
        Ok(())
    })
    .unwrap();
    first.unwrap()
}

/// As [`host`], with an Install that was killed at the first of these moments.
fn killed_host(moment: Moment) -> Option<(Host, PathBuf, AppSpec)> {
    if !is_root() {
        return None;
    }
    let (other, archive, appspec) = host();
    let step = step_of(&other, &archive, &appspec, moment);
    let (host, archive, appspec) = host();
    assert!(killed(&host, &archive, &appspec, step));
    Some((host, archive, appspec))
}

#[test]
fn an_undo_leaves_a_directory_that_was_swapped_in_as_it_is() {
    if !is_root() {
        return;
    }
    for moment in [Moment::Stage, Moment::Place, Moment::Remove, Moment::Commit] {
        let (host, archive, appspec) = host();
        let data = host.at("dest/data");
        let mut swapped = false;
        let mut undone = None;
        let result = host.install_watched(&archive, &appspec, &Overwrite, &mut |now| {
            if now == moment && !std::mem::replace(&mut swapped, true) {
                swap(&data);
                if moment != Moment::Commit {
                    return Ok(());
                }
            }
            // The next plan is for what is there then, as any later deployment's would be.
            if swapped && now == Moment::Discard && undone.is_none() {
                let status = fs_err::metadata(&data)?;
                undone = Some((status.uid(), status.mode() & 0o7777));
            }
            match now {
                Moment::Commit => Err(std::io::Error::from_raw_os_error(28)),
                _ => Ok(()),
            }
        });
        result.unwrap_err();
        assert_eq!(undone, Some((0, 0o700)), "{moment:?}");
        assert_untouched(&data);
    }
}

#[test]
fn a_recovery_leaves_a_directory_that_was_swapped_in_as_it_is() {
    let Some((host, ..)) = killed_host(Moment::Commit) else {
        return;
    };
    swap(&host.at("dest/data"));
    let area = area(&host);
    let recovered = recover(&host).unwrap();
    assert_untouched(&host.at("dest/data"));
    let told = recovered.warnings.join("\n");
    assert!(told.contains("is another directory since"), "{told}");
    assert!(told.contains("is kept with"), "{told}");
    let held = snapshot(&area).into_values();
    let held: Vec<_> = held.filter_map(|seen| seen.content).collect();
    assert!(held.contains(&b"1".to_vec()), "{held:?}");
}

#[test]
fn what_is_swapped_for_a_staging_area_is_not_emptied() {
    for moment in [Moment::Journal, Moment::Commit] {
        let Some((host, ..)) = killed_host(moment) else {
            return;
        };
        // The area is beside the user's directory; as if it were theirs, too.
        let area = area(&host);
        fs_err::rename(&area, host.at("mine")).unwrap();
        fs_err::rename(host.at("dest/secret"), &area).unwrap();
        let recovered = crate::install::recover(&host.records(), &host.options.selinux);
        assert_untouched(&area);
        let told = match recovered {
            Ok(recovered) => recovered.unwrap().warnings.join("\n"),
            Err(error) => crate::error::chain(&error),
        };
        assert!(told.contains(&area.display().to_string()), "{told}");
    }
}

#[test]
fn an_empty_directory_in_one_that_was_swapped_in_is_not_removed() {
    let Some((host, ..)) = killed_host(Moment::Prune) else {
        return;
    };
    swap(&host.at("dest/data"));
    recover(&host).unwrap();
    assert_untouched(&host.at("dest/data"));
    let (host, archive, appspec) = self::host();
    let data = host.at("dest/data");
    let mut swapped = false;
    host.install_watched(&archive, &appspec, &Overwrite, &mut |now| {
        if now == Moment::Prune && !std::mem::replace(&mut swapped, true) {
            swap(&data);
        }
        Ok(())
    })
    .unwrap();
    assert_untouched(&data);
}
