//! Inflating an entry of a zip that fits in memory, all at once: a fifth sooner than as a stream, and
//! written by one system call.
//!
//! libdeflate is C, unlike all else that looks at a bundle. A bundle can harm nobody through it who
//! does not run its hooks anyway; and it gets memory of a size that the caller sets.

use std::io::{self, Read};

use libdeflater::{DecompressionError, Decompressor};

/// Larger entries are inflated as streams: each thread has memory for two of this size.
pub(super) const MOST: u64 = 512 * 1024;

/// What the archive states of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated {
    /// Bytes as they are in the archive, at most [`MOST`].
    pub(super) compressed: usize,
    /// Bytes of content, at most [`MOST`].
    pub(super) size: usize,
    /// The content's CRC-32.
    pub(super) crc: u32,
}

/// Inflates one entry after the other in the same memory.
pub(super) struct Inflater {
    decompressor: Decompressor,
    compressed: Vec<u8>,
    content: Vec<u8>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            decompressor: Decompressor::new(),
            compressed: Vec::new(),
            content: Vec::new(),
        }
    }

    /// The content of an entry whose deflated bytes `source` gives.
    ///
    /// # Errors
    /// When it cannot be read, or is not what the archive states.
    pub(super) fn inflate(&mut self, source: &mut dyn Read, stated: Stated) -> io::Result<&[u8]> {
        let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        self.compressed.resize(stated.compressed, 0);
        self.content.resize(stated.size, 0);
        source.read_exact(&mut self.compressed)?;
        match self
            .decompressor
            .deflate_decompress(&self.compressed, &mut self.content)
        {
            Ok(length) if length == stated.size => {}
            Ok(_) | Err(DecompressionError::InsufficientSpace) => {
                return invalid("its size is not the one that the archive states");
            }
            Err(DecompressionError::BadData) => return invalid("it cannot be decompressed"),
        }
        if crc32fast::hash(&self.content) != stated.crc {
            return invalid("its checksum is not the one that the archive states");
        }
        Ok(&self.content)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn deflated(content: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn stated(content: &[u8], compressed: &[u8]) -> Stated {
        Stated {
            compressed: compressed.len(),
            size: content.len(),
            crc: crc32fast::hash(content),
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_deflated_comes_back_and_any_damage_is_an_error(
            content in proptest::collection::vec(0_u8..4, 1..5000),
            at in proptest::prelude::any::<proptest::sample::Index>(),
        ) {
            let mut inflater = Inflater::new();
            let compressed = deflated(&content);
            let stated = stated(&content, &compressed);
            let inflated = inflater.inflate(&mut compressed.as_slice(), stated).unwrap();
            proptest::prop_assert_eq!(inflated, &content);
            let mut damaged = compressed.clone();
            damaged[at.index(compressed.len())] ^= 0x10;
            if let Ok(inflated) = inflater.inflate(&mut damaged.as_slice(), stated) {
                // The last byte has bits that mean nothing.
                proptest::prop_assert_eq!(inflated, &content);
            }
            let short = &compressed[..at.index(compressed.len())];
            proptest::prop_assert!(inflater.inflate(&mut &*short, stated).is_err());
        }
    }

    #[test]
    fn what_differs_from_the_archive_is_an_error() {
        let mut inflater = Inflater::new();
        let content = b"content content content";
        let compressed = deflated(content);
        let right = stated(content, &compressed);
        for wrong in [
            Stated { size: 22, ..right },
            Stated { size: 24, ..right },
            Stated {
                crc: right.crc ^ 1,
                ..right
            },
        ] {
            assert!(inflater.inflate(&mut compressed.as_slice(), wrong).is_err());
        }
        assert_eq!(
            inflater.inflate(&mut compressed.as_slice(), right).unwrap(),
            content
        );
    }
}
