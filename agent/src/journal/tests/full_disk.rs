//! A full disk, and a journal that somebody takes away.

use super::*;
use crate::journal::JournalError;

/// A small file system, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> Option<Self> {
        if !integration_tests::running_as_root("a journal on a full disk") {
            return None;
        }
        fs_err::create_dir_all(&path).unwrap();
        let mounted = run(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"], &path);
        assert!(
            mounted || std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
            "cannot mount"
        );
        mounted.then_some(Self(path))
    }

    fn path(&self) -> PathBuf {
        self.0.join("commands.journal")
    }

    /// Takes all but `pages` pages of what is free.
    fn fill(&self, pages: usize) {
        use std::io::Write as _;
        let path = self.0.join("filler");
        let mut filler = fs_err::File::create(&path).unwrap();
        let mut filled = 0;
        while filler.write_all(&[0; 4096]).is_ok() {
            filled += 1;
        }
        filler.set_len((filled - pages as u64) * 4096).unwrap();
    }

    fn make_room(&self) {
        fs_err::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        run(&["umount"], &self.0);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own set-up")]
fn run(command: &[&str], path: &Path) -> bool {
    std::process::Command::new(command[0])
        .args(&command[1..])
        .arg(path)
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn a_record_that_does_not_fit_leaves_the_journal_as_it_was() {
    let place = Place::new();
    let Some(disk) = Small::mount(place.directory.path().join("small")) else {
        return;
    };
    let journal = Journal::open(&disk.path(), BOOT).unwrap().journal;
    journal.taken(&command("one"), &State::Received).unwrap();
    let before = fs_err::read(disk.path()).unwrap();
    for pages in [0, 1] {
        disk.fill(pages);
        // Its beginning fits.
        let long = finished(&"x".repeat(10_000));
        let error = journal.state("one", &long).unwrap_err();
        assert!(matches!(error, JournalError::Append { .. }), "{error}");
        let text = crate::error::chain(&error);
        assert!(
            text.contains("commands.journal") && text.contains("No space left"),
            "{text}"
        );
        assert_eq!(fs_err::read(disk.path()).unwrap(), before);
        disk.make_room();
    }
    journal.state("one", &finished("short")).unwrap();
    drop(journal);
    let opened = Journal::open(&disk.path(), BOOT).unwrap();
    assert_eq!(opened.complaints, [""; 0]);
    assert_eq!(opened.live[0].state, finished("short"));
}

#[test]
fn a_journal_with_an_interrupted_append_opens_on_a_full_disk_and_grows_when_there_is_room() {
    let place = Place::new();
    let Some(disk) = Small::mount(place.directory.path().join("small")) else {
        return;
    };
    let mut content = realistic();
    content.extend_from_slice(b"0123abcd {\"state\":{\"at\":17");
    put(&disk.path(), content);
    disk.fill(0);
    let opened = Journal::open(&disk.path(), BOOT).unwrap();
    assert_eq!((opened.live.len(), opened.known.len()), (2, 3));
    disk.make_room();
    opened.journal.state("in-script", &succeeded()).unwrap();
    drop(opened);
    let opened = Journal::open(&disk.path(), BOOT).unwrap();
    assert_eq!(opened.complaints, [""; 0]);
    assert_eq!(opened.live[0].state, succeeded());
    assert_eq!(names(&disk.0), ["commands.journal"]);
}

#[test]
fn no_room_for_a_first_journal_is_said_and_leaves_nothing() {
    let place = Place::new();
    let Some(disk) = Small::mount(place.directory.path().join("small")) else {
        return;
    };
    disk.fill(0);
    let error = Journal::open(&disk.path(), BOOT).unwrap_err();
    assert!(matches!(error, JournalError::Replace { .. }), "{error}");
    assert_eq!(names(&disk.0), ["filler"]);
}

#[test]
fn a_journal_that_was_taken_away_is_written_anew_with_all_that_it_held() {
    let place = Place::new();
    let journal = place.open().journal;
    journal.taken(&command("one"), &State::Received).unwrap();
    fs_err::remove_file(place.path()).unwrap();
    journal.state("one", &State::Resolving).unwrap();
    fs_err::rename(place.path(), place.directory.path().join("aside")).unwrap();
    fs_err::write(place.path(), "somebody's").unwrap();
    journal.taken(&command("two"), &State::Received).unwrap();
    drop(journal);
    let opened = place.open();
    assert_eq!(opened.complaints, [""; 0]);
    assert_eq!(opened.live[0].state, State::Resolving);
    assert_eq!(opened.live.len(), 2);
}

#[test]
fn without_its_directory_nothing_is_written_and_nothing_lost() {
    let place = Place::new();
    let root = place.directory.path().join("root");
    fs_err::create_dir(&root).unwrap();
    let path = root.join("commands.journal");
    let journal = Journal::open(&path, BOOT).unwrap().journal;
    journal.taken(&command("one"), &State::Received).unwrap();
    fs_err::remove_dir_all(&root).unwrap();
    let error = journal.state("one", &State::Resolving).unwrap_err();
    assert!(matches!(error, JournalError::Replace { .. }), "{error}");
    fs_err::create_dir(&root).unwrap();
    journal.state("one", &State::Installing).unwrap();
    drop(journal);
    let opened = Journal::open(&path, BOOT).unwrap();
    assert_eq!(opened.live[0].state, State::Installing);
}
