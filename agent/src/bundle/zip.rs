//! Unpacking a zip archive by its central directory.
//!
//! Every name, type and declared size is checked before the first file is made, so a hostile
//! archive is refused without having been unpacked in part. What local headers say beside the
//! central directory is not used.

use std::io::{self, Read, Write as _};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::civil;
use jiff::tz::TimeZone;
use nix::sys::time::TimeSpec;
use zip::extra_fields::ExtraField;
use zip::read::{ZipArchive, ZipFile};
use zip::result::ZipError;
use zip::{CompressionMethod, HasZipMetadata, System};

use super::content::{Copier, CopyError};
use super::entry_path::{EntryPath, names};
use super::growing::Reader;
use super::inflate::{self, Inflater, Stated};
use super::limits::Account;
use super::listing::{Listed, ListedKind, Listing};
use super::tree::{Attributes, Tree};
use super::unpack_error::{EntryName, UnpackError};
use super::window::Window;

/// Why the archive could not be unpacked; the caller knows the file and says so.
#[derive(Debug)]
pub(super) enum ZipFailure {
    /// It ends early, or its central directory is missing.
    Truncated,
    /// It makes no sense, in this entry if one is named.
    Corrupt(Option<EntryName>, io::Error),
    /// Anything that is not about its bytes.
    Other(UnpackError),
}

impl From<UnpackError> for ZipFailure {
    fn from(error: UnpackError) -> Self {
        Self::Other(error)
    }
}

const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// A link's target is stored as content; Linux takes no longer one.
const TARGET_MAX: u64 = 4095;

/// What an entry is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Link,
}

/// An entry of the central directory, checked.
#[derive(Debug)]
struct Entry {
    path: EntryPath,
    kind: Kind,
    mode: u32,
    size: u64,
    /// Of a deflated file that is inflated all at once.
    small: Option<Stated>,
}

/// What a thread makes files with.
struct Tools {
    copier: Copier,
    inflater: Inflater,
}

impl Tools {
    fn new() -> Self {
        Self {
            copier: Copier::new(),
            inflater: Inflater::new(),
        }
    }
}

/// Threads beyond this number only wait for each other's directories.
const THREADS_MAX: usize = 8;

/// Deeper archives are unpacked by one thread: each has its own descriptors of open directories.
const DEPTH_MAX: usize = 64;

/// Files are handed to threads in batches of about so many bytes, and at most so many files.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_FILES: usize = 64;

/// Unpacks every entry of `content` into `tree`, while it arrives: directories and links first, in their order, then
/// files, by several threads. A file below a link is so refused wherever the two stand.
pub(super) fn unpack(
    content: Reader,
    tree: &mut Tree,
    account: &mut Account<'_>,
) -> Result<(), ZipFailure> {
    let mut archive = open(content)?;
    let entries = check(&mut archive, account)?;
    let mut files = Vec::new();
    let mut tools = Tools::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.kind == Kind::File {
            files.push(index);
        } else {
            make(&mut archive, index, entry, tree, &mut tools, account)?;
        }
    }
    drop(tools);
    let batches = batches(&files, &entries);
    let threads = threads(&entries).min(batches.len());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let work = |archive: &mut ZipArchive<Window>, tree: &mut Tree, account: &mut Account<'_>| {
        let mut tools = Tools::new();
        // Whoever fails leaves nothing to the others.
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = files
                .get(batch.clone())
                .unwrap_or_default()
                .iter()
                .try_for_each(|index| match entries.get(*index) {
                    Some(entry) => make(archive, *index, entry, tree, &mut tools, account),
                    None => Ok(()),
                });
            if let Err(error) = made {
                next.store(batches.len(), Ordering::Relaxed);
                failed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let (mut archive, mut tree) = (archive.clone(), tree.for_files());
                let mut account = Account::new(account.options, account.interrupted);
                let work = &work;
                scope.spawn(move || {
                    work(&mut archive, &mut tree, &mut account);
                    account
                })
            })
            .collect();
        work(&mut archive, tree, account);
        for other in others {
            match other.join() {
                Ok(other) => account.absorb(other),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn threads(entries: &[Entry]) -> usize {
    let deep = |entry: &Entry| names(entry.path.bytes()).count() > DEPTH_MAX;
    if entries.iter().any(deep) {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(THREADS_MAX))
}

/// Neighbours in the archive mostly share a directory, so they stay together.
fn batches(files: &[usize], entries: &[Entry]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, index) in files.iter().enumerate() {
        bytes += entries.get(*index).map_or(0, |entry| entry.size);
        if bytes >= BATCH_BYTES || at + 1 - begin >= BATCH_FILES {
            batches.push(begin..at + 1);
            (begin, bytes) = (at + 1, 0);
        }
    }
    if begin < files.len() {
        batches.push(begin..files.len());
    }
    batches
}

/// Makes one entry.
fn make(
    archive: &mut ZipArchive<Window>,
    index: usize,
    entry: &Entry,
    tree: &mut Tree,
    tools: &mut Tools,
    account: &mut Account<'_>,
) -> Result<(), ZipFailure> {
    let name = entry.path.bytes();
    let content = match entry.small {
        Some(_) => archive.by_index_raw(index),
        None => archive.by_index(index),
    };
    let mut content = content.map_err(|error| failure(Some(name), error))?;
    let attributes = Attributes {
        mode: entry.mode,
        modified: modified(&content),
        // Zip content belongs to whoever unpacks it: root, or us.
        owner: None,
    };
    match entry.kind {
        Kind::Directory => tree.directory(&entry.path, attributes)?,
        Kind::Link => {
            let mut target = Vec::new();
            content
                .by_ref()
                .take(TARGET_MAX + 1)
                .read_to_end(&mut target)
                .map_err(|error| unreadable(name, error))?;
            account.bytes(target.len() as u64)?;
            if target.is_empty() || target.contains(&0) || target.len() as u64 > TARGET_MAX {
                return Err(UnpackError::UnsafeName {
                    name: EntryName::new(name),
                    why: "its target is empty, too long or has a NUL in it",
                }
                .into());
            }
            tree.symbolic_link(&entry.path, &target, &attributes)?;
        }
        Kind::File => {
            let mut file = tree.file(&entry.path)?;
            if let Some(stated) = entry.small {
                let inflated = tools.inflater.inflate(&mut content, stated);
                let inflated = inflated.map_err(|error| unreadable(name, error))?;
                account.bytes(entry.size)?;
                file.write_all(inflated)
                    .map_err(|error| tree.failed("write", name, error))?;
            } else {
                let copied = tools
                    .copier
                    .copy(
                        &mut content,
                        &mut file,
                        entry.size.saturating_add(1),
                        account,
                    )
                    .map_err(|error| match error {
                        CopyError::Read(error) => unreadable(name, error),
                        CopyError::Write(error) => tree.failed("write", name, error).into(),
                        CopyError::Refused(error) => error.into(),
                    })?;
                if copied != entry.size {
                    return Err(corrupt(
                        name,
                        "its size is not the one that the archive states",
                    ));
                }
            }
            tree.finish_file(&entry.path, &file, &attributes)?;
        }
    }
    Ok(())
}

/// Lists every entry of `content`, with the beginnings that are `wanted`.
pub(super) fn list(
    content: Reader,
    account: &mut Account<'_>,
    wanted: &dyn Fn(&[u8]) -> Option<u64>,
    listing: &mut Listing,
) -> Result<(), ZipFailure> {
    let mut archive = open(content)?;
    let entries = check(&mut archive, account)?;
    for (index, entry) in entries.into_iter().enumerate() {
        let name = entry.path.bytes();
        if name.is_empty() {
            continue;
        }
        let most = match entry.kind {
            Kind::File => wanted(name),
            Kind::Link => Some(TARGET_MAX),
            Kind::Directory => None,
        };
        let content = match most {
            None => None,
            Some(most) => {
                let source = archive
                    .by_index(index)
                    .map_err(|error| failure(Some(name), error))?;
                let mut content = Vec::new();
                source
                    .take(most)
                    .read_to_end(&mut content)
                    .map_err(|error| unreadable(name, error))?;
                Some(content)
            }
        };
        let (kind, content) = match entry.kind {
            Kind::File => (ListedKind::File, content),
            Kind::Directory => (ListedKind::Directory, None),
            Kind::Link => (ListedKind::Link(content.unwrap_or_default()), None),
        };
        listing.add(Listed {
            path: name.to_vec(),
            kind,
            mode: entry.mode,
            content,
        })?;
    }
    Ok(())
}

fn open(content: Reader) -> Result<ZipArchive<Window>, ZipFailure> {
    let reader = Window::new(content).map_err(|error| ZipFailure::Corrupt(None, error))?;
    ZipArchive::new(reader).map_err(|error| match error {
        // Without its end there is no central directory to be found.
        ZipError::InvalidArchive(_) => ZipFailure::Truncated,
        error => failure(None, error),
    })
}

/// Checks the whole central directory.
fn check(
    archive: &mut ZipArchive<Window>,
    account: &mut Account<'_>,
) -> Result<Vec<Entry>, ZipFailure> {
    if archive.has_duplicate_names() {
        return Err(ZipFailure::Corrupt(
            None,
            io::Error::new(
                io::ErrorKind::InvalidData,
                "two entries have one name, and only one of them can be meant",
            ),
        ));
    }
    if overlap(archive)? {
        return Err(ZipFailure::Corrupt(
            None,
            io::Error::new(io::ErrorKind::InvalidData, "entries overlap each other"),
        ));
    }
    let mut entries = Vec::with_capacity(archive.len());
    let mut declared = 0_u64;
    let mut backslashes = false;
    for index in 0..archive.len() {
        account.entry()?;
        let data = archive
            .by_index_data(index)
            .map_err(|error| failure(None, error))?;
        let mut name = data.name_raw().to_vec();
        let made_on_dos = matches!(
            data.system(),
            System::Dos | System::WindowsNTFS | System::VFAT
        );
        if made_on_dos {
            if std::str::from_utf8(&name).is_err() {
                // The code page that DOS names are in; elsewhere bytes are kept as they are.
                name = data
                    .name()
                    .map_err(|error| failure(Some(&name), error))?
                    .into_owned()
                    .into_bytes();
            }
            if name.contains(&b'\\') && !name.contains(&b'/') {
                backslashes = true;
                name.iter_mut()
                    .filter(|byte| **byte == b'\\')
                    .for_each(|byte| *byte = b'/');
            }
        }
        let unsupported = |what: String| UnpackError::Unsupported {
            name: EntryName::new(&name),
            what,
        };
        if data.encrypted() {
            return Err(unsupported("encryption".into()).into());
        }
        let (kind, mode) = kind_and_mode(&name, data.external_attributes())?;
        if kind == Kind::Link {
            account.link(&name)?;
        }
        let path = EntryPath::parse(&name, &account.options.limits)?;
        if path.is_root() && kind != Kind::Directory {
            return Err(UnpackError::UnsafeName {
                name: EntryName::new(&name),
                why: "it is the archive's own directory, yet no directory",
            }
            .into());
        }
        let mode = if kind == Kind::Link {
            0
        } else {
            account.permissions(path.bytes(), mode)?
        };
        declared = declared.saturating_add(data.size());
        account.announce(declared)?;
        let small = match kind {
            Kind::File => small(&data),
            _ => None,
        };
        entries.push(Entry {
            path,
            kind,
            mode,
            size: data.size(),
            small,
        });
    }
    if backslashes {
        account.warn(
            "the zip archive has backslashes in names; they are taken as directory separators",
        );
    }
    Ok(entries)
}

/// What is stated of a file that is inflated all at once, if it is.
fn small(found: &impl HasZipMetadata) -> Option<Stated> {
    let found = found.get_metadata();
    let is_small = found.compression_method == CompressionMethod::Deflated
        && found.compressed_size <= inflate::MOST
        && found.uncompressed_size <= inflate::MOST;
    is_small.then_some(Stated {
        compressed: usize::try_from(found.compressed_size).ok()?,
        size: usize::try_from(found.uncompressed_size).ok()?,
        crc: found.crc32,
    })
}

/// Whether entries share bytes, which is how a small archive becomes petabytes. By the central
/// directory alone, so that nothing else has to be there yet: entries that leave room for each
/// other's header, name and data cannot be larger together than the archive.
fn overlap(archive: &ZipArchive<Window>) -> Result<bool, ZipFailure> {
    const HEADER: u64 = 30;
    let mut ranges = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let data = archive
            .by_index_data(index)
            .map_err(|error| failure(None, error))?;
        let found = data.get_metadata();
        if found.compressed_size > 0 {
            let length = HEADER + data.name_raw().len() as u64;
            let length = length.saturating_add(found.compressed_size);
            let end = found.header_start.saturating_add(length);
            ranges.push(found.header_start..end);
        }
    }
    ranges.sort_unstable_by_key(|range| range.start);
    let limits = ranges.iter().skip(1).map(|range| range.start);
    let limits = limits.chain([archive.central_directory_start()]);
    Ok(ranges
        .iter()
        .zip(limits)
        .any(|(range, limit)| range.end > limit))
}

/// What an entry is: by its Unix mode where it has one, else by the slash at the end of its name.
fn kind_and_mode(name: &[u8], external_attributes: u32) -> Result<(Kind, u32), UnpackError> {
    let by_name = if name.ends_with(b"/") {
        Kind::Directory
    } else {
        Kind::File
    };
    let mode = external_attributes >> 16;
    let kind = match mode & TYPE {
        0 | REGULAR => by_name,
        DIRECTORY => Kind::Directory,
        LINK => Kind::Link,
        other => {
            return Err(UnpackError::SpecialFile {
                name: EntryName::new(name),
                what: match other {
                    0o010_000 => "a fifo",
                    0o140_000 => "a socket",
                    0o020_000 | 0o060_000 => "a device",
                    _ => "of an unknown type",
                },
            });
        }
    };
    let default = if kind == Kind::Directory {
        0o755
    } else {
        0o644
    };
    // Zero is what writers leave that know no modes.
    Ok((kind, if mode == 0 { default } else { mode & 0o7777 }))
}

/// The time of an entry: Unix seconds where the archive has them, else NTFS's, else the DOS time,
/// which is local time.
fn modified<R: io::Read>(entry: &ZipFile<'_, R>) -> Option<TimeSpec> {
    let mut ntfs = None;
    for field in entry.extra_data_fields() {
        match field {
            ExtraField::ExtendedTimestamp(times) => {
                if let Some(seconds) = times.mod_time() {
                    // Signed, as Info-ZIP defines it.
                    return Some(TimeSpec::new(i64::from(seconds.cast_signed()), 0));
                }
            }
            ExtraField::Ntfs(times) => ntfs = Some(times.mtime()),
            _ => {}
        }
    }
    if let Some(time) = ntfs.filter(|time| *time > 0) {
        // 100 nanoseconds since 1601.
        const SECONDS_TO_1970: i64 = 11_644_473_600;
        let seconds = i64::try_from(time / 10_000_000).ok()? - SECONDS_TO_1970;
        let nanoseconds = i64::try_from(time % 10_000_000).ok()? * 100;
        return Some(TimeSpec::new(seconds, nanoseconds));
    }
    let time = entry.get_metadata().last_modified_time?;
    let small = |value: u8| i8::try_from(value).ok();
    let local = civil::DateTime::new(
        i16::try_from(time.year()).ok()?,
        small(time.month())?,
        small(time.day())?,
        small(time.hour())?,
        small(time.minute())?,
        small(time.second())?,
        0,
    )
    .ok()?;
    let zoned = local.to_zoned(TimeZone::system()).ok()?;
    Some(TimeSpec::new(zoned.timestamp().as_second(), 0))
}

fn corrupt(name: &[u8], what: &'static str) -> ZipFailure {
    ZipFailure::Corrupt(
        Some(EntryName::new(name)),
        io::Error::new(io::ErrorKind::InvalidData, what),
    )
}

/// Content that cannot be read is corrupt wherever it is: the central directory, which is at the
/// end of the file, was there.
fn unreadable(name: &[u8], error: io::Error) -> ZipFailure {
    ZipFailure::Corrupt(Some(EntryName::new(name)), error)
}

fn failure(name: Option<&[u8]>, error: ZipError) -> ZipFailure {
    let entry = name.map(EntryName::new);
    let unsupported = |what: String| {
        ZipFailure::Other(UnpackError::Unsupported {
            name: EntryName::new(name.unwrap_or(b"(the archive)")),
            what,
        })
    };
    match error {
        ZipError::Io(error) => ZipFailure::Corrupt(entry, error),
        ZipError::CompressionMethodNotSupported(method) => {
            unsupported(format!("compression method {method} (use deflate)"))
        }
        ZipError::UnsupportedArchive(what) => unsupported(what.to_owned()),
        error => ZipFailure::Corrupt(
            entry,
            io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        ),
    }
}
