//! Copying one entry's content into its file, counted.

use std::fs::File;
use std::io::{self, Read, Write as _};

use super::limits::Account;
use super::unpack_error::UnpackError;

/// Where a copy failed: the two sides need different messages.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    Refused(UnpackError),
}

/// One buffer for all entries of an archive.
pub(super) struct Copier {
    buffer: Vec<u8>,
}

impl Copier {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; 128 * 1024],
        }
    }

    /// Copies until `source` ends or `at_most` bytes are copied; returns how many.
    pub(super) fn copy(
        &mut self,
        source: &mut dyn Read,
        target: &mut File,
        at_most: u64,
        account: &mut Account<'_>,
    ) -> Result<u64, CopyError> {
        let mut copied = 0_u64;
        while copied < at_most {
            let room = usize::try_from(at_most - copied)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            let Some(room) = self.buffer.get_mut(..room) else {
                break;
            };
            let count = read_full(source, room).map_err(CopyError::Read)?;
            if count == 0 {
                break;
            }
            account.bytes(count as u64).map_err(CopyError::Refused)?;
            let read = room.get(..count).unwrap_or_default();
            target.write_all(read).map_err(CopyError::Write)?;
            copied += count as u64;
        }
        Ok(copied)
    }
}

/// Reads until `room` is full or `source` ends: decompressors give little at a time, and each write
/// is a system call.
fn read_full(source: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = room.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
