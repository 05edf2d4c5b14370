//! A host that only AWS's agents have deployed to.

use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::history::{DeploymentResult, HistoryError, Requester};

fn point(place: &Place, name: &str, target: impl AsRef<std::path::Path>) {
    let directory = place.root.instructions_directory();
    fs_err::create_dir_all(&directory).unwrap();
    let target = target.as_ref().as_os_str().as_bytes();
    fs_err::write(directory.join(name), target).unwrap();
}

#[test]
fn no_root_directory_is_an_empty_history() {
    let root = DeploymentRoot::new("/nonexistent/deployment-root");
    assert_eq!(History::read(&root).unwrap(), History::default());
}

#[test]
fn directories_are_told_newest_first_with_what_the_pointers_name() {
    let place = Place::new();
    let old = place.directory("g-1", "d-OLD", 10);
    let new = place.directory("g-1", "d-NEW", 20);
    fs_err::remove_dir(new.join("deployment-archive")).unwrap();
    fs_err::File::open(&new)
        .unwrap()
        .set_modified(at(20))
        .unwrap();
    place.directory("g-2", "d-MID-local", 15);
    fs_err::create_dir_all(place.root.logs_directory()).unwrap();
    fs_err::create_dir_all(place.root.path().join("ongoing-deployment/d-X")).unwrap();
    point(
        &place,
        "g-1_last_successful_install",
        format!("{}\n", old.display()),
    );
    // The same directory by another name: a configuration may have changed.
    point(&place, "g-1_most_recent_install", "/elsewhere/g-1/d-NEW");
    let history = place.read();
    assert_eq!(ids(&history), ["d-NEW", "d-MID-local", "d-OLD"]);
    assert_eq!(history.complaints, [""; 0]);
    let [new, mid, old] = &history.deployments[..] else {
        panic!()
    };
    assert_eq!(new.began, at(20));
    assert_eq!(new.result, DeploymentResult::Unknown);
    assert!(new.is_most_recent && !new.is_last_successful);
    assert!(old.is_last_successful && !old.is_most_recent);
    assert!(!mid.is_most_recent && !mid.is_last_successful);
    assert_eq!(new.requester, Requester::Service);
    assert_eq!(mid.requester, Requester::Local);
    assert_eq!(mid.group_id.as_ref().unwrap().as_str(), "g-2");
    let held = |past: &PastDeployment| past.held.clone().unwrap();
    assert!(held(old).has_archive && !held(new).has_archive);
    assert!(held(new).directory.ends_with("g-1/d-NEW"));
    assert!(new.events.is_empty() && new.revision.is_none() && new.ended.is_none());
}

#[test]
fn what_is_planted_there_is_no_deployment() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    fs_err::create_dir(elsewhere.path().join("d-planted")).unwrap();
    let link = |path: PathBuf| fs_err::os::unix::fs::symlink(elsewhere.path(), path).unwrap();
    place.directory("g-1", "d-1", 0);
    link(place.root.path().join("g-linked"));
    link(place.root.path().join("g-1/d-linked"));
    fs_err::create_dir(place.root.path().join(".g-1-hidden")).unwrap();
    fs_err::create_dir(place.root.path().join("g-1/\u{1b}[2J")).unwrap();
    fs_err::write(place.root.path().join("g-1/d-file"), "").unwrap();
    fs_err::create_dir_all(place.root.path().join("backup/2026")).unwrap();
    let archive = place.root.path().join("g-1/d-1/deployment-archive");
    fs_err::remove_dir(&archive).unwrap();
    link(archive);
    let history = place.read();
    assert_eq!(ids(&history), ["d-1"]);
    assert!(!history.deployments[0].held.as_ref().unwrap().has_archive);
}

#[test]
fn pointers_that_cannot_be_used_are_complained_of() {
    let place = Place::new();
    place.directory("g-1", "d-1", 0);
    point(&place, "g-1_last_successful_install", "d-1");
    let most_recent = place
        .root
        .instructions_directory()
        .join("g-1_most_recent_install");
    nix::unistd::mkfifo(&most_recent, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let history = place.read();
    assert_eq!(ids(&history), ["d-1"]);
    let [most_recent, last_successful] = &history.complaints[..] else {
        panic!("{history:?}")
    };
    assert!(most_recent.contains("not a regular file"), "{most_recent}");
    assert!(
        last_successful.contains("absolute path"),
        "{last_successful}"
    );
}

#[test]
fn who_may_not_look_is_told_so() {
    use std::os::unix::fs::PermissionsExt as _;
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(place.root.path(), permissions).unwrap();
    };
    mode(0o311);
    let error = History::read(&place.root).unwrap_err();
    mode(0o755);
    assert!(matches!(error, HistoryError::Denied { .. }), "{error}");
    assert!(error.to_string().contains("look as root"), "{error}");
}
