//! Unpacking a tar stream: ustar, GNU and pax headers.
//!
//! Headers are read one after the other from a plain stream, so that unpacking could begin while
//! the archive is still arriving. The `tar` crate splits the header's fields; what lies around it
//! is ours, because its reader takes extended headers of any size into memory, breaks names with
//! newlines and does not know pax's sparse files.
//!
//! As GNU tar does, reading stops at the first block of zeros and what follows is ignored; an
//! archive without that end mark is taken with a warning.

use std::io::{self, Read};

use tar::Header;

use super::content::Copier;
use super::limits::Account;
use super::pax::Pax;
use super::tar_header::{self, BLOCK, Kind, Numbers};
use super::tree::Tree;
use super::unpack_error::{EntryName, UnpackError};

/// The most bytes of one extended header or long name.
const EXTENDED_HEADER_MAX: u64 = 1 << 20;

/// Why the stream could not be unpacked; the caller knows the file and says so.
#[derive(Debug)]
pub(super) enum TarError {
    /// The stream ended early, within this entry.
    Truncated(Option<EntryName>),
    /// The stream makes no sense.
    Corrupt(Option<EntryName>, io::Error),
    /// Anything that is not about the stream.
    Other(UnpackError),
}

impl From<UnpackError> for TarError {
    fn from(error: UnpackError) -> Self {
        Self::Other(error)
    }
}

pub(super) fn malformed(entry: Option<&[u8]>, what: &'static str) -> TarError {
    TarError::Corrupt(
        entry.map(EntryName::new),
        io::Error::new(io::ErrorKind::InvalidData, what),
    )
}

/// A tar stream and what its extended headers have said so far.
pub(super) struct TarStream<'a, R> {
    pub(super) input: &'a mut R,
    /// Bytes of content and padding before the next header.
    pub(super) left: u64,
    padding: u64,
    global: Pax,
    /// Owners are applied.
    pub(super) owners: bool,
    pub(super) copier: Copier,
}

/// One entry's header with everything that belongs to it.
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) numbers: Numbers,
    pub(super) pax: Pax,
    pub(super) header: Header,
}

impl<'a, R: Read> TarStream<'a, R> {
    pub(super) fn new(input: &'a mut R, owners: bool) -> Self {
        Self {
            input,
            left: 0,
            padding: 0,
            global: Pax::default(),
            owners,
            copier: Copier::new(),
        }
    }

    /// Unpacks every entry into `tree`.
    pub(super) fn unpack(
        &mut self,
        tree: &mut Tree,
        account: &mut Account<'_>,
    ) -> Result<(), TarError> {
        while let Some(entry) = self.next(account)? {
            account.entry()?;
            self.make(&entry, tree, account)?;
        }
        Ok(())
    }

    /// The next entry that is more than a remark on another.
    pub(super) fn next(&mut self, account: &mut Account<'_>) -> Result<Option<Entry>, TarError> {
        let mut long_name = None;
        let mut long_link = None;
        let mut pax: Option<Pax> = None;
        loop {
            self.skip_content()?;
            let Some(header) = self.header(account)? else {
                if long_name.is_some() || long_link.is_some() || pax.is_some() {
                    return Err(TarError::Truncated(None));
                }
                return Ok(None);
            };
            let kind = tar_header::kind(&header);
            let mut numbers = tar_header::numbers(&header)
                .map_err(|what| malformed(Some(&header.path_bytes()), what))?;
            match kind {
                Kind::LongName => long_name = Some(self.text(numbers.size)?),
                Kind::LongLink => long_link = Some(self.text(numbers.size)?),
                Kind::Pax { global } => {
                    let data = self.extended(numbers.size)?;
                    let read =
                        |pax: &mut Pax| pax.read(&data).map_err(|what| malformed(None, what));
                    if global {
                        read(&mut self.global)?;
                    } else {
                        read(pax.get_or_insert_default())?;
                    }
                }
                Kind::Label => self.content_follows(numbers.size),
                _ => {
                    let pax = self.effective(pax.unwrap_or_default());
                    if let Some(size) = pax.size {
                        numbers.size = size;
                    }
                    let name = long_name
                        .or_else(|| pax.sparse.name.clone())
                        .or_else(|| pax.path.clone())
                        .unwrap_or_else(|| header.path_bytes().into_owned());
                    let link = long_link
                        .or_else(|| pax.link_path.clone())
                        .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
                        .unwrap_or_default();
                    if kind.has_content() {
                        self.content_follows(numbers.size);
                    }
                    return Ok(Some(Entry {
                        kind,
                        name,
                        link,
                        numbers,
                        pax,
                        header,
                    }));
                }
            }
        }
    }

    /// Of the global records only those are used that can sensibly be global.
    fn effective(&self, mut pax: Pax) -> Pax {
        pax.modified = pax.modified.or(self.global.modified);
        pax.uid = pax.uid.or(self.global.uid);
        pax.gid = pax.gid.or(self.global.gid);
        pax
    }

    /// Reads a header; none at the end of the archive.
    fn header(&mut self, account: &mut Account<'_>) -> Result<Option<Header>, TarError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while let Some(room) = block.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) if filled == 0 => {
                    account.warn("the tar archive has no end mark; it may have been cut short");
                    return Ok(None);
                }
                Ok(0) => return Err(TarError::Truncated(None)),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failed(None, error)),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if !tar_header::checksum_is_right(&block) {
            return Err(malformed(None, "the checksum of a header is wrong"));
        }
        Ok(Some(Header::from_byte_slice(&block).clone()))
    }

    fn content_follows(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        let skip = self
            .left
            .checked_add(self.padding)
            .ok_or_else(|| malformed(None, "a size is out of range"))?;
        let skipped = io::copy(&mut self.input.by_ref().take(skip), &mut io::sink())
            .map_err(|error| read_failed(None, error))?;
        // Padding of the last entry may be missing, as GNU tar accepts too.
        if skipped < self.left {
            return Err(TarError::Truncated(None));
        }
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    /// The content of an extended header, which goes into memory and is limited for that.
    fn extended(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        if size > EXTENDED_HEADER_MAX {
            return Err(malformed(None, "an extended header is larger than 1 MiB"));
        }
        self.content_follows(size);
        let mut data = Vec::new();
        self.input
            .by_ref()
            .take(size)
            .read_to_end(&mut data)
            .map_err(|error| read_failed(None, error))?;
        if (data.len() as u64) < size {
            return Err(TarError::Truncated(None));
        }
        self.left = 0;
        Ok(data)
    }

    /// The first `size` bytes of the entry's content.
    pub(super) fn beginning(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut data = Vec::new();
        self.input
            .by_ref()
            .take(size)
            .read_to_end(&mut data)
            .map_err(|error| read_failed(None, error))?;
        if (data.len() as u64) < size {
            return Err(TarError::Truncated(None));
        }
        self.left = self.left.saturating_sub(size);
        Ok(data)
    }

    /// A long name or link target, which ends at its first NUL.
    fn text(&mut self, size: u64) -> Result<Vec<u8>, TarError> {
        let mut text = self.extended(size)?;
        if let Some(end) = text.iter().position(|byte| *byte == 0) {
            text.truncate(end);
        }
        Ok(text)
    }
}

pub(super) fn read_failed(entry: Option<&[u8]>, error: io::Error) -> TarError {
    let entry = entry.map(EntryName::new);
    if error.kind() == io::ErrorKind::UnexpectedEof {
        TarError::Truncated(entry)
    } else {
        TarError::Corrupt(entry, error)
    }
}
