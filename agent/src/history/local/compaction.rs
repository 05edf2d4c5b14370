//! The file written anew, with the newest deployments only.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use fs_err as fs;

use super::reading::{self, Content};
use super::record::{HEADER, Record};
use crate::deployment::DeploymentId;
use crate::files::{checked_line, write_atomically};

/// How many deployments are kept.
pub(super) const KEPT: usize = 512;

/// In how many bytes at most.
const KEPT_BYTES: usize = 1 << 20;

/// A longer file is written anew: so it is read within a few milliseconds. A rewriting frees a third
/// of it at least, so it is rare, and may wait for the disk: without that, a host that goes down
/// could lose the whole file.
const LONG: u64 = 3 << 19;

/// Writes the file at `path` anew when it is long. The caller holds the lock.
pub(super) fn compact_if_long(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.len() < LONG {
        return Ok(());
    }
    let Content::Records { records, .. } = reading::content(path)? else {
        return Ok(());
    };
    write_atomically(path, &compacted(records)?, 0o600)
}

/// The newest deployments of `records`, in the form of a file.
pub(super) fn compacted(records: Vec<Record>) -> io::Result<Vec<u8>> {
    let mut order: Vec<DeploymentId> = Vec::new();
    let mut lines: HashMap<DeploymentId, Vec<u8>> = HashMap::new();
    let mut records = records.into_iter().peekable();
    while let Some(record) = records.next() {
        // What the record of an event's end says as well.
        if let (Record::EventBegan { at, event, .. }, Some(next)) = (&record, records.peek())
            && let Record::EventEnded {
                began,
                event: ended,
                ..
            } = next
            && (at, event, record.deployment()) == (began, ended, next.deployment())
        {
            continue;
        }
        let line = checked_line::encode(&record).map_err(io::Error::other)?;
        let of_deployment = lines.entry(record.deployment().clone()).or_insert_with(|| {
            order.push(record.deployment().clone());
            Vec::new()
        });
        of_deployment.extend(line);
    }
    let header = checked_line::encode(&HEADER).map_err(io::Error::other)?;
    let mut length = header.len();
    let kept: Vec<Vec<u8>> = order
        .iter()
        .rev()
        .take(KEPT)
        .filter_map(|id| lines.remove(id))
        .take_while(|lines| {
            length += lines.len();
            length <= KEPT_BYTES
        })
        .collect();
    Ok([header]
        .into_iter()
        .chain(kept.into_iter().rev())
        .flatten()
        .collect())
}
