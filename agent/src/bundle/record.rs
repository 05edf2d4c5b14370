//! Which parts of a download are on disk, so that another process can go on with it.
//!
//! `<bundle>.parts` beside the download: a line for the object, then one for each part that is
//! there, each with its own checksum in front, appended as parts arrive. A line that was cut by a
//! crash fails its checksum and ends the record. A part counts only if its bytes still have the
//! checksum in its line, so nothing here needs to be synchronised: what a power cut took is
//! fetched again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use failpoints::Failpoint;
use flate2::Crc;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::parts::Parts;

/// A record is read into memory: a line a part, some 40 bytes each.
const LENGTH_MAX: u64 = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header<O> {
    object: O,
    /// Size of a part.
    part: u64,
    /// Size of the whole.
    length: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    part: usize,
    crc: u32,
}

/// The record of a download, open for more parts.
pub(super) struct Record {
    file: File,
}

/// The record that belongs to `bundle`.
pub(super) fn path(bundle: &Path) -> PathBuf {
    let mut path = bundle.as_os_str().to_owned();
    path.push(".parts");
    path.into()
}

/// Removes the record of `bundle`, if there is one.
pub(super) fn remove(bundle: &Path) -> io::Result<()> {
    match fs::remove_file(path(bundle)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_string(value)?;
    Ok(format!("{:08x} {text}\n", checksum(text.as_bytes())).into_bytes())
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The content of a line that is whole.
fn verified(line: &[u8]) -> Option<&[u8]> {
    let (stated, text) = line.strip_suffix(b"\n")?.split_at_checked(8)?;
    let text = text.strip_prefix(b" ")?;
    let stated = u32::from_str_radix(std::str::from_utf8(stated).ok()?, 16).ok()?;
    (stated == checksum(text)).then_some(text)
}

impl Record {
    /// Begins the record of `object`, in place of an old one.
    pub(super) fn create<O: Serialize>(
        bundle: &Path,
        object: &O,
        length: u64,
        parts: &Parts,
    ) -> io::Result<Self> {
        remove(bundle)?;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
            .open(path(bundle))?
            .into_file();
        file.write_all(&line(&Header {
            object,
            part: parts.size(),
            length,
        })?)?;
        Ok(Self { file })
    }

    /// Notes that a part is there, all of it written.
    pub(super) fn add(&self, part: usize, crc: &Crc) -> io::Result<()> {
        Failpoint::DownloadPart.pass()?;
        let line = line(&Line {
            part,
            crc: crc.sum(),
        })?;
        // One write: appended whole or, in a crash, cut.
        (&self.file).write_all(&line)
    }

    /// The record of `bundle`, if it is one of an object that `wanted` accepts, with the parts in
    /// `file` that it names and that are as it says. Reads them all: blocks. Whatever is wrong
    /// with a record makes it none: it only saves work.
    pub(super) fn load<O: for<'de> Deserialize<'de>>(
        bundle: &Path,
        file: &File,
        wanted: impl FnOnce(&O) -> bool,
    ) -> Option<(Self, O, Parts)> {
        let record = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(path(bundle))
            .ok()?
            .into_file();
        let there = record.metadata().ok()?;
        if !there.is_file() || there.len() > LENGTH_MAX {
            return None;
        }
        let mut text = Vec::new();
        (&record).take(LENGTH_MAX).read_to_end(&mut text).ok()?;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let header: Header<O> = serde_json::from_slice(verified(lines.next()?)?).ok()?;
        if header.part == 0 || !wanted(&header.object) {
            return None;
        }
        let mut parts = Parts::new(Some(header.length));
        if parts.size() != header.part {
            return None;
        }
        let mut whole = 0;
        let mut good = text
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        for line in lines {
            let Some(text) = verified(line) else { break };
            let Ok(Line { part, crc }) = serde_json::from_slice(text) else {
                break;
            };
            good += line.len();
            if part < parts.count() && content(file, &parts, part) == Some(crc) {
                parts.complete(part);
                whole += 1;
            }
        }
        // What was cut must not run into the next line.
        record.set_len(good as u64).ok()?;
        tracing::info!(
            parts = whole,
            of = parts.count(),
            "an interrupted download goes on"
        );
        Some((Self { file: record }, header.object, parts))
    }
}

/// The checksum of what `file` has of a part; none when it is shorter or cannot be read.
fn content(file: &File, parts: &Parts, part: usize) -> Option<u32> {
    let range = parts.range(part);
    let mut crc = Crc::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = range.start;
    while at < range.end {
        let room = usize::try_from(range.end - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = file.read_at(buffer.get_mut(..room)?, at).ok()?;
        if count == 0 {
            return None;
        }
        crc.update(buffer.get(..count)?);
        at += count as u64;
    }
    Some(crc.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: u64 = (24 << 20) + 5;

    /// A download of three parts and a bit, of which parts 0 and 2 are recorded.
    fn begun() -> (tempfile::TempDir, PathBuf, File) {
        let place = tempfile::tempdir().unwrap();
        let bundle = place.path().join("bundle.tar");
        let file = tempfile::tempfile().unwrap();
        file.set_len(LENGTH).unwrap();
        let parts = Parts::new(Some(LENGTH));
        let record = Record::create(&bundle, &"it".to_owned(), LENGTH, &parts).unwrap();
        for part in [0, 2] {
            file.write_all_at(b"something", parts.range(part).start)
                .unwrap();
            let mut crc = Crc::new();
            crc.update(b"something");
            crc.update(&vec![0; (8 << 20) - 9]);
            record.add(part, &crc).unwrap();
        }
        (place, bundle, file)
    }

    fn load(bundle: &Path, file: &File) -> Option<Vec<bool>> {
        let (_, object, parts) = Record::load(bundle, file, |object: &String| object == "it")?;
        assert_eq!(object, "it");
        Some((0..4).map(|part| parts.is_complete(part)).collect())
    }

    #[test]
    fn recorded_parts_are_known_again() {
        let (_place, bundle, file) = begun();
        assert_eq!(load(&bundle, &file), Some(vec![true, false, true, false]));
        assert!(Record::load(&bundle, &file, |_: &String| false).is_none());
        remove(&bundle).unwrap();
        assert_eq!(load(&bundle, &file), None);
    }

    #[test]
    fn a_part_whose_bytes_are_gone_does_not_count() {
        let (_place, bundle, file) = begun();
        file.write_all_at(&[0], 1).unwrap();
        assert_eq!(load(&bundle, &file), Some(vec![false, false, true, false]));
        file.set_len(9 << 20).unwrap();
        assert_eq!(load(&bundle, &file), Some(vec![false; 4]));
    }

    #[test]
    fn a_line_that_was_cut_ends_the_record_and_more_can_follow() {
        let (_place, bundle, file) = begun();
        let text = fs::read(path(&bundle)).unwrap();
        fs::write(path(&bundle), &text[..text.len() - 3]).unwrap();
        let (record, _, _) = Record::load(&bundle, &file, |_: &String| true).unwrap();
        let mut crc = Crc::new();
        crc.update(&vec![0; 8 << 20]);
        record.add(1, &crc).unwrap();
        assert_eq!(load(&bundle, &file), Some(vec![true, true, false, false]));
    }

    #[test]
    fn a_record_that_was_changed_is_none() {
        let (_place, bundle, file) = begun();
        let text = fs::read_to_string(path(&bundle)).unwrap();
        fs::write(path(&bundle), text.replacen("25165829", "25165830", 1)).unwrap();
        assert_eq!(load(&bundle, &file), None);
    }

    proptest::proptest! {
        #[test]
        fn no_record_makes_the_reader_panic(content: Vec<u8>) {
            let place = tempfile::tempdir().unwrap();
            let bundle = place.path().join("bundle.tar");
            fs::write(path(&bundle), content).unwrap();
            let file = tempfile::tempfile().unwrap();
            proptest::prop_assert!(load(&bundle, &file).is_none());
        }
    }
}
