//! The journal as the daemon has it open.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use failpoints::Failpoint;
use fs_err as fs;

use super::entry::{Entry, Settlement, TakenCommand};
use super::error::JournalError;
use super::file::{self, Found};
use super::ledger::Ledger;
use super::line;
use super::reading::{self, Reading};
use super::record::Record;
use crate::error::chain;
use crate::lifecycle::State;

/// By how many bytes the file may grow before it is written anew: so a rewriting, which costs
/// about as much, is paid for by hundreds of appends.
const GROWTH: u64 = 256 << 10;

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

/// A journal that has just been opened.
#[derive(Debug)]
pub struct Opened {
    /// The journal.
    pub journal: Journal,
    /// The commands that are not settled, in the order in which they were taken.
    pub live: Vec<Entry>,
    /// Identifiers of commands that are settled: the newest of them.
    pub known: HashSet<String>,
    /// What the operator should know, a sentence each.
    pub complaints: Vec<String>,
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
    /// Opens the journal at `path`, with all that the previous agent has left in it, and compacts
    /// it. `boot_id` tells this boot of the host from others.
    ///
    /// What cannot be used as a journal is set aside and a new one begun, which is among the
    /// complaints.
    ///
    /// # Errors
    /// When there can be no journal: no space, no permission, no directory.
    pub fn open(path: &Path, boot_id: &str) -> Result<Opened, JournalError> {
        Self::open_with_growth(path, boot_id, GROWTH)
    }

    pub(super) fn open_with_growth(
        path: &Path,
        boot_id: &str,
        growth: u64,
    ) -> Result<Opened, JournalError> {
        let (found, mut complaints) = usable(path)?;
        let writer = match found {
            Some((file, content, reading)) => {
                complaints.extend(reading.complaints);
                resume(path, file, &content, reading.ledger, reading.whole_lines)
            }
            None => begin(path),
        };
        let mut writer = writer?;
        writer.growth = growth;
        writer.rewritten_at = writer.length + growth;
        Ok(Opened {
            live: writer.ledger.entries(),
            known: writer.ledger.known(),
            complaints,
            journal: Self {
                path: path.to_owned(),
                boot_id: boot_id.to_owned(),
                writer: Mutex::new(writer),
            },
        })
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
    fn new(file: fs::File, ledger: Ledger, length: usize) -> Self {
        Self {
            file,
            ledger,
            length: length as u64,
            rewritten_at: 0,
            growth: 0,
            suspect: false,
        }
    }

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
        let (file, length) = replace(path, &self.ledger)?;
        self.file = file;
        self.length = length as u64;
        self.rewritten_at = self.length + self.growth;
        // Until its name is durable, a host that goes down comes up with the old file.
        self.suspect = true;
        sync_directory(path)?;
        self.suspect = false;
        Ok(())
    }
}

/// A journal that may be used: open, its bytes, and what they come to.
type Usable = (fs::File, Vec<u8>, Reading);

/// The journal at `path`, when there is one that may be used, and complaints. What may not be
/// used is set aside.
fn usable(path: &Path) -> Result<(Option<Usable>, Vec<String>), JournalError> {
    let failed = |source| JournalError::Open {
        path: path.to_owned(),
        source,
    };
    let reason = match file::open(path, true).map_err(failed)? {
        Found::Nothing => return Ok((None, Vec::new())),
        Found::Ours(file, content) => match reading::read(path, &content) {
            Ok(reading) => return Ok((Some((file, content, reading)), Vec::new())),
            Err(reason) => reason,
        },
        Found::Unusable(reason) => reason,
    };
    let aside = file::set_aside(path, now() / 1000).map_err(|source| JournalError::SetAside {
        path: path.to_owned(),
        reason: reason.clone(),
        source,
    })?;
    let complaint = format!(
        "{} cannot be used as the journal of commands: {reason}. It is kept as {} and a new \
         journal begins; commands that were at work are known from their tracking files only and \
         are reported as failed",
        path.display(),
        aside.display()
    );
    Ok((None, vec![complaint]))
}

fn begin(path: &Path) -> Result<Writer, JournalError> {
    let ledger = Ledger::default();
    let (file, length) = replace(path, &ledger)?;
    sync_directory(path)?;
    Ok(Writer::new(file, ledger, length))
}

/// Goes on with a journal that was there.
fn resume(
    path: &Path,
    file: fs::File,
    content: &[u8],
    ledger: Ledger,
    whole_lines: usize,
) -> Result<Writer, JournalError> {
    if content == encoded(&ledger)? {
        return Ok(Writer::new(file, ledger, content.len()));
    }
    match replace(path, &ledger) {
        Ok((file, length)) => {
            sync_directory(path)?;
            Ok(Writer::new(file, ledger, length))
        }
        // On a full disk it is used as it is, once it ends with a whole line.
        Err(error) => {
            tracing::warn!("the journal of commands stays long: {}", chain(&error));
            file.set_len(whole_lines as u64)
                .map_err(|source| JournalError::Open {
                    path: path.to_owned(),
                    source,
                })?;
            Ok(Writer::new(file, ledger, whole_lines))
        }
    }
}

fn encoded(ledger: &Ledger) -> Result<Vec<u8>, JournalError> {
    ledger.bytes().map_err(|source| JournalError::Encode {
        command: String::new(),
        source,
    })
}

fn replace(path: &Path, ledger: &Ledger) -> Result<(fs::File, usize), JournalError> {
    let content = encoded(ledger)?;
    let file = file::replace(path, &content).map_err(|source| JournalError::Replace {
        path: path.to_owned(),
        source,
    })?;
    Ok((file, content.len()))
}

fn sync_directory(path: &Path) -> Result<(), JournalError> {
    file::sync_directory(path).map_err(|source| JournalError::Replace {
        path: path.to_owned(),
        source,
    })
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// The time of a record.
pub(super) fn time(milliseconds: u64) -> SystemTime {
    // A time beyond what the system can express is nobody's; a damaged record has none.
    UNIX_EPOCH
        .checked_add(Duration::from_millis(milliseconds))
        .unwrap_or(UNIX_EPOCH)
}
