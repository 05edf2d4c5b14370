//! Local deployments: written down, and read again.

use super::*;
use crate::diagnostics::Code;
use crate::files::{Lock, checked_line};
use crate::history::{DeploymentResult, LocalRecordError, Requester};

#[test]
fn what_was_written_down_is_read_again() {
    let place = Place::new();
    let before = SystemTime::now() - Duration::from_millis(1);
    let noop = Diagnostics::succeeded(SuccessMessage::Noop);
    place.record(
        "d-1-local",
        &[("ApplicationStop", noop), ("Install", succeeded())],
        Some(LocalEnding::Succeeded),
    );
    let history = place.read();
    assert_eq!(history.complaints, [""; 0]);
    let past = one(&history, "d-1-local");
    assert_eq!(past.group_id.as_ref().unwrap().as_str(), "g-1");
    assert_eq!(past.group_name.as_deref(), Some("Group"));
    assert_eq!(past.application.as_deref(), Some("App"));
    assert_eq!(past.revision.as_deref(), Some("GitHub acme/shop at HEAD"));
    assert_eq!(past.requester, Requester::Local);
    assert_eq!(past.result, DeploymentResult::Succeeded);
    assert!(before <= past.began && past.began <= past.ended.unwrap());
    let [stop, install] = &past.events[..] else {
        panic!("{past:?}")
    };
    assert!(stop.is_noop() && !install.is_noop() && !install.is_failure());
    assert_eq!(install.name, "Install");
    assert_eq!(install.code, Some(Code::Succeeded));
    assert!(stop.ended.unwrap() <= install.began && install.duration().is_some());
}

#[test]
fn a_failure_is_told_with_its_event_and_a_cancellation_is_none() {
    let place = Place::new();
    let failed = || Diagnostics::other(&"why ".repeat(100));
    place.record(
        "d-failed",
        &[("DownloadBundle", succeeded()), ("Mine", failed())],
        Some(LocalEnding::Failed),
    );
    place.record(
        "d-gone",
        &[("Mine", failed())],
        Some(LocalEnding::Cancelled),
    );
    let history = place.read();
    let DeploymentResult::Failed {
        event,
        code,
        message,
    } = &one(&history, "d-failed").result
    else {
        panic!("{history:?}")
    };
    assert_eq!((event.as_str(), *code), ("Mine", Some(Code::Other)));
    assert!(message.starts_with("why why") && message.ends_with('…'));
    assert_eq!(one(&history, "d-gone").result, DeploymentResult::Cancelled);
}

#[test]
fn the_lock_tells_a_running_deployment_from_a_killed_one() {
    let place = Place::new();
    let directory = place.directory("g-1", "d-1", 0);
    let lock = Lock::try_acquire(&directory.join(".in-use")).unwrap();
    let mut recorder = place.recorder("d-1");
    recorder.began(&spec("d-1")).unwrap();
    let result = |place: &Place| one(&place.read(), "d-1").result.clone();
    assert_eq!(result(&place), DeploymentResult::Running { event: None });
    let event = LifecycleEvent::Install;
    recorder.event_began(&event).unwrap();
    let event = Some("Install".to_owned());
    assert_eq!(
        result(&place),
        DeploymentResult::Running {
            event: event.clone()
        }
    );
    assert_eq!(one(&place.read(), "d-1").ended, None);
    drop(lock);
    assert_eq!(result(&place), DeploymentResult::Killed { event });
}

#[test]
fn neither_a_token_nor_access_for_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.record("d-1", &[("Install", succeeded())], None);
    let content = fs_err::read_to_string(place.local_file()).unwrap();
    assert!(content.contains("acme") && !content.contains("ghp_secret"));
    let mode = fs_err::metadata(place.local_file()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn any_damage_takes_one_line_only() {
    let place = Place::new();
    place.record(
        "d-1",
        &[("Install", succeeded())],
        Some(LocalEnding::Succeeded),
    );
    place.record(
        "d-2",
        &[("Install", succeeded())],
        Some(LocalEnding::Succeeded),
    );
    let whole = fs_err::read(place.local_file()).unwrap();
    let intact = place.read();
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 0x20;
        fs_err::write(place.local_file(), &damaged).unwrap();
        let history = place.read();
        let same = intact
            .deployments
            .iter()
            .filter(|past| history.deployments.contains(past));
        assert!(same.count() >= 1, "byte {index}: {history:?}");
        assert!(history.deployments.len() <= 2, "byte {index}");
        assert!(history.complaints.len() <= 1, "byte {index}");
        // What is appended to it is whole.
        let mut recorder = place.recorder("d-3");
        recorder.began(&spec("d-3")).unwrap();
        recorder.event_began(&LifecycleEvent::Install).unwrap();
        assert_eq!(one(&place.read(), "d-3").events.len(), 1, "byte {index}");
    }
}

#[test]
fn a_record_that_a_killed_process_left_unfinished_harms_no_other() {
    let place = Place::new();
    place.record("d-1", &[("Install", succeeded())], None);
    let whole = fs_err::read(place.local_file()).unwrap();
    for length in 0..whole.len() {
        fs_err::write(place.local_file(), &whole[..length]).unwrap();
        let before = place.read();
        assert_eq!(before.complaints, [""; 0], "{length} bytes");
        place.record("d-2", &[], Some(LocalEnding::Succeeded));
        // Line by line, as any reader takes it.
        let content = fs_err::read(place.local_file()).unwrap();
        let lines = content.split(|byte| *byte == b'\n');
        let intact = lines.filter(|line| checked_line::json(line).is_some());
        assert!(intact.count() >= 2, "{length} bytes");
        let history = place.read();
        assert_eq!(one(&history, "d-2").result, DeploymentResult::Succeeded);
        assert!(
            history.deployments.len() > before.deployments.len(),
            "{length} bytes"
        );
    }
}

#[test]
fn the_newest_512_are_kept() {
    let place = Place::new();
    let events: Vec<_> = [
        "ApplicationStop",
        "DownloadBundle",
        "BeforeInstall",
        "Install",
    ]
    .map(|event| (event, Diagnostics::other(&"why ".repeat(60))))
    .to_vec();
    let mut longest = 0;
    let mut shrunk = 0;
    for number in 0..1800 {
        place.record(
            &format!("d-{number:04}"),
            &events,
            Some(LocalEnding::Failed),
        );
        let length = fs_err::metadata(place.local_file()).unwrap().len();
        shrunk += usize::from(length < longest);
        longest = length.max(longest);
    }
    assert!(
        shrunk >= 1 && longest < (3 << 19) + 4096,
        "{shrunk} {longest}"
    );
    let history = place.read();
    assert!(history.complaints.is_empty() && history.deployments.len() >= 512);
    assert_eq!(one(&history, "d-1799").events.len(), 4);
    assert!(!ids(&history).contains(&"d-0000"));
}

#[test]
fn deployments_at_once_lose_nothing_of_each_other() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for number in 0..25 {
                    let id = format!("d-{writer}-{number}");
                    place.record(
                        &id,
                        &[("Install", succeeded()), ("Mine", succeeded())],
                        Some(LocalEnding::Succeeded),
                    );
                }
            });
        }
    });
    let history = place.read();
    assert_eq!(history.complaints, [""; 0]);
    assert_eq!(history.deployments.len(), 100);
    for past in &history.deployments {
        assert_eq!(past.result, DeploymentResult::Succeeded);
        assert_eq!(past.events.len(), 2);
    }
}

#[test]
fn nobody_writes_while_another_has_the_lock_and_nobody_waits_for_ever() {
    let place = Place::new();
    let lock = Lock::try_acquire(&place.root.local_deployments_lock()).unwrap();
    let error = place.recorder("d-1").began(&spec("d-1")).unwrap_err();
    assert!(matches!(error, LocalRecordError::Busy { .. }), "{error}");
    assert!(!place.local_file().exists());
    drop(lock);
    place.record("d-1", &[], Some(LocalEnding::Succeeded));
    assert_eq!(ids(&place.read()), ["d-1"]);
}
