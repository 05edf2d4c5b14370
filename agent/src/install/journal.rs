//! The journal of a commit: everything that an undo needs, on disk before the first name changes.
//!
//! It lies in the group's working directory (`.<group>-install/`, 0700, beside the records) and is
//! written once, before the commit; nothing is added while names change. What has been done is
//! read from the file system instead: each staged object is known by its inode, so a name that
//! leads to it has been given, and no step needs a write of its own.
//!
//! # Order, and why a power cut at any point is harmless
//!
//! 1. Everything new, the records and the journal (under a temporary name) are written.
//! 2. `syncfs` on each file system that is written to, then the journal gets its name, and its
//!    directory is synced. So from here on contents are on the disk before a name leads to them:
//!    no power cut shows a half written file.
//! 3. Names change. Their order on the disk does not matter: whatever subset of them survives,
//!    each is undone by itself, and what they replaced is still in a staging area.
//! 4. `syncfs` on each file system again (only names are left to write), then the journal is
//!    renamed to `committed` and its directory synced: **this rename is the commit record**. A
//!    commit record on the disk therefore means that all names are.
//! 5. Only now what was replaced is removed, and the old revision's directories that are empty.
//!
//! | in the working directory | after a crash |
//! |---|---|
//! | no journal | no name has changed: the staging areas go |
//! | `journal` | back: every change is undone, synced, the journal becomes `undone`, the areas go |
//! | `committed` | forward: what was replaced is left, and goes, with directories that are empty |
//!
//! Undo and recovery work by paths, which others may have given to something else meanwhile. So a
//! directory is entered only when it is the recorded one (inode and time of birth, and the device
//! of its staging area: device numbers change over a boot), and a staging area holds a directory
//! that is named after it, which nobody else could have put into one of mode 0700.
//!
//! This holds on file systems that write `rename` whole and keep a synced file (all that Linux
//! offers for a root or data volume; the kernel reports lost writes to `syncfs` from 5.8 on).

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context as Digest, SHA256, SHA256_OUTPUT_LEN};
use fs_err::os::unix::fs::OpenOptionsExt as _;

pub(super) use super::entry::Entry;
use super::entry::{Reader, encode};

/// The last character is the version. Those of version 1 are still recovered by.
const MAGIC: &[u8] = b"codedeploy-install-journal 2\n";
const MAGIC_1: &[u8] = b"codedeploy-install-journal 1\n";
const MAGIC_PREFIX: &[u8] = b"codedeploy-install-journal ";

/// The journal's name while it is in force.
pub(super) const JOURNAL: &str = "journal";
/// Its name after the commit.
pub(super) const COMMITTED: &str = "committed";
/// Its name after an undo.
pub(super) const UNDONE: &str = "undone";
const UNFINISHED: &str = "journal.tmp";

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It could not be read.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// Another version of the agent wrote it.
    #[error("it is of another version of this agent")]
    Version,
    /// It lies in a directory that is not the agent's own.
    #[error("its directory is not the agent's own, or others may write there")]
    Foreign,
    /// Its content and its checksum disagree, or the content means nothing.
    #[error("it is damaged")]
    Damaged,
}

/// Writes a journal, entry after entry: it may be larger than memory should be.
pub(super) struct Writer {
    working: PathBuf,
    output: BufWriter<File>,
    digest: Digest,
    entry: Vec<u8>,
}

impl Writer {
    pub(super) fn create(working: &Path) -> io::Result<Self> {
        let file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(working.join(UNFINISHED))?;
        let mut writer = Self {
            working: working.to_owned(),
            output: BufWriter::new(file.into_file()),
            digest: Digest::new(&SHA256),
            entry: Vec::new(),
        };
        writer.digest.update(MAGIC);
        writer.output.write_all(MAGIC)?;
        Ok(writer)
    }

    pub(super) fn put(&mut self, entry: &Entry) -> io::Result<()> {
        self.entry.clear();
        encode(entry, &mut self.entry);
        self.digest.update(&self.entry);
        self.output.write_all(&self.entry)
    }

    /// Completes the content. It is not on the disk yet, and not in force.
    pub(super) fn complete(mut self) -> io::Result<Complete> {
        let digest = self.digest.finish();
        self.output.write_all(digest.as_ref())?;
        self.output
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Complete {
            working: self.working,
        })
    }
}

/// A journal that is complete; its file system has to be synced before it is put in force.
pub(super) struct Complete {
    working: PathBuf,
}

impl Complete {
    pub(super) fn put_in_force(self, durable: bool) -> io::Result<()> {
        fs_err::rename(self.working.join(UNFINISHED), self.working.join(JOURNAL))?;
        if durable {
            sync_directory(&self.working)?;
        }
        Ok(())
    }
}

/// Takes the journal in `working` out of force, under the name that says why.
pub(super) fn retire(working: &Path, outcome: &str, durable: bool) -> io::Result<()> {
    let journal = working.join(JOURNAL);
    fs_err::rename(&journal, working.join(outcome))?;
    if !durable {
        return Ok(());
    }
    sync_directory(working).inspect_err(|_| {
        // It may be on the disk or not: it must not look done in either case.
        let _ = fs_err::rename(working.join(outcome), &journal);
    })
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    fs_err::File::open(path)?.sync_all()
}

/// The journal in `working` that has this name (one is in force as [`JOURNAL`]); none when there
/// is none.
pub(super) fn read(working: &Path, name: &str) -> Result<Option<Vec<Entry>>, JournalError> {
    match fs_err::read(working.join(name)) {
        Ok(content) => parse(&content).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::Io(error)),
    }
}

fn parse(content: &[u8]) -> Result<Vec<Entry>, JournalError> {
    let is_of_version_1 = content.starts_with(MAGIC_1);
    let magic = if is_of_version_1 { MAGIC_1 } else { MAGIC };
    if !content.starts_with(magic) && content.starts_with(MAGIC_PREFIX) {
        return Err(JournalError::Version);
    }
    let length = content.len().checked_sub(SHA256_OUTPUT_LEN);
    let (content, sum) = length
        .and_then(|length| content.split_at_checked(length))
        .ok_or(JournalError::Damaged)?;
    let mut digest = Digest::new(&SHA256);
    digest.update(content);
    if digest.finish().as_ref() != sum {
        return Err(JournalError::Damaged);
    }
    let content = content.strip_prefix(magic).ok_or(JournalError::Damaged)?;
    let mut rest = Reader::new(content, is_of_version_1);
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(rest.entry().ok_or(JournalError::Damaged)?);
    }
    Ok(entries)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::entry::tests::{encode_as_version_1, one_of_each};
    use super::*;

    /// The journal in `working`, written again as version 1 wrote it.
    pub(in super::super) fn rewrite_as_version_1(working: &Path) {
        let mut content = MAGIC_1.to_vec();
        for entry in read(working, JOURNAL).unwrap().unwrap() {
            encode_as_version_1(&entry, &mut content);
        }
        let mut digest = Digest::new(&SHA256);
        digest.update(&content);
        content.extend(digest.finish().as_ref());
        fs_err::write(working.join(JOURNAL), content).unwrap();
    }

    fn written(entries: &[Entry]) -> (tempfile::TempDir, Vec<u8>) {
        let working = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(working.path()).unwrap();
        entries.iter().for_each(|entry| writer.put(entry).unwrap());
        let complete = writer.complete().unwrap();
        assert!(
            read(working.path(), JOURNAL).unwrap().is_none(),
            "not in force yet"
        );
        complete.put_in_force(true).unwrap();
        let content = fs_err::read(working.path().join(JOURNAL)).unwrap();
        (working, content)
    }

    #[test]
    fn what_is_written_is_read_until_it_is_retired() {
        let (working, _) = written(&one_of_each());
        let entries = read(working.path(), JOURNAL).unwrap();
        assert_eq!(entries, Some(one_of_each()));
        retire(working.path(), COMMITTED, true).unwrap();
        assert!(read(working.path(), JOURNAL).unwrap().is_none());
    }

    #[test]
    fn every_damage_is_found() {
        let (_working, content) = written(&one_of_each());
        for at in 0..content.len() {
            assert!(parse(&content[..at]).is_err(), "cut at {at}");
            let mut other = content.clone();
            other[at] ^= 0x10;
            assert!(parse(&other).is_err(), "changed at {at}");
        }
        let mut later = content;
        later[MAGIC.len() - 2] = b'3';
        assert!(matches!(parse(&later), Err(JournalError::Version)));
    }
}
