//! Making one entry of a tar stream.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};
use xattr::FileExt as _;

use super::content::CopyError;
use super::entry_path::EntryPath;
use super::limits::Account;
use super::sparse::{self, Piece};
use super::tar::{Entry, TarError, TarStream, malformed, read_failed};
use super::tar_header::{self, BLOCK, Kind};
use super::tree::{Attributes, Tree};
use super::unpack_error::{EntryName, UnpackError};

impl<R: Read> TarStream<'_, R> {
    /// Makes what `entry` stands for; its content is read from the stream.
    pub(super) fn make(
        &mut self,
        entry: &Entry,
        tree: &mut Tree,
        account: &mut Account<'_>,
    ) -> Result<(), TarError> {
        let limits = account.options.limits;
        let path = EntryPath::parse(&entry.name, &limits)?;
        match entry.kind {
            Kind::Special(what) => Err(UnpackError::SpecialFile {
                name: EntryName::new(&entry.name),
                what,
            }
            .into()),
            Kind::Directory | Kind::DumpDirectory => {
                let attributes = self.attributes(entry, account)?;
                Ok(tree.directory(&path, attributes)?)
            }
            Kind::SymbolicLink => {
                account.link(&entry.name)?;
                let why = match entry.link.as_slice() {
                    [] => Some("its target is empty"),
                    target if target.contains(&0) => Some("its target has a NUL in it"),
                    _ => None,
                };
                if let Some(why) = why {
                    return Err(UnpackError::UnsafeName {
                        name: EntryName::new(&entry.name),
                        why,
                    }
                    .into());
                }
                let attributes = self.attributes(entry, account)?;
                Ok(tree.symbolic_link(&path, &entry.link, &attributes)?)
            }
            Kind::HardLink => {
                account.link(&entry.name)?;
                let target = EntryPath::parse(&entry.link, &limits)?;
                Ok(tree.hard_link(&path, &target)?)
            }
            Kind::File | Kind::OldSparse => {
                let pieces = self.pieces(entry)?;
                let size = pieces
                    .as_ref()
                    .map_or(entry.numbers.size, |(size, _)| *size);
                account.announce(size)?;
                let attributes = self.attributes(entry, account)?;
                let mut file = tree.file(&path)?;
                match pieces {
                    None => self.copy(entry, &mut file, size, tree, account)?,
                    Some((size, pieces)) => {
                        self.copy_sparse(entry, &mut file, (size, &pieces), tree, account)?;
                    }
                }
                restore_extended(entry, &file, account);
                Ok(tree.finish_file(&path, &file, &attributes)?)
            }
            Kind::Unknown(byte) => Err(UnpackError::Unsupported {
                name: EntryName::new(&entry.name),
                what: format!("tar entry type {:?}", char::from(byte)),
            }
            .into()),
            // `next` returns none of these.
            Kind::Pax { .. } | Kind::LongName | Kind::LongLink | Kind::Label => Ok(()),
        }
    }

    fn attributes(&self, entry: &Entry, account: &mut Account<'_>) -> Result<Attributes, TarError> {
        let out_of_range = |_| malformed(Some(&entry.name), "the owner or group is out of range");
        let owner = if self.owners {
            let id = |id: i64| match u32::try_from(id) {
                // The system call would take it for "unchanged".
                Ok(u32::MAX) => Err(malformed(
                    Some(&entry.name),
                    "the owner or group is out of range",
                )),
                other => other.map_err(out_of_range),
            };
            let uid = id(entry.pax.uid.unwrap_or(entry.numbers.uid))?;
            let gid = id(entry.pax.gid.unwrap_or(entry.numbers.gid))?;
            Some((Uid::from_raw(uid), Gid::from_raw(gid)))
        } else {
            None
        };
        if entry.pax.capability {
            account.warn(format!(
                "{} carried a file capability; it is not restored (use setcap in a hook)",
                EntryName::new(&entry.name)
            ));
        }
        let mode = if entry.kind == Kind::SymbolicLink {
            0
        } else {
            account.permissions(&entry.name, entry.numbers.mode)?
        };
        let modified = entry.pax.modified;
        Ok(Attributes {
            mode,
            modified: Some(modified.unwrap_or_else(|| tar_header::seconds(entry.numbers.modified))),
            owner,
        })
    }

    /// The size and pieces of a sparse file; none for a plain one.
    pub(super) fn pieces(&mut self, entry: &Entry) -> Result<Option<(u64, Vec<Piece>)>, TarError> {
        let wrong = |what| malformed(Some(&entry.name), what);
        let (size, pieces) = if entry.kind == Kind::OldSparse {
            let (size, mut pieces, mut more) =
                sparse::in_header(entry.header.as_bytes()).map_err(wrong)?;
            while more {
                let mut block = [0; BLOCK];
                self.input
                    .read_exact(&mut block)
                    .map_err(|error| self.failed(entry, error))?;
                more = sparse::extension(&block, &mut pieces).map_err(wrong)?;
            }
            (size, pieces)
        } else if entry.pax.is_sparse() {
            let size = entry
                .pax
                .sparse
                .real_size
                .ok_or_else(|| wrong("a sparse file has no size"))?;
            let pieces = if entry.pax.sparse.major.is_some_and(|major| major >= 1) {
                let mut map = sparse::MapReader::default();
                while !map.is_complete() {
                    let mut block = [0; BLOCK];
                    self.left = self
                        .left
                        .checked_sub(BLOCK as u64)
                        .ok_or_else(|| wrong("a sparse map is incomplete"))?;
                    self.input
                        .read_exact(&mut block)
                        .map_err(|error| self.failed(entry, error))?;
                    map.read(&block).map_err(wrong)?;
                }
                map.pieces()
            } else {
                entry.pax.sparse.map.clone()
            };
            (size, pieces)
        } else {
            return Ok(None);
        };
        sparse::check(&pieces, size, self.left).map_err(wrong)?;
        Ok(Some((size, pieces)))
    }

    fn failed(&self, entry: &Entry, error: io::Error) -> TarError {
        read_failed(Some(&entry.name), error)
    }

    fn copy(
        &mut self,
        entry: &Entry,
        file: &mut File,
        size: u64,
        tree: &Tree,
        account: &mut Account<'_>,
    ) -> Result<(), TarError> {
        let copied =
            self.copier
                .copy(self.input, file, size, account)
                .map_err(|error| match error {
                    CopyError::Read(error) => read_failed(Some(&entry.name), error),
                    CopyError::Write(error) => tree.failed("write", &entry.name, error).into(),
                    CopyError::Refused(error) => error.into(),
                })?;
        self.left = self.left.saturating_sub(copied);
        if copied < size {
            return Err(TarError::Truncated(Some(EntryName::new(&entry.name))));
        }
        Ok(())
    }

    /// Writes the pieces where they belong; what lies between stays a hole.
    fn copy_sparse(
        &mut self,
        entry: &Entry,
        file: &mut File,
        (size, pieces): (u64, &[Piece]),
        tree: &Tree,
        account: &mut Account<'_>,
    ) -> Result<(), TarError> {
        let write = |error| TarError::from(tree.failed("write", &entry.name, error));
        for (offset, length) in pieces {
            file.seek(SeekFrom::Start(*offset)).map_err(write)?;
            self.copy(entry, file, *length, tree, account)?;
        }
        let data: u64 = pieces.iter().map(|(_, length)| length).sum();
        account.bytes(size.saturating_sub(data))?;
        file.set_len(size).map_err(write)
    }
}

/// Restores attributes of the `user` namespace. A file is good without them, and most programs
/// that unpack leave them out, so a failure is a warning.
fn restore_extended(entry: &Entry, file: &File, account: &mut Account<'_>) {
    for (name, value) in &entry.pax.extended {
        match file.set_xattr(OsStr::from_bytes(name), value) {
            Ok(()) => {}
            // The file system has none at all.
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {}
            Err(error) => account.warn(format!(
                "the extended attribute {} of {} is not restored: {error}",
                EntryName::new(name),
                EntryName::new(&entry.name)
            )),
        }
    }
}
