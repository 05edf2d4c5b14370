//! The decompressed bytes of a tar archive.
//!
//! Several gzip members, bzip2 or xz streams, or zstd frames in one file are read as one. Zeros
//! after the last are padding. Other bytes after a complete gzip stream are ignored, as gzip
//! itself does, and told through [`Decompressed::trailing_garbage`].

use std::io::{self, BufRead, Read};

use bzip2::read::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::format::Format;

/// The most memory that a stream may ask for (KiB): `xz -9` needs 65 MiB, `zstd --long` 128 MiB.
const MEMORY_MAX_KIB: u32 = 130 * 1024;

/// A tar archive's bytes, whatever compresses them.
pub(super) enum Decompressed<R: BufRead> {
    Plain(R),
    Gzip(Box<Members<R>>),
    Bzip2(Box<MultiBzDecoder<R>>),
    Xz(Box<XzReader<R>>),
    Zstd(Box<Frames<R>>),
}

impl<R: BufRead> Decompressed<R> {
    /// The bytes of `file`, which stands at its beginning; none for a format that is no
    /// compression.
    pub(super) fn new(file: R, format: Format) -> Option<Self> {
        Some(match format {
            Format::Tar => Self::Plain(file),
            Format::Gzip => Self::Gzip(Box::new(Members {
                decoder: Some(GzDecoder::new(file)),
                garbage: false,
            })),
            Format::Bzip2 => Self::Bzip2(Box::new(MultiBzDecoder::new(file))),
            Format::Xz => Self::Xz(Box::new(XzReader::new_mem_limit(
                file,
                true,
                MEMORY_MAX_KIB,
            ))),
            Format::Zstd => {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(u64::from(MEMORY_MAX_KIB) * 1024);
                Self::Zstd(Box::new(Frames {
                    decoder,
                    input: file,
                    within: false,
                }))
            }
            _ => return None,
        })
    }

    /// Whether bytes after the end of the compressed stream were ignored.
    pub(super) fn trailing_garbage(&self) -> bool {
        matches!(self, Self::Gzip(members) if members.garbage)
    }
}

impl<R: BufRead> Read for Decompressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gzip(members) => members.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Zstd(frames) => frames.read(buffer),
        }
    }
}

/// The members of a gzip file.
pub(super) struct Members<R> {
    decoder: Option<GzDecoder<R>>,
    garbage: bool,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(decoder) = self.decoder.take() else {
                break;
            };
            let mut file = decoder.into_inner();
            match only_zeros(&mut file)? {
                None => {}
                Some(0x1f) => self.decoder = Some(GzDecoder::new(file)),
                Some(_) => self.garbage = true,
            }
        }
        Ok(0)
    }
}

/// Skips zeros; the first other byte (left unread), or none at the end.
fn only_zeros(file: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match bytes.iter().position(|byte| *byte != 0) {
            Some(at) => {
                let byte = bytes.get(at).copied();
                file.consume(at);
                return Ok(byte);
            }
            None => {
                let all = bytes.len();
                file.consume(all);
            }
        }
    }
}

/// The frames of a zstd file, skippable ones left out.
pub(super) struct Frames<R> {
    decoder: FrameDecoder,
    input: R,
    within: bool,
}

impl<R: BufRead> Frames<R> {
    /// Begins the next frame; false at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.input.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(invalid(&error)),
            }
        }
        Ok(false)
    }

    fn check(&self) -> io::Result<()> {
        match (
            self.decoder.get_checksum_from_data(),
            self.decoder.get_calculated_checksum(),
        ) {
            (Some(stated), Some(calculated)) if stated != calculated => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the checksum of a zstd frame is wrong",
            )),
            _ => Ok(()),
        }
    }
}

/// Keeps "the file ended" apart from "the file is wrong", which the decoder wraps alike.
fn invalid(error: &FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::UnexpectedEof
        {
            return io::ErrorKind::UnexpectedEof.into();
        }
        cause = error.source();
    }
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within {
                if !self.begin()? {
                    return Ok(0);
                }
                self.within = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.input, UptoBlocks(1))
                    .map_err(|error| invalid(&error))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.check()?;
            self.within = false;
        }
    }
}
