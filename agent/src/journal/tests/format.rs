//! The file as it is written: a change here needs a new format number, because the previous
//! version would read it wrongly.

use super::*;

/// As an agent of format 1 has written it.
const FORMAT_1: &str = include_str!("format_1.journal");

#[test]
fn format_1_is_read_and_written_as_ever() {
    let place = Place::new();
    put(&place.path(), FORMAT_1);
    let opened = place.open();
    assert_eq!(opened.complaints, [""; 0]);
    assert_eq!(opened.live.len(), 2);
    assert_eq!(opened.live[0].taken, read_again(command("in-script")));
    assert_eq!(opened.live[0].state, State::InScript { index: 1, of: 2 });
    assert!(opened.live[1].may_have_been_accepted);
    assert_eq!(opened.known, ["closed-0".to_owned()].into());
    drop(opened);
    assert_eq!(fs_err::read_to_string(place.path()).unwrap(), FORMAT_1);
}

#[test]
fn the_host_is_read_as_written_and_may_be_absent() {
    let place = Place::new();
    let mut taken = command("one");
    taken.host_identifier = Some("arn:aws:ec2:r:1:instance/i-1".into());
    let journal = place.open().journal;
    journal.taken(&taken, &State::Installing).unwrap();
    let text = fs_err::read_to_string(place.path()).unwrap();
    assert!(
        text.contains(r#""host_identifier":"arn:aws:ec2:r:1:instance/i-1""#),
        "{text}"
    );
    assert_eq!(place.open().live[0].taken, read_again(taken));
    assert!(!FORMAT_1.contains("host_identifier"));
}

#[test]
fn every_state_has_its_form() {
    let states = [
        (State::Received, r#""Received""#),
        (State::Resolving, r#""Resolving""#),
        (
            State::AwaitingReply(Resolution::Noop),
            r#"{"AwaitingReply":"Noop"}"#,
        ),
        (
            State::AwaitingReply(Resolution::Scripts(3)),
            r#"{"AwaitingReply":{"Scripts":3}}"#,
        ),
        (State::Downloading, r#""Downloading""#),
        (State::Installing, r#""Installing""#),
        (
            State::InScript { index: 0, of: 2 },
            r#"{"InScript":{"index":0,"of":2}}"#,
        ),
        (State::Sweeping { index: 1 }, r#"{"Sweeping":{"index":1}}"#),
        (
            finished("m"),
            r#"{"Finished":{"error_code":5,"script_name":"","message":"m","log":""}}"#,
        ),
        (State::Done, r#""Done""#),
    ];
    for (state, form) in states {
        assert_eq!(serde_json::to_string(&state).unwrap(), form);
        assert_eq!(serde_json::from_str::<State>(form).unwrap(), state);
    }
}
