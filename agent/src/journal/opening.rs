//! The journal opened, with all that the previous agent has left in it.

use std::collections::HashSet;
use std::path::Path;

use fs_err as fs;

use super::compaction;
use super::entry::Entry;
use super::error::JournalError;
use super::file;
use super::ledger::Ledger;
use super::milliseconds::now;
use super::reading::{self, Reading};
use super::writer::Journal;
use crate::error::chain;
use crate::files::{Found, read_state_file};

/// By how many bytes the file may grow before it is written anew: so a rewriting, which costs
/// about as much, is paid for by hundreds of appends.
const GROWTH: u64 = 256 << 10;

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
        let (open, ledger) = match found {
            Some((file, content, reading)) => {
                complaints.extend(reading.complaints);
                let ledger = reading.ledger;
                let open = resume(path, file, &content, &ledger, reading.whole_lines)?;
                (open, ledger)
            }
            None => (begin(path)?, Ledger::default()),
        };
        Ok(Opened {
            live: ledger.entries(),
            known: ledger.known(),
            complaints,
            journal: Self::of(path, boot_id, open, ledger, growth),
        })
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
    let reason = match read_state_file(path, true).map_err(failed)? {
        Found::Nothing => return Ok((None, Vec::new())),
        Found::Ours((file, content)) => match reading::read(path, &content) {
            Ok(reading) => return Ok((Some((file, content, reading)), Vec::new())),
            Err(reason) => reason,
        },
        Found::Denied => "it may not be opened".to_owned(),
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

/// A new journal, and its length.
fn begin(path: &Path) -> Result<(fs::File, u64), JournalError> {
    let begun = compaction::replace(path, &Ledger::default())?;
    compaction::sync_directory(path)?;
    Ok(begun)
}

/// Goes on with a journal that was there: the file, and its length.
fn resume(
    path: &Path,
    file: fs::File,
    content: &[u8],
    ledger: &Ledger,
    whole_lines: usize,
) -> Result<(fs::File, u64), JournalError> {
    if content == compaction::encoded(ledger)? {
        return Ok((file, content.len() as u64));
    }
    match compaction::replace(path, ledger) {
        Ok(replaced) => {
            compaction::sync_directory(path)?;
            Ok(replaced)
        }
        // On a full disk it is used as it is, once it ends with a whole line.
        Err(error) => {
            tracing::warn!("the journal of commands stays long: {}", chain(&error));
            let length = whole_lines as u64;
            file.set_len(length).map_err(|source| JournalError::Open {
                path: path.to_owned(),
                source,
            })?;
            Ok((file, length))
        }
    }
}
