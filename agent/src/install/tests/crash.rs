//! Kills at every step, and what the next start makes of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rstest::rstest;

use super::faults::{busy_host, everything};
use super::host::*;
use crate::appspec::AppSpec;
use crate::deployment::FileExistsBehavior::Overwrite;
use crate::install::apply::{Moment, Watch};
use crate::install::place;
use crate::install::recover::recover_watched;
use crate::install::{InstallError, Outcome, Recovered, recover_all};

/// Runs an Install that is killed at the `at`th of the moments that `counts`: nothing runs after
/// it, neither an undo nor the removal of the staging areas. False: it came to its end before.
pub(super) fn killed(host: &Host, archive: &Path, appspec: &AppSpec, at: usize) -> bool {
    let mut step = 0;
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        host.install_watched(archive, appspec, &Overwrite, &mut |_| {
            step += 1;
            if step == at + 1 {
                std::panic::resume_unwind(Box::new(()));
            }
            Ok(())
        })
    }));
    killed.is_err()
}

pub(super) fn recover(host: &Host) -> Option<Recovered> {
    crate::install::recover(&host.records(), &host.options.selinux)
        .unwrap_or_else(|error| panic!("{}", crate::error::chain(&error)))
}

/// What is there, without what differs from host to host.
pub(super) fn comparable(host: &Host) -> BTreeMap<PathBuf, (u32, Option<Vec<u8>>)> {
    let base = host.path("").display().to_string();
    let (srv, root) = everything(host);
    let all = srv.into_iter().chain(root);
    let plain = |seen: Seen| {
        let text = seen.content.map(|content| {
            let text = String::from_utf8_lossy(&content).replace(&base, "/");
            text.into_bytes()
        });
        (seen.mode, text)
    };
    let mut all: BTreeMap<_, _> = all.map(|(path, seen)| (path, plain(seen))).collect();
    // It has a digest of absolute paths.
    all.remove(Path::new("deployment-instructions/group-cleanup.exact"));
    all
}

pub(super) fn after_a_whole_install() -> BTreeMap<PathBuf, (u32, Option<Vec<u8>>)> {
    let (host, archive, appspec) = busy_host();
    host.install(&archive, &appspec, &Overwrite).unwrap();
    comparable(&host)
}

#[rstest]
#[case::kernel(None)]
#[case::too_old_a_kernel(Some(Errno::ENOSYS))]
fn after_a_kill_at_any_step_the_next_start_has_the_old_or_the_new_set(
    #[case] refusal: Option<Errno>,
) {
    place::tests::REFUSAL.set(refusal);
    let after = after_a_whole_install();
    let mut outcomes = Vec::new();
    for kill_at in 0.. {
        let (host, archive, appspec) = busy_host();
        let before = everything(&host);
        if !killed(&host, &archive, &appspec, kill_at) {
            break;
        }
        let outcome = recover(&host).map(|recovered| {
            assert_eq!(recovered.warnings, [""; 0], "killed at step {kill_at}");
            recovered.outcome
        });
        match outcome {
            Some(Outcome::RolledForward) => assert_eq!(comparable(&host), after),
            _ => assert_eq!(everything(&host), before, "killed at step {kill_at}"),
        }
        host.assert_tidy();
        assert_eq!(recover(&host), None);
        outcomes.push(outcome);
        // And the revision can be installed.
        if kill_at % 5 == 0 {
            host.install(&archive, &appspec, &Overwrite).unwrap();
            assert_eq!(comparable(&host), after);
        }
    }
    outcomes.dedup();
    let in_order = [
        Some(Outcome::NotBegun),
        Some(Outcome::RolledBack),
        Some(Outcome::RolledForward),
    ];
    assert_eq!(outcomes, in_order);
}

#[rstest]
#[case::kernel(None)]
#[case::too_old_a_kernel(Some(Errno::ENOSYS))]
fn a_recovery_that_is_killed_is_done_again(#[case] refusal: Option<Errno>) {
    place::tests::REFUSAL.set(refusal);
    for moment in [Moment::Commit, Moment::Remove, Moment::Discard] {
        let mut at = 0;
        let mut last = 0;
        {
            let (host, archive, appspec) = busy_host();
            host.install_watched(&archive, &appspec, &Overwrite, &mut |now| {
                last = if now == moment { at } else { last };
                at += 1;
                Ok(())
            })
            .unwrap();
        }
        for kill_at in 0.. {
            let (host, archive, appspec) = busy_host();
            let before = everything(&host);
            assert!(killed(&host, &archive, &appspec, last));
            let steps = std::sync::atomic::AtomicUsize::new(0);
            let watch = |_| {
                if steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == kill_at {
                    std::panic::resume_unwind(Box::new(()));
                }
                Ok(())
            };
            let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let tools = &host.options.selinux;
                recover_watched(&host.records(), tools, &Watch(&watch)).unwrap()
            }));
            recover(&host);
            if moment == Moment::Discard {
                assert_eq!(host.text("app/same"), "2");
            } else {
                assert_eq!(everything(&host), before, "killed at step {kill_at}");
            }
            host.assert_tidy();
            if killed.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn a_journal_that_cannot_be_used_stops_and_loses_nothing() {
    let (host, archive, appspec) = busy_host();
    assert!(killed(&host, &archive, &appspec, last_step(Moment::Commit)));
    let journal = host.records().installing().join("journal");
    let good = fs_err::read(&journal).unwrap();
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut later = good.clone();
    later[27] = b'9';
    for (bad, what) in [
        (damaged, "damaged"),
        (later, "another version"),
        (Vec::new(), "damaged"),
    ] {
        fs_err::write(&journal, bad).unwrap();
        let before = everything(&host);
        let error = host.install(&archive, &appspec, &Overwrite).unwrap_err();
        let text = crate::error::chain(&error);
        assert!(text.contains(what) && text.contains("remove "), "{text}");
        assert_eq!(everything(&host), before);
    }
    fs_err::write(&journal, good).unwrap();
    host.install(&archive, &appspec, &Overwrite).unwrap();
    host.assert_tidy();
}

#[test]
fn a_journal_of_version_1_is_recovered_by() {
    for moment in [Moment::Place, Moment::Remove, Moment::Commit] {
        let (host, archive, appspec) = busy_host();
        let before = everything(&host);
        assert!(killed(&host, &archive, &appspec, last_step(moment)));
        crate::install::journal::tests::rewrite_as_version_1(&host.records().installing());
        let area = area(&host);
        let name = area.file_name().unwrap().to_str().unwrap();
        let old = name.strip_prefix(".codedeploy-").unwrap();
        fs_err::rename(area.join(old), area.join("old")).unwrap();
        assert_eq!(recover(&host).unwrap().outcome, Outcome::RolledBack);
        fs_err::remove_dir_all(area).unwrap();
        assert_eq!(everything(&host), before);
    }
}

/// The staging area of a killed Install.
pub(super) fn area(host: &Host) -> PathBuf {
    let areas = crate::install::staging::listed(&host.records().installing()).unwrap();
    assert_eq!(areas.len(), 1);
    areas.into_iter().next().unwrap()
}

/// The first step at which the Install of [`busy_host`] is at the last of these moments.
pub(super) fn last_step(moment: Moment) -> usize {
    let (host, archive, appspec) = busy_host();
    let (mut at, mut last) = (0, 0);
    let mut watch = |now: Moment| {
        last = if now == moment { at } else { last };
        at += 1;
        Ok(())
    };
    host.install_watched(&archive, &appspec, &Overwrite, &mut watch)
        .unwrap();
    last
}

#[test]
fn what_others_did_after_a_crash_is_not_removed() {
    let (host, archive, appspec) = busy_host();
    assert!(killed(&host, &archive, &appspec, last_step(Moment::Commit)));
    // A log in a new directory, a file written anew, one removed.
    fs_err::write(host.at("app/whole/new/log"), "precious").unwrap();
    fs_err::remove_file(host.at("app/same")).unwrap();
    fs_err::write(host.at("app/.same"), "by hand").unwrap();
    fs_err::rename(host.at("app/.same"), host.at("app/same")).unwrap();
    fs_err::remove_file(host.at("app/d/x")).unwrap();
    let recovered = recover(&host).unwrap();
    assert_eq!(recovered.outcome, Outcome::RolledBack);
    assert_eq!(host.text("app/same") + &host.text("app/d/x"), "by hand1");
    assert!(!host.at("app/whole").exists());
    let left = snapshot(&host.srv());
    let log = left.iter().find(|(path, _)| path.ends_with("new/log"));
    assert_eq!(log.unwrap().1.content.as_deref(), Some(&b"precious"[..]));
    let text = recovered.warnings.join("\n");
    for part in [
        "app/whole held files",
        "app/same was replaced",
        "is kept with",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Nothing stands in the way of what comes next.
    host.install(&archive, &appspec, &Overwrite).unwrap();
    assert_eq!(host.text("app/same"), "2");
}

#[test]
fn an_install_of_another_agent_after_a_crash_stands() {
    let (host, archive, appspec) = busy_host();
    assert!(killed(&host, &archive, &appspec, last_step(Moment::Remove)));
    fs_err::write(host.at("app/same"), "other agent").unwrap();
    let line = format!("{}\n", host.at("app/same").display());
    fs_err::write(host.records().cleanup(), &line).unwrap();
    let recovered = recover(&host).unwrap();
    assert_eq!(recovered.outcome, Outcome::Superseded);
    assert!(recovered.warnings.join("").contains("is kept with"));
    assert_eq!(host.text("app/same"), "other agent");
    assert_eq!(
        fs_err::read_to_string(host.records().cleanup()).unwrap(),
        line
    );
    assert_eq!(recover(&host), None);
}

#[test]
fn an_area_that_is_not_there_stops_the_recovery_until_it_is() {
    let (host, archive, appspec) = busy_host();
    let before = everything(&host);
    assert!(killed(&host, &archive, &appspec, last_step(Moment::Commit)));
    let (srv, away) = (host.srv(), host.path("unmounted"));
    fs_err::rename(&srv, &away).unwrap();
    fs_err::create_dir(&srv).unwrap();
    let tools = &host.options.selinux;
    let error = crate::install::recover(&host.records(), tools).unwrap_err();
    let text = crate::error::chain(&error);
    assert!(text.contains("mount its file system"), "{text}");
    fs_err::remove_dir(&srv).unwrap();
    fs_err::rename(&away, &srv).unwrap();
    assert_eq!(recover(&host).unwrap().outcome, Outcome::RolledBack);
    assert_eq!(everything(&host), before);
}

#[test]
fn all_groups_are_recovered_but_those_at_work() {
    let root = |host: &Host| crate::deployment_root::DeploymentRoot::new(host.path("root"));
    let (host, archive, appspec) = busy_host();
    let tools = &host.options.selinux;
    assert!(recover_all(&root(&host), tools).unwrap().is_empty());
    assert!(killed(&host, &archive, &appspec, last_step(Moment::Commit)));
    let at_work = crate::files::Lock::try_acquire(&host.records().lock()).unwrap();
    assert!(recover_all(&root(&host), tools).unwrap().is_empty());
    drop(at_work);
    let recovered = recover_all(&root(&host), tools).unwrap();
    assert_eq!(recovered.len(), 1);
    assert_eq!(recovered[0].0.as_str(), "group");
    assert_eq!(
        recovered[0].1.as_ref().unwrap().outcome,
        Outcome::RolledBack
    );
}

#[test]
fn an_interruption_before_the_commit_gives_up_and_one_after_it_does_not() {
    use std::sync::atomic::Ordering;

    for (moment, gives_up) in [(Moment::Stage, true), (Moment::Place, false)] {
        let (host, archive, appspec) = busy_host();
        let before = everything(&host);
        let result = host.install_watched(&archive, &appspec, &Overwrite, &mut |now| {
            if now == moment {
                host.interrupted.store(true, Ordering::Relaxed);
            }
            Ok(())
        });
        if gives_up {
            assert!(
                matches!(result, Err(InstallError::Interrupted)),
                "{result:?}"
            );
            assert_eq!(everything(&host), before);
        } else {
            result.unwrap();
        }
        host.assert_tidy();
        let again = host.install(&archive, &appspec, &Overwrite);
        assert!(matches!(again, Err(InstallError::Interrupted)), "{again:?}");
    }
}
