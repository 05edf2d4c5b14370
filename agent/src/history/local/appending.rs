//! One record appended, whatever somebody or a full disk has left there.

use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

use super::error::LocalRecordError;
use super::record::{HEADER, Record};
use crate::files::{Found, checked_line, open_state_file};

/// Longer than any header.
const HEADER_BYTES: usize = 256;

/// Appends `record` to the file at `path`, which is made when it is not there. The caller holds the
/// lock.
pub(super) fn append(path: &Path, record: &Record) -> Result<(), LocalRecordError> {
    let failed = |source| LocalRecordError::Append {
        path: path.to_owned(),
        source,
    };
    let unusable = |reason| LocalRecordError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let file = match open_state_file(path, true).map_err(failed)? {
        Found::Ours(file) => file,
        Found::Nothing => create(path).map_err(failed)?,
        Found::Denied => return Err(failed(io::ErrorKind::PermissionDenied.into())),
        Found::Unusable(reason) => return Err(unusable(reason)),
    };
    let metadata = file.metadata().map_err(failed)?;
    // A hard link to a file that this program must not touch could have been planted.
    if metadata.nlink() > 1 {
        return Err(unusable("it has another name as well".to_owned()));
    }
    let length = metadata.len();
    let lines = lines(&file, length, record, unusable, failed)?;
    let mut file = file;
    file.write_all(&lines).map_err(|source| {
        // A part of a record would make the next one part of a damaged line.
        let _ = file.set_len(length);
        failed(source)
    })
}

/// What is to be appended to a file of `length` bytes.
fn lines(
    file: &fs::File,
    length: u64,
    record: &Record,
    unusable: impl Fn(String) -> LocalRecordError,
    failed: impl Fn(io::Error) -> LocalRecordError,
) -> Result<Vec<u8>, LocalRecordError> {
    let encode = |result: Result<Vec<u8>, serde_json::Error>| {
        result.map_err(|error| failed(io::Error::other(error)))
    };
    let mut lines = Vec::new();
    if length == 0 {
        lines = encode(checked_line::encode(&HEADER))?;
    } else {
        let mut first = vec![0; HEADER_BYTES];
        let count = file.file().read_at(&mut first, 0).map_err(&failed)?;
        first.truncate(count);
        let first = first
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        if let Some(json) = checked_line::json(first) {
            HEADER.check(json).map_err(unusable)?;
        }
        // A process that was killed while it wrote has left no line end.
        let mut last = [0];
        file.file()
            .read_exact_at(&mut last, length - 1)
            .map_err(&failed)?;
        if last != *b"\n" {
            lines.push(b'\n');
        }
    }
    lines.extend(encode(checked_line::encode(record))?);
    Ok(lines)
}

fn create(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)
}
