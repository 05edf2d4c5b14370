//! All sources together.

use super::*;
use crate::history::{Lookup, Requester};
use crate::journal::{Journal, Settlement, TakenCommand};
use crate::lifecycle::State;

/// A command of the service's deployment `id`, accepted.
fn command(place: &Place, id: &str, name: &str) {
    let path = place.root.commands_journal();
    let journal = Journal::open(&path, "boot").unwrap().journal;
    let host_command_identifier = format!("{id}-{name}");
    let taken = TakenCommand {
        host_command_identifier: host_command_identifier.clone(),
        host_identifier: None,
        deployment_execution_id: "a/b".into(),
        command_name: name.into(),
        spec: Some(spec(id)),
        run_key: "run".into(),
    };
    journal.taken(&taken, &State::Installing).unwrap();
    let finished = State::Finished(succeeded());
    journal.state(&host_command_identifier, &finished).unwrap();
    journal
        .settled(&host_command_identifier, Settlement::Accepted)
        .unwrap();
}

#[test]
fn each_deployment_appears_once_with_all_that_is_known() {
    let place = Place::new();
    place.directory("g-1", "d-OLD", 0);
    command(&place, "d-SERVICE", "Install");
    command(&place, "d-SERVICE", "ValidateService");
    let directory = place.directory("g-1", "d-SERVICE", 0);
    place.record(
        "d-1-local",
        &[("Install", succeeded())],
        Some(LocalEnding::Succeeded),
    );
    let pointer = place.root.instructions(&spec("d-OLD").deployment_group_id);
    fs_err::create_dir(place.root.instructions_directory()).unwrap();
    let target = directory.display().to_string();
    fs_err::write(pointer.last_successful(), target).unwrap();
    let history = place.read();
    assert_eq!(history.complaints, [""; 0]);
    assert_eq!(ids(&history), ["d-1-local", "d-SERVICE", "d-OLD"]);
    let service = one(&history, "d-SERVICE");
    assert_eq!(service.result.word(), "succeeded");
    assert_eq!(service.requester, Requester::Service);
    assert_eq!(service.group_id.as_ref().unwrap().as_str(), "g-1");
    assert_eq!(service.held.as_ref().unwrap().directory, directory);
    assert!(service.is_last_successful && !service.is_most_recent);
    assert_eq!(service.events[0].settlement, Some(Settlement::Accepted));
    assert_eq!(one(&history, "d-1-local").held, None);
}

#[test]
fn a_journal_that_cannot_be_used_takes_nothing_else_with_it() {
    let place = Place::new();
    fs_err::create_dir(place.root.commands_journal()).unwrap();
    place.directory("g-1", "d-OLD", 0);
    place.record("d-1-local", &[], Some(LocalEnding::Succeeded));
    let history = place.read();
    assert_eq!(ids(&history), ["d-1-local", "d-OLD"]);
    let [complaint] = &history.complaints[..] else {
        panic!("{history:?}")
    };
    assert!(complaint.contains("commands.journal"), "{complaint}");
}

#[test]
fn several_roots_make_one_history() {
    let (one, other) = (Place::new(), Place::new());
    one.directory("g-1", "d-A", 10);
    one.directory("g-1", "d-C", 30);
    other.directory("g-1", "d-B", 20);
    other.directory("g-1", "d-D", 30);
    let both = one.read().and(other.read());
    assert_eq!(ids(&both), ["d-D", "d-C", "d-B", "d-A"]);
}

#[test]
fn the_beginning_of_an_id_is_enough() {
    let place = Place::new();
    for (id, changed) in [("d-ABC", 1), ("d-ABCD", 2), ("d-X", 3)] {
        place.directory("g-1", id, changed);
    }
    let history = place.read();
    let one = |text: &str| match history.find(text) {
        Lookup::One(past) => past.id.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(one("d-X"), "d-X");
    assert_eq!(one("d-ABCD"), "d-ABCD");
    // A whole id is not ambiguous.
    assert_eq!(one("d-ABC"), "d-ABC");
    assert_eq!(history.find("d-Y"), Lookup::None);
    let Lookup::Several(found) = history.find("d-AB") else {
        panic!()
    };
    let found: Vec<_> = found.iter().map(|past| past.id.as_str()).collect();
    assert_eq!(found, ["d-ABCD", "d-ABC"]);
}
