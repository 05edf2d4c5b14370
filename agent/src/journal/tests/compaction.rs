//! How long the file gets.

use super::*;
use crate::journal::ledger::KEPT_CLOSED;
use crate::journal::read_history;

#[test]
fn live_commands_and_the_newest_closed_ones_are_kept() {
    let place = Place::new();
    let opened = Journal::open_with_growth(&place.path(), BOOT, 10_000).unwrap();
    let journal = opened.journal;
    journal
        .taken(&command("live"), &State::InScript { index: 0, of: 1 })
        .unwrap();
    let long = "é".repeat(500);
    let over = KEPT_CLOSED + 40;
    for number in 0..over {
        let id = format!("over-{number}");
        journal.taken(&command(&id), &State::Received).unwrap();
        journal.state(&id, &finished(&long)).unwrap();
        journal.settled(&id, Settlement::Accepted).unwrap();
    }
    drop(journal);
    let opened = place.open();
    assert_eq!(opened.live.len(), 1);
    assert_eq!(opened.live[0].taken, read_again(command("live")));
    assert_eq!(opened.known.len(), KEPT_CLOSED);
    assert!(!opened.known.contains("over-39") && opened.known.contains("over-40"));
    let history = read_history(&place.path()).unwrap();
    assert_eq!(history.len(), KEPT_CLOSED + 1);
    assert_eq!(history[0].message, "é".repeat(199) + "…");
    assert_eq!(place.names(), ["commands.journal"]);
}

#[test]
fn the_file_is_written_anew_after_so_much_growth_and_not_before() {
    use std::os::unix::fs::MetadataExt as _;
    let place = Place::new();
    let growth = 20_000;
    let opened = Journal::open_with_growth(&place.path(), BOOT, growth).unwrap();
    let journal = opened.journal;
    let mut identity = 0;
    let mut shortest = 0;
    let mut rewritings = 0;
    let mut longest_growth = 0;
    for number in 0..300 {
        let id = format!("over-{number}");
        journal.taken(&command(&id), &State::Received).unwrap();
        journal.settled(&id, Settlement::Accepted).unwrap();
        let metadata = fs_err::metadata(place.path()).unwrap();
        if metadata.ino() != identity {
            identity = metadata.ino();
            rewritings += 1;
            shortest = metadata.len();
        }
        longest_growth = longest_growth.max(metadata.len() - shortest);
    }
    assert!(longest_growth < growth + 2_000, "{longest_growth}");
    // Some hundred bytes a command, so many commands between two rewritings.
    assert!((5..=15).contains(&rewritings), "{rewritings}");
}

#[test]
fn an_unchanged_journal_is_not_written_at_all() {
    use std::os::unix::fs::MetadataExt as _;
    let place = Place::new();
    put(&place.path(), realistic());
    drop(place.open());
    let identity = || fs_err::metadata(place.path()).unwrap().ino();
    let compacted = identity();
    drop(place.open());
    assert_eq!(identity(), compacted);
}

#[test]
fn what_a_killed_compaction_left_is_in_nobodys_way() {
    let place = Place::new();
    put(&place.path(), realistic());
    let elsewhere = place.directory.path().join("elsewhere");
    fs_err::write(&elsewhere, "mine").unwrap();
    let half = place.directory.path().join("commands.journal.new");
    fs_err::os::unix::fs::symlink(&elsewhere, half).unwrap();
    assert_eq!(place.open().live.len(), 2);
    assert_eq!(fs_err::read_to_string(elsewhere).unwrap(), "mine");
    assert_eq!(place.names(), ["commands.journal", "elsewhere"]);
}
