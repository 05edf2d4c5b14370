//! From the bytes of a journal to what they come to.

use std::path::Path;

use super::ledger::{Ledger, Orphan};
use super::record::{HEADER, Record};
use crate::files::checked_line as line;
use crate::lifecycle::State;

/// What a journal comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) ledger: Ledger,
    /// What an operator should know, a sentence each.
    pub(super) complaints: Vec<String>,
    /// The length without an interrupted last line.
    pub(super) whole_lines: usize,
}

/// Reads the bytes of the journal at `path`.
///
/// # Errors
/// Why they are no journal that this version may use.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Reading, String> {
    // What follows the last line end is an append that was interrupted; nothing relied on it.
    let whole_lines = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    let mut reading = Reading {
        ledger: Ledger::default(),
        complaints: Vec::new(),
        whole_lines,
    };
    let damaged = |number: usize, what: &str| {
        format!(
            "line {number} of the journal of commands {} is damaged: {what}",
            path.display()
        )
    };
    let mut orphans = Vec::new();
    let mut intact = 0_usize;
    let lines = bytes.get(..whole_lines).unwrap_or_default();
    for (index, line) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let whole = line::json(line);
        if whole.is_none() {
            reading.complaints.push(damaged(
                index + 1,
                "it is left out; the step that it recorded is decided from what else is on disk",
            ));
        }
        let Some(json) = whole.or_else(|| line::json_at_end(line)) else {
            continue;
        };
        if index == 0 && whole.is_some() {
            HEADER.check(json)?;
            intact += 1;
            continue;
        }
        match serde_json::from_slice(json) {
            Ok(record) => {
                intact += 1;
                if let Err(orphan) = take(&mut reading.ledger, record) {
                    orphans.push(orphan.command);
                }
            }
            Err(error) => reading.complaints.push(damaged(
                index + 1,
                &format!("this agent does not understand it, and leaves it out: {error}"),
            )),
        }
    }
    if intact == 0 && !lines.is_empty() {
        return Err("no line in it is a record of a journal".to_owned());
    }
    // A result whose other records are gone has been taken in all the same.
    orphans.retain(|id| !reading.ledger.is_live(id) && !reading.ledger.is_closed(id));
    orphans.sort();
    orphans.dedup();
    for command in orphans {
        reading.complaints.push(format!(
            "the journal of commands {} does not say any more how command {command} began; what \
             it holds about it is left out",
            path.display()
        ));
    }
    Ok(reading)
}

fn take(ledger: &mut Ledger, record: Record) -> Result<(), Orphan> {
    // A result is worth its report even when nothing else is known of its command.
    if let Record::State {
        at,
        command,
        boot_id,
        state: state @ State::Finished(_),
    } = &record
        && !ledger.is_live(command)
        && !ledger.is_closed(command)
    {
        ledger.rescue(*at, command.clone(), boot_id.clone(), state.clone());
        return Ok(());
    }
    ledger.apply(record)
}
