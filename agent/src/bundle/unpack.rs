//! From a bundle to a deployment archive.
//!
//! Invariant: what is unpacked becomes the archive only when all of it is there. Everything is
//! made in the partial directory; a failure removes it, a kill leaves it for the next run to
//! remove, and the archive of before stays until the last rename.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::deployment::BundleType;

use super::ahead::read_ahead;
use super::decompress::Decompressed;
use super::format::{self, Format};
use super::growing::{End, Growing, Reader};
use super::limits::{Account, UnpackOptions, Unpacked};
use super::replace;
use super::tar::{TarError, TarStream};
use super::tree::{Repeated, Tree};
use super::unpack_error::UnpackError;
use super::zip::{self, ZipFailure};

/// Where an archive is made, and what it becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) partial: &'a Path,
    pub(super) archive: &'a Path,
}

/// Unpacks `bundle` while it arrives as `content` into the partial directory (an old one is removed),
/// drops a single top directory that holds the AppSpec, and puts the result in place as the archive,
/// replacing one that is there. Blocks; to be called from a thread that may. The archive gets its name only when the
/// download has come to a good end; what was unpacked of one that began anew is thrown away.
/// None when the download fails, which has its own error to tell. Errors are told when the
/// download has ended well, because what is wrong with an archive may be what is wrong with a
/// download; only what this host is to blame for is told at once.
pub(super) fn follow(
    content: &Arc<Growing>,
    bundle: &Path,
    kind: BundleType,
    places: Places<'_>,
    options: &UnpackOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Option<Unpacked>, UnpackError> {
    let Places { partial, archive } = places;
    loop {
        replace::clear(partial, archive, interrupted)?;
        let mut account = Account::new(options, interrupted);
        let reader = content.reader(interrupted);
        let made = make(bundle, &reader, kind, partial, &mut account);
        let ours = matches!(
            made,
            Err(UnpackError::Write { .. } | UnpackError::Directory { .. })
        );
        if ours {
            return settle(made, places, account).map(Some);
        }
        match reader.wait_for_end() {
            Some(End::Good) => return settle(made, places, account).map(Some),
            Some(End::Anew) => {}
            Some(End::Failed) => {
                replace::remove(partial, account.interrupted)?;
                return Ok(None);
            }
            None => return Err(UnpackError::Interrupted),
        }
    }
}

/// Fills the partial directory; what in it becomes the archive.
fn make(
    bundle: &Path,
    content: &Reader,
    kind: BundleType,
    partial: &Path,
    account: &mut Account<'_>,
) -> Result<PathBuf, UnpackError> {
    let made = (|| {
        let format = recognise(bundle, content.clone(), kind)?;
        let repeated = match format {
            Format::Zip => Repeated::Refused,
            _ => Repeated::Replaces,
        };
        let mut tree = Tree::create(partial, repeated)?;
        fill(&mut tree, bundle, content.clone(), format, account)?;
        let top = replace::top_directory(tree.root()).map_err(|source| UnpackError::Directory {
            operation: "list",
            path: partial.to_owned(),
            source,
        })?;
        tree.finish(top.as_deref().map(OsStrExt::as_bytes))?;
        Ok(top.map_or_else(|| partial.to_owned(), |top| partial.join(top)))
    })();
    // Whatever a reader said when it was told to stop.
    if account.interrupted.load(Ordering::Relaxed) {
        return Err(UnpackError::Interrupted);
    }
    made
}

/// The frame of every way to make an archive: clean up before, put in place or clean up after.
/// `make` fills the partial directory and returns what in it becomes the archive.
pub(super) fn into_archive(
    partial: &Path,
    archive: &Path,
    make: impl FnOnce(&mut Account<'_>, &Path) -> Result<PathBuf, UnpackError>,
    options: &UnpackOptions,
    interrupted: &AtomicBool,
) -> Result<Unpacked, UnpackError> {
    replace::clear(partial, archive, interrupted)?;
    let mut account = Account::new(options, interrupted);
    let made = make(&mut account, partial);
    settle(made, Places { partial, archive }, account)
}

/// Puts in place what was made, or cleans up.
fn settle(
    made: Result<PathBuf, UnpackError>,
    Places { partial, archive }: Places<'_>,
    mut account: Account<'_>,
) -> Result<Unpacked, UnpackError> {
    let result =
        made.and_then(|complete| replace::swap_in(&complete, archive, account.interrupted));
    if let Err(UnpackError::Interrupted) = result {
        // To remove much takes long, and somebody waits; the next run begins with it.
        return Err(UnpackError::Interrupted);
    }
    // Also after success: it is the emptied shell of a stripped archive then.
    let removed = replace::remove(partial, account.interrupted);
    if let Some(warning) = result? {
        account.warn(warning);
    }
    if let Err(error) = removed {
        account.warn(crate::error::chain(&error));
    }
    Ok(account.finish())
}

/// A bundle that is there as a whole.
pub(super) fn content_of(bundle: &Path) -> Result<Arc<Growing>, UnpackError> {
    fs_err::File::open(bundle)
        .and_then(|file| Growing::complete(file.into_file()))
        .map_err(|source| UnpackError::Bundle {
            path: bundle.to_owned(),
            source,
        })
}

/// Compares a bundle with what it is said to be.
pub(super) fn recognise(
    bundle: &Path,
    content: Reader,
    kind: BundleType,
) -> Result<Format, UnpackError> {
    let mut start = Vec::with_capacity(format::PROBE);
    content
        .take(format::PROBE as u64)
        .read_to_end(&mut start)
        .map_err(|source| UnpackError::Bundle {
            path: bundle.to_owned(),
            source,
        })?;
    if start.is_empty() {
        return Err(UnpackError::EmptyFile {
            path: bundle.to_owned(),
        });
    }
    let seems = format::detect(&start);
    let right = match kind {
        BundleType::Tar => matches!(
            seems,
            Format::Tar | Format::Gzip | Format::Bzip2 | Format::Xz | Format::Zstd
        ),
        BundleType::Tgz => seems == Format::Gzip,
        // A zip may begin with something else, such as the program of a self-extracting one.
        BundleType::Zip => matches!(seems, Format::Zip | Format::Unknown | Format::Text),
        BundleType::Directory => return Err(UnpackError::NotAnArchive),
    };
    if !right {
        return Err(UnpackError::WrongType {
            path: bundle.to_owned(),
            said: kind,
            seems,
        });
    }
    Ok(if kind == BundleType::Zip {
        Format::Zip
    } else {
        seems
    })
}

fn fill(
    tree: &mut Tree,
    bundle: &Path,
    content: Reader,
    format: Format,
    account: &mut Account<'_>,
) -> Result<(), UnpackError> {
    if format == Format::Zip {
        return fill_from_zip(tree, bundle, &content, account);
    }
    let damaged = |error| damaged(error, bundle, format);
    let owners = nix::unistd::geteuid().is_root() && !account.options.ignore_ownership;
    if format == Format::Tar {
        TarStream::new(&mut content.buffered(), owners)
            .unpack(tree, account)
            .map_err(damaged)?;
    } else {
        // Inflating takes longer than reading and than writing, and cannot be shared out.
        let (unpacked, _) = read_ahead(content, |compressed| {
            // `recognise` lets only formats through that are a tar or compress one.
            let input = Decompressed::new(compressed, format).ok_or(UnpackError::NotAnArchive)?;
            let (unpacked, input) = read_ahead(input, |ahead| {
                TarStream::new(ahead, owners).unpack(tree, account)?;
                // What follows the tar's end mark is of no interest, but the checksum at the end is.
                drain(ahead, account)
            });
            unpacked.map_err(damaged)?;
            Ok(input.trailing_garbage())
        });
        if unpacked? {
            account.warn("bytes after the end of the gzip stream are ignored");
        }
    }
    if account.entries() == 0 {
        return Err(UnpackError::NoEntries {
            path: bundle.to_owned(),
        });
    }
    Ok(())
}

/// What is wrong with a tar stream, told with the file that it came from.
pub(super) fn damaged(error: TarError, bundle: &Path, format: Format) -> UnpackError {
    match error {
        TarError::Truncated(entry) => UnpackError::Truncated {
            path: bundle.to_owned(),
            format,
            entry,
        },
        TarError::Corrupt(entry, source) => UnpackError::Corrupt {
            path: bundle.to_owned(),
            format,
            entry,
            source,
        },
        TarError::Other(error) => error,
    }
}

/// Reads the rest of a compressed stream, which verifies it. A limit on the size holds here too.
fn drain(input: &mut impl Read, account: &Account<'_>) -> Result<(), TarError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut rest = 0_u64;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                rest += count as u64;
                account.announce(rest)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(TarError::Truncated(None));
            }
            Err(error) => return Err(TarError::Corrupt(None, error)),
        }
    }
}

fn fill_from_zip(
    tree: &mut Tree,
    bundle: &Path,
    content: &Reader,
    account: &mut Account<'_>,
) -> Result<(), UnpackError> {
    zip::unpack(content.clone(), tree, account)
        .map_err(|failure| zip_failure(failure, bundle, content))?;
    if account.entries() == 0 {
        return Err(UnpackError::NoEntries {
            path: bundle.to_owned(),
        });
    }
    Ok(())
}

/// What is wrong with a zip archive, told with the file that it came from.
pub(super) fn zip_failure(failure: ZipFailure, bundle: &Path, content: &Reader) -> UnpackError {
    match failure {
        ZipFailure::Other(error) => error,
        ZipFailure::Corrupt(entry, source) => UnpackError::Corrupt {
            path: bundle.to_owned(),
            format: Format::Zip,
            entry,
            source,
        },
        ZipFailure::Truncated => {
            // No central directory: either cut short, or no zip in the first place.
            let seems = format::detect(&start_of(content));
            if seems == Format::Zip {
                UnpackError::Truncated {
                    path: bundle.to_owned(),
                    format: Format::Zip,
                    entry: None,
                }
            } else {
                UnpackError::WrongType {
                    path: bundle.to_owned(),
                    said: BundleType::Zip,
                    seems,
                }
            }
        }
    }
}

fn start_of(content: &Reader) -> Vec<u8> {
    let mut start = vec![0; format::PROBE];
    let count = content.read_at(&mut start, 0).unwrap_or(0);
    start.truncate(count);
    start
}
