//! The journal written anew: the live commands as they are, one short record for each that is over.

use std::path::Path;

use fs_err as fs;

use super::error::JournalError;
use super::file;
use super::ledger::Ledger;

/// The bytes of the shortest journal that comes to `ledger`.
pub(super) fn encoded(ledger: &Ledger) -> Result<Vec<u8>, JournalError> {
    ledger.bytes().map_err(|source| JournalError::Encode {
        command: String::new(),
        source,
    })
}

/// Puts the shortest journal that comes to `ledger` in the place of the one at `path`; open, with its
/// length. Its name is durable after [`sync_directory`].
pub(super) fn replace(path: &Path, ledger: &Ledger) -> Result<(fs::File, u64), JournalError> {
    let content = encoded(ledger)?;
    let file = file::replace(path, &content).map_err(|source| JournalError::Replace {
        path: path.to_owned(),
        source,
    })?;
    Ok((file, content.len() as u64))
}

/// Makes the journal's name durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), JournalError> {
    file::sync_directory(path).map_err(|source| JournalError::Replace {
        path: path.to_owned(),
        source,
    })
}
