//! A journal that nothing happens to.

use std::time::SystemTime;

use super::*;
use crate::diagnostics::Code;
use crate::journal::{JournalError, read_history};

#[test]
fn what_was_written_down_is_there_after_a_restart() {
    let place = Place::new();
    let opened = place.open();
    assert!(opened.live.is_empty() && opened.known.is_empty() && opened.complaints.is_empty());
    let awaiting = State::AwaitingReply(Resolution::Scripts(2));
    let before = SystemTime::now();
    opened.journal.taken(&command("one"), &awaiting).unwrap();
    let state = State::InScript { index: 1, of: 2 };
    opened.journal.state("one", &state).unwrap();
    drop(opened);

    let opened = Journal::open(&place.path(), "the-second-boot").unwrap();
    assert_eq!(opened.complaints, [""; 0]);
    let [entry] = &opened.live[..] else {
        panic!("{:?}", opened.live)
    };
    assert_eq!(entry.taken, read_again(command("one")));
    assert_eq!(entry.state, state);
    assert_eq!(entry.boot_id, BOOT);
    assert!(!entry.may_have_been_accepted);
    assert!(entry.since <= SystemTime::now());
    assert!(
        before
            .duration_since(entry.since)
            .unwrap_or_default()
            .as_millis()
            < 2
    );

    opened.journal.state("one", &finished("why")).unwrap();
    opened.journal.uncertain("one").unwrap();
    drop(opened);
    let opened = place.open();
    assert_eq!(opened.live[0].state, finished("why"));
    assert_eq!(opened.live[0].boot_id, "the-second-boot");
    assert!(opened.live[0].may_have_been_accepted);

    opened.journal.settled("one", Settlement::Accepted).unwrap();
    drop(opened);
    for _ in 0..2 {
        let opened = place.open();
        assert!(opened.live.is_empty());
        assert_eq!(opened.known, ["one".to_owned()].into());
    }
    assert_eq!(place.names(), ["commands.journal"]);
}

#[test]
fn commands_come_back_in_the_order_in_which_they_were_taken() {
    let place = Place::new();
    let opened = place.open();
    let ids = ["z", "a", "m", "b"];
    for id in ids {
        opened
            .journal
            .taken(&command(id), &State::Received)
            .unwrap();
    }
    opened.journal.state("m", &State::Resolving).unwrap();
    drop(opened);
    let opened = place.open();
    let found = opened.live.iter();
    let found: Vec<_> = found
        .map(|entry| entry.taken.host_command_identifier.as_str())
        .collect();
    assert_eq!(found, ids);
}

#[test]
fn no_token_and_no_access_for_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let opened = place.open();
    opened
        .journal
        .taken(&command("one"), &State::Downloading)
        .unwrap();
    let content = fs_err::read_to_string(place.path()).unwrap();
    assert!(content.contains("acme") && !content.contains("ghp_secret"));
    let mode = fs_err::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_command_that_was_never_taken_is_refused_and_leaves_no_trace() {
    let place = Place::new();
    let journal = place.open().journal;
    let before = fs_err::read(place.path()).unwrap();
    for result in [
        journal.state("one", &State::Resolving),
        journal.uncertain("one"),
        journal.settled("one", Settlement::GivenUp),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, JournalError::NotTaken { .. }), "{error}");
    }
    assert_eq!(fs_err::read(place.path()).unwrap(), before);
}

#[test]
fn a_command_that_is_taken_again_is_at_work_again() {
    let place = Place::new();
    let journal = place.open().journal;
    journal.taken(&command("one"), &State::Received).unwrap();
    journal.settled("one", Settlement::GivenUp).unwrap();
    journal.taken(&command("one"), &State::Resolving).unwrap();
    drop(journal);
    let opened = place.open();
    assert_eq!(opened.live[0].state, State::Resolving);
    assert!(opened.known.is_empty());
}

#[test]
fn the_history_tells_what_is_over_and_what_is_not() {
    let place = Place::new();
    assert_eq!(read_history(&place.path()).unwrap(), []);
    put(&place.path(), realistic());
    let restored = fs_err::read(place.path()).unwrap();
    let history = read_history(&place.path()).unwrap();
    assert_eq!(fs_err::read(place.path()).unwrap(), restored);
    let rows: Vec<_> = history
        .iter()
        .map(|past| {
            (
                past.host_command_identifier.as_str(),
                past.code,
                past.ended.is_some(),
                past.settlement,
            )
        })
        .collect();
    let accepted = Some(Settlement::Accepted);
    assert_eq!(
        rows,
        [
            ("closed-0", Some(Code::Succeeded), true, accepted),
            ("closed-1", Some(Code::Succeeded), true, accepted),
            (
                "settled",
                Some(Code::Succeeded),
                true,
                Some(Settlement::Refused)
            ),
            ("in-script", None, false, None),
            ("unreported", Some(Code::Other), true, None),
        ]
    );
    for past in &history {
        assert_eq!(past.command_name, "BeforeInstall");
        assert_eq!(past.deployment_id.as_deref(), Some("d-1"));
        assert_eq!(past.deployment_group_name.as_deref(), Some("Group"));
        assert_eq!(past.application_name.as_deref(), Some("App"));
        assert_eq!(past.revision.as_deref(), Some("GitHub acme/shop at HEAD"));
        assert!(past.ended.is_none_or(|ended| ended >= past.began));
    }
}
