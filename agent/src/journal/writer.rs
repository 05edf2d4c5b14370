//! The journal as the daemon has it open.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use failpoints::Failpoint;
use fs_err as fs;

use super::compaction;
use super::entry::{Entry, Settlement, TakenCommand};
use super::error::JournalError;
use super::file;
use super::ledger::Ledger;
use super::milliseconds::now;
use super::record::Record;
use crate::error::chain;
use crate::files::checked_line as line;
use crate::lifecycle::State;

/// Whether an append has to survive the host's going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Nothing else happens before it does.
    Synced,
    /// It only saves work; the next synced record makes it durable as well.
    Relaxed,
}

/// The journal of commands, open for appending.
///
/// All calls do I/O, and most wait for the disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    boot_id: String,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    file: fs::File,
    ledger: Ledger,
    /// Of the whole records.
    length: u64,
    /// The length at which it is written anew.
    rewritten_at: u64,
    growth: u64,
    /// What is on disk may not be what was written: it is written anew before anything else is
    /// appended.
    suspect: bool,
}

impl Journal {
    /// The journal that is open in `file`, has `length` bytes and comes to `ledger`; written anew
    /// when it has grown by `growth` bytes.
    pub(super) fn of(
        path: &Path,
        boot_id: &str,
        (file, length): (fs::File, u64),
        ledger: Ledger,
        growth: u64,
    ) -> Self {
        let writer = Writer {
            file,
            ledger,
            length,
            rewritten_at: length + growth,
            growth,
            suspect: false,
        };
        Self {
            path: path.to_owned(),
            boot_id: boot_id.to_owned(),
            writer: Mutex::new(writer),
        }
    }

    /// Notes that `command` was taken, and the state in which its work begins; durable.
    ///
    /// # Errors
    /// When that could not be written: the journal is as it was before.
    pub fn taken(&self, command: &TakenCommand, state: &State) -> Result<(), JournalError> {
        let at = now();
        let records = vec![
            Record::Taken {
                at,
                boot_id: self.boot_id.clone(),
                command: Box::new(command.clone()),
            },
            self.state_record(at, &command.host_command_identifier, state),
        ];
        let id = &command.host_command_identifier;
        self.append(&mut self.lock(), id, records, Durability::Synced)
    }

    /// Notes that `command` has come to `state`; durable.
    ///
    /// # Errors
    /// When that could not be written: the journal is as it was before.
    pub fn state(&self, command: &str, state: &State) -> Result<(), JournalError> {
        let record = self.state_record(now(), command, state);
        self.append_to_live(command, record, Durability::Synced)
            .map(drop)
    }

    /// Notes that a try to report `command` was made whose answer never came.
    ///
    /// # Errors
    /// When that could not be written: the journal is as it was before.
    pub fn uncertain(&self, command: &str) -> Result<(), JournalError> {
        let record = Record::Uncertain {
            at: now(),
            command: command.to_owned(),
        };
        self.append_to_live(command, record, Durability::Relaxed)
            .map(drop)
    }

    /// Notes that `command` is over. Compacts the journal when it has grown enough.
    ///
    /// # Errors
    /// When that could not be written: the journal is as it was before.
    pub fn settled(&self, command: &str, settlement: Settlement) -> Result<(), JournalError> {
        let record = Record::Settled {
            at: now(),
            command: command.to_owned(),
            settlement,
        };
        let mut writer = self.append_to_live(command, record, Durability::Relaxed)?;
        if writer.length >= writer.rewritten_at
            && let Err(error) = writer.rewrite(&self.path)
        {
            // It is complete as it is, only long.
            writer.rewritten_at = writer.length + writer.growth;
            tracing::warn!("the journal of commands stays long: {}", chain(&error));
        }
        Ok(())
    }

    /// What is noted of `command`; none when it is not at work.
    pub fn entry(&self, command: &str) -> Option<Entry> {
        let entries = self.lock().ledger.entries();
        entries
            .into_iter()
            .find(|entry| entry.taken.host_command_identifier == command)
    }

    fn state_record(&self, at: u64, command: &str, state: &State) -> Record {
        Record::State {
            at,
            command: command.to_owned(),
            boot_id: self.boot_id.clone(),
            state: state.clone(),
        }
    }

    /// Appends a record about a command that is in the journal. Returns the journal, still locked.
    fn append_to_live(
        &self,
        command: &str,
        record: Record,
        durability: Durability,
    ) -> Result<MutexGuard<'_, Writer>, JournalError> {
        let mut writer = self.lock();
        if !writer.ledger.is_live(command) {
            return Err(JournalError::NotTaken {
                command: command.to_owned(),
            });
        }
        self.append(&mut writer, command, vec![record], durability)?;
        Ok(writer)
    }

    fn append(
        &self,
        writer: &mut Writer,
        command: &str,
        records: Vec<Record>,
        durability: Durability,
    ) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for record in &records {
            lines.extend(line::encode(record).map_err(|source| JournalError::Encode {
                command: command.to_owned(),
                source,
            })?);
        }
        writer.make_sure_of_the_file(&self.path)?;
        writer
            .append(&lines, durability)
            .map_err(|source| JournalError::Append {
                path: self.path.clone(),
                source,
            })?;
        for record in records {
            writer
                .ledger
                .apply(record)
                .map_err(|orphan| JournalError::NotTaken {
                    command: orphan.command,
                })?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // A panic elsewhere leaves nothing half done that the next append would not see.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes the journal anew when what is on disk is not to be relied on, or when somebody has
    /// removed or replaced it.
    fn make_sure_of_the_file(&mut self, path: &Path) -> Result<(), JournalError> {
        let there = file::is_named(path, &self.file).map_err(|source| JournalError::Open {
            path: path.to_owned(),
            source,
        })?;
        if !there {
            tracing::warn!(
                "the journal of commands {} was removed or replaced, and is written anew",
                path.display()
            );
        }
        if there && !self.suspect {
            return Ok(());
        }
        self.rewrite(path)
    }

    fn append(&mut self, lines: &[u8], durability: Durability) -> io::Result<()> {
        let written = (|| {
            Failpoint::JournalAppend.pass()?;
            self.file.write_all(lines)?;
            if durability == Durability::Synced {
                Failpoint::JournalSync.pass()?;
                // After a failure the kernel may hold for clean what never reached the disk.
                self.file.sync_data().inspect_err(|_| self.suspect = true)?;
            }
            Ok(())
        })();
        match written {
            Ok(()) => self.length += lines.len() as u64,
            // A part of a record would make the next one part of a damaged line.
            Err(_) if self.file.set_len(self.length).is_err() => self.suspect = true,
            Err(_) => {}
        }
        written
    }

    /// Replaces the file by the shortest one that comes to the same.
    fn rewrite(&mut self, path: &Path) -> Result<(), JournalError> {
        let (file, length) = compaction::replace(path, &self.ledger)?;
        self.file = file;
        self.length = length;
        self.rewritten_at = self.length + self.growth;
        // Until its name is durable, a host that goes down comes up with the old file.
        self.suspect = true;
        compaction::sync_directory(path)?;
        self.suspect = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn taken() -> TakenCommand {
        TakenCommand {
            host_command_identifier: "one".into(),
            host_identifier: None,
            deployment_execution_id: "a/b/c/d".into(),
            command_name: "Install".into(),
            spec: None,
            run_key: "Install-0".into(),
        }
    }

    /// What is there when the journal is opened again.
    fn state(path: &Path) -> State {
        let opened = Journal::open(path, "boot").unwrap();
        assert_eq!(opened.complaints, [""; 0]);
        opened.live[0].state.clone()
    }

    #[test]
    fn after_a_failure_to_make_it_durable_everything_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open(&path, "boot").unwrap().journal;
        journal.taken(&taken(), &State::Received).unwrap();
        let identity = || fs::metadata(&path).unwrap().ino();
        let before = identity();
        journal.lock().suspect = true;
        journal.state("one", &State::Installing).unwrap();
        let anew = identity();
        assert_ne!(anew, before);
        journal.state("one", &State::Done).unwrap();
        assert_eq!(identity(), anew);
        assert_eq!(state(&path), State::Done);
    }

    #[test]
    fn a_file_that_can_neither_be_written_nor_cut_is_replaced_at_the_next_append() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open(&path, "boot").unwrap().journal;
        journal.taken(&taken(), &State::Received).unwrap();
        journal.lock().file = fs::File::open(&path).unwrap();
        let error = journal.state("one", &State::Resolving).unwrap_err();
        assert!(matches!(error, JournalError::Append { .. }), "{error}");
        assert_eq!(state(&path), State::Received);
        journal.state("one", &State::Installing).unwrap();
        assert_eq!(state(&path), State::Installing);
    }
}
