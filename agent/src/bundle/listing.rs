//! What an archive holds, without unpacking it: names, kinds, modes, and the beginnings of the
//! files that are asked for. Nothing is written anywhere.
//!
//! What unpacking refuses by name, type or limit is refused here as well; what only reading every
//! byte can tell, such as a checksum, is not looked at.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::decompress::Decompressed;
use super::entry_path::EntryPath;
use super::format::{self, Format};
use super::limits::{Account, UnpackOptions};
use super::tar::{self, TarStream};
use super::tar_header::Kind as TarKind;
use super::unpack::{content_of, damaged, recognise, zip_failure};
use super::unpack_error::{EntryName, UnpackError};
use super::zip;
use crate::deployment::BundleType;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Normalised: names joined by single slashes.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: ListedKind,
    /// Permission bits.
    pub mode: u32,
    /// The beginning of a file that was asked for.
    pub content: Option<Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, with its target.
    Link(Vec<u8>),
    /// Another name for the entry of this path.
    Same(Vec<u8>),
}

/// Lists `bundle`. `wanted` says of a file's path how many bytes of its beginning are kept; with
/// none, it is passed over.
///
/// # Errors
/// When the bundle cannot be read, is not of the stated type, is damaged, or holds what a bundle
/// may not hold.
pub fn list(
    bundle: &Path,
    kind: BundleType,
    options: &UnpackOptions,
    wanted: &dyn Fn(&[u8]) -> Option<u64>,
) -> Result<Vec<Listed>, UnpackError> {
    // Reading a listing takes no time that anybody would want to cut short.
    let never = Arc::default();
    let mut account = Account::new(options, &never);
    let content = content_of(bundle)?.reader(&never);
    let format = recognise(bundle, content.clone(), kind)?;
    let mut listing = Listing::default();
    if format == Format::Zip {
        zip::list(content.clone(), &mut account, wanted, &mut listing)
            .map_err(|failure| zip_failure(failure, bundle, &content))?;
    } else {
        let mut input =
            Decompressed::new(content.buffered(), format).ok_or(UnpackError::NotAnArchive)?;
        list_tar(&mut input, &mut account, wanted, &mut listing)
            .map_err(|error| damaged(error, bundle, format))?;
    }
    if listing.entries.is_empty() {
        return Err(UnpackError::NoEntries {
            path: bundle.to_owned(),
        });
    }
    Ok(listing.entries)
}

/// The type of a bundle that is a file, by its name; by its first bytes when the name says nothing.
#[must_use]
pub fn type_of(bundle: &Path, start: &[u8]) -> Option<BundleType> {
    let name = bundle.file_name()?.to_string_lossy().to_ascii_lowercase();
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&[".zip"]) {
        return Some(BundleType::Zip);
    }
    if ends(&[".tgz", ".tar.gz"]) {
        return Some(BundleType::Tgz);
    }
    if ends(&[".tar", ".tar.bz2", ".tar.xz", ".tar.zst"]) {
        return Some(BundleType::Tar);
    }
    match format::detect(start) {
        Format::Zip => Some(BundleType::Zip),
        Format::Gzip => Some(BundleType::Tgz),
        Format::Tar | Format::Bzip2 | Format::Xz | Format::Zstd => Some(BundleType::Tar),
        _ => None,
    }
}

/// The entries so far; a later one of a name replaces the earlier.
#[derive(Default)]
pub(super) struct Listing {
    entries: Vec<Listed>,
    places: HashMap<Vec<u8>, usize>,
}

impl Listing {
    /// Takes an entry in. As in unpacking, nothing may lie below what is no directory.
    pub(super) fn add(&mut self, entry: Listed) -> Result<(), UnpackError> {
        let mut above = entry.path.as_slice();
        while let Some(slash) = above.iter().rposition(|byte| *byte == b'/') {
            above = above.get(..slash).unwrap_or_default();
            if let Some(found) = self.get(above)
                && found.kind != ListedKind::Directory
            {
                return Err(UnpackError::ThroughLink {
                    name: EntryName::new(&entry.path),
                    link: EntryName::new(above),
                });
            }
        }
        let kind = std::mem::discriminant(&entry.kind);
        if let Some(place) = self.places.get(&entry.path)
            && let Some(slot) = self.entries.get_mut(*place)
        {
            let directories = (slot.kind == ListedKind::Directory) as u8
                + (entry.kind == ListedKind::Directory) as u8;
            if directories == 1 || kind != std::mem::discriminant(&slot.kind) {
                return Err(UnpackError::Duplicate {
                    name: EntryName::new(&entry.path),
                    what: "once as one kind of thing, then as another",
                });
            }
            *slot = entry;
            return Ok(());
        }
        self.places.insert(entry.path.clone(), self.entries.len());
        self.entries.push(entry);
        Ok(())
    }

    fn get(&self, path: &[u8]) -> Option<&Listed> {
        self.places
            .get(path)
            .and_then(|place| self.entries.get(*place))
    }
}

fn list_tar(
    input: &mut impl Read,
    account: &mut Account<'_>,
    wanted: &dyn Fn(&[u8]) -> Option<u64>,
    listing: &mut Listing,
) -> Result<(), tar::TarError> {
    let mut stream = TarStream::new(input, false);
    while let Some(entry) = stream.next(account)? {
        account.entry()?;
        let limits = account.options.limits;
        let path = EntryPath::parse(&entry.name, &limits)?;
        let mut content = None;
        let kind = match entry.kind {
            TarKind::Directory | TarKind::DumpDirectory => ListedKind::Directory,
            TarKind::SymbolicLink => {
                account.link(&entry.name)?;
                ListedKind::Link(entry.link.clone())
            }
            TarKind::HardLink => {
                account.link(&entry.name)?;
                ListedKind::Same(EntryPath::parse(&entry.link, &limits)?.bytes().to_vec())
            }
            TarKind::File | TarKind::OldSparse => {
                // A sparse file's map must be read to get past it.
                let sparse = stream.pieces(&entry)?;
                let size = sparse
                    .as_ref()
                    .map_or(entry.numbers.size, |(size, _)| *size);
                account.announce(size)?;
                account.bytes(size)?;
                if let Some(most) = wanted(path.bytes()).filter(|_| sparse.is_none()) {
                    content = Some(stream.beginning(size.min(most))?);
                }
                ListedKind::File
            }
            TarKind::Special(what) => {
                return Err(UnpackError::SpecialFile {
                    name: EntryName::new(&entry.name),
                    what,
                }
                .into());
            }
            TarKind::Unknown(byte) => {
                return Err(UnpackError::Unsupported {
                    name: EntryName::new(&entry.name),
                    what: format!("tar entry type {:?}", char::from(byte)),
                }
                .into());
            }
            // `next` returns none of these.
            TarKind::Pax { .. } | TarKind::LongName | TarKind::LongLink | TarKind::Label => {
                continue;
            }
        };
        if path.is_root() {
            continue;
        }
        let mode = account.permissions(&entry.name, entry.numbers.mode)?;
        listing.add(Listed {
            path: path.bytes().to_vec(),
            kind,
            mode,
            content,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn add(builder: &mut ::tar::Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        builder.append_data(&mut header, name, content).unwrap();
    }

    fn add_link(builder: &mut ::tar::Builder<Vec<u8>>, name: &str, target: &str, hard: bool) {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(match hard {
            true => ::tar::EntryType::Link,
            false => ::tar::EntryType::Symlink,
        });
        header.set_size(0);
        header.set_mode(0o777);
        header.set_cksum();
        builder.append_link(&mut header, name, target).unwrap();
    }

    fn listed(bytes: &[u8], kind: BundleType) -> Result<Vec<Listed>, UnpackError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let options = UnpackOptions::default();
        list(file.path(), kind, &options, &|path| {
            path.ends_with(b".sh").then_some(4)
        })
    }

    #[test]
    fn a_tar_is_listed_with_the_beginnings_that_are_wanted() {
        let mut builder = ::tar::Builder::new(Vec::new());
        add(&mut builder, "a/run.sh", 0o755, b"#!/bin/sh\n");
        add(&mut builder, "b", 0o644, &[b'x'; 2000]);
        add_link(&mut builder, "c", "/etc/passwd", false);
        add_link(&mut builder, "d", "b", true);
        let entries = listed(&builder.into_inner().unwrap(), BundleType::Tar).unwrap();
        let kinds: Vec<_> = entries.iter().map(|e| (&*e.path, &e.kind)).collect();
        assert_eq!(
            kinds,
            [
                (b"a/run.sh".as_slice(), &ListedKind::File),
                (b"b", &ListedKind::File),
                (b"c", &ListedKind::Link(b"/etc/passwd".to_vec())),
                (b"d", &ListedKind::Same(b"b".to_vec())),
            ]
        );
        assert_eq!(entries[0].content.as_deref(), Some(b"#!/b".as_slice()));
        assert_eq!(entries[0].mode, 0o755);
        assert_eq!(entries[1].content, None);
    }

    #[test]
    fn a_zip_is_listed_like_a_tar() {
        let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = ::zip::write::SimpleFileOptions::default();
        writer
            .start_file("run.sh", options.unix_permissions(0o755))
            .unwrap();
        writer.write_all(b"#!/bin/sh\n").unwrap();
        writer.add_directory("d", options).unwrap();
        writer.add_symlink("l", "run.sh", options).unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        let entries = listed(&bytes, BundleType::Zip).unwrap();
        assert_eq!(entries[0].content.as_deref(), Some(b"#!/b".as_slice()));
        assert_eq!(entries[0].mode & 0o777, 0o755);
        assert_eq!(entries[1].kind, ListedKind::Directory);
        assert_eq!(entries[2].kind, ListedKind::Link(b"run.sh".to_vec()));
    }

    #[test]
    fn what_unpacking_refuses_is_refused() {
        let mut builder = ::tar::Builder::new(Vec::new());
        add_link(&mut builder, "d", "/etc", false);
        add(&mut builder, "d/passwd", 0o644, b"x");
        let error = listed(&builder.into_inner().unwrap(), BundleType::Tar).unwrap_err();
        assert!(matches!(error, UnpackError::ThroughLink { .. }), "{error}");

        let mut builder = ::tar::Builder::new(Vec::new());
        add(&mut builder, "b", 0o644, &[b'x'; 2000]);
        let mut bytes = builder.into_inner().unwrap();
        bytes.truncate(1000);
        let error = listed(&bytes, BundleType::Tar).unwrap_err();
        assert!(matches!(error, UnpackError::Truncated { .. }), "{error}");
    }
}
