//! What a file is, by its first bytes.

use std::fmt;

/// A kind of file, as far as it matters for saying what a bundle seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A tar archive, not compressed.
    Tar,
    /// A gzip stream.
    Gzip,
    /// A bzip2 stream.
    Bzip2,
    /// An xz stream.
    Xz,
    /// A zstd stream.
    Zstd,
    /// A zip archive.
    Zip,
    /// A 7-Zip archive.
    SevenZip,
    /// A RAR archive.
    Rar,
    /// XML or HTML, such as an error page saved as the bundle.
    Markup,
    /// Other text.
    Text,
    /// Anything else.
    Unknown,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tar => "tar",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
            Self::SevenZip => "7-Zip",
            Self::Rar => "RAR",
            Self::Markup => "XML or HTML (an error page?)",
            Self::Text => "plain text",
            Self::Unknown => "no known archive",
        })
    }
}

/// How many bytes [`detect`] wants to see: one tar header.
pub(super) const PROBE: usize = 512;

/// The format of a file that begins with `start`.
pub(super) fn detect(start: &[u8]) -> Format {
    match start {
        [0x1f, 0x8b, ..] => Format::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Format::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Format::Zip,
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Format::SevenZip,
        [b'R', b'a', b'r', b'!', ..] => Format::Rar,
        _ if is_tar(start) => Format::Tar,
        [b'<', ..] => Format::Markup,
        _ if !start.is_empty() && start.iter().all(|byte| is_text(*byte)) => Format::Text,
        _ => Format::Unknown,
    }
}

/// A tar header whose checksum is right, or the zero block of a tar without entries.
fn is_tar(start: &[u8]) -> bool {
    let Some(header) = start.first_chunk::<512>() else {
        return false;
    };
    header.iter().all(|byte| *byte == 0) || super::tar_header::checksum_is_right(header)
}

fn is_text(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(b"\x1f\x8b\x08", Format::Gzip)]
    #[case(b"BZh91AY", Format::Bzip2)]
    #[case(b"\xfd7zXZ\0\0", Format::Xz)]
    #[case(b"\x28\xb5\x2f\xfd\0", Format::Zstd)]
    #[case(b"PK\x03\x04", Format::Zip)]
    #[case(b"PK\x05\x06", Format::Zip)]
    #[case(b"<?xml version='1.0'?><Error>", Format::Markup)]
    #[case(b"version: 0.0\nos: linux\n", Format::Text)]
    #[case(b"\x7fELF\x02\x01\x01\0", Format::Unknown)]
    #[case(b"", Format::Unknown)]
    #[case(&[0; 512], Format::Tar)]
    fn the_first_bytes_tell_the_format(#[case] start: &[u8], #[case] format: Format) {
        assert_eq!(detect(start), format);
    }

    #[test]
    fn a_tar_header_is_known_by_its_checksum() {
        let mut header = tar::Header::new_old();
        header.set_path("file").unwrap();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        assert_eq!(detect(header.as_bytes()), Format::Tar);
        header.as_mut_bytes()[0] = b'x';
        assert_ne!(detect(header.as_bytes()), Format::Tar);
    }
}
