//! One tar header block, read leniently where GNU tar is lenient and exactly everywhere else.

use nix::sys::time::TimeSpec;
use tar::Header;

/// The size of a tar block, and of a header.
pub(super) const BLOCK: usize = 512;

/// What a header stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file in GNU's old sparse format; its map begins in the header.
    OldSparse,
    Directory,
    /// A directory with GNU's list of names as content, which is skipped.
    DumpDirectory,
    SymbolicLink,
    HardLink,
    /// Extended records for the next entry, or with `global` for all that follow.
    Pax {
        global: bool,
    },
    LongName,
    LongLink,
    /// A volume label: nothing to make.
    Label,
    /// Something that a bundle may not hold, by its name.
    Special(&'static str),
    /// A type byte that nobody defined, or one that cannot be read from one archive alone.
    Unknown(u8),
}

/// The kind of entry that `header` begins.
pub(super) fn kind(header: &Header) -> Kind {
    match header.entry_type().as_byte() {
        b'0' | 0 | b'7' if header.path_bytes().ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::SymbolicLink,
        b'3' => Kind::Special("a character device"),
        b'4' => Kind::Special("a block device"),
        b'5' => Kind::Directory,
        b'6' => Kind::Special("a fifo"),
        b'D' => Kind::DumpDirectory,
        b'g' => Kind::Pax { global: true },
        b'x' | b'X' => Kind::Pax { global: false },
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'S' => Kind::OldSparse,
        b'V' => Kind::Label,
        other => Kind::Unknown(other),
    }
}

impl Kind {
    /// Whether content follows the header. For links and directories the size field is a hint or
    /// rubbish, as GNU tar, star and Go's reader have it.
    pub(super) fn has_content(self) -> bool {
        !matches!(
            self,
            Self::Directory | Self::SymbolicLink | Self::HardLink | Self::Special(_)
        )
    }
}

/// Whether the header's own checksum is right; some old writers summed signed bytes.
pub(super) fn checksum_is_right(header: &[u8; BLOCK]) -> bool {
    let Some(stated) = number(&header[148..156]) else {
        return false;
    };
    // The checksum's own field counts as blanks.
    let bytes = || header.iter().chain(&[b' '; 8]);
    let own = || header[148..156].iter();
    let sum: i64 = bytes().map(|byte| i64::from(*byte)).sum();
    if stated == sum - own().map(|byte| i64::from(*byte)).sum::<i64>() {
        return true;
    }
    let signed = |byte: &u8| i64::from(byte.cast_signed());
    stated == bytes().map(signed).sum::<i64>() - own().map(signed).sum::<i64>()
}

/// A number field: octal digits among blanks, or GNU's base 256 (which can be negative). An empty
/// field is 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if let Some(first) = field.first().filter(|first| **first & 0x80 != 0) {
        let negative = first & 0x40 != 0;
        let mut value: i64 = if negative { -1 } else { 0 };
        for (at, byte) in field.iter().enumerate() {
            let byte = match (at, negative) {
                (0, false) => byte & 0x3f,
                (0, true) => byte | 0xc0,
                _ => *byte,
            };
            value = value.checked_mul(256)?.checked_add(i64::from(byte))?;
            if at == 0 && negative {
                // The sign byte was shifted in above -1: keep only its own bits.
                value = i64::from(byte.cast_signed());
            }
        }
        return Some(value);
    }
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    let text = field.get(..end)?.trim_ascii();
    let mut value = 0_i64;
    for digit in text {
        if !(b'0'..=b'7').contains(digit) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(digit - b'0'))?;
    }
    Some(value)
}

/// The number fields of a header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) mode: u32,
    pub(super) uid: i64,
    pub(super) gid: i64,
    pub(super) size: u64,
    pub(super) modified: i64,
}

/// Reads the number fields; the name of the first that makes no sense otherwise.
pub(super) fn numbers(header: &Header) -> Result<Numbers, &'static str> {
    let old = header.as_old();
    let mode = number(&old.mode).ok_or("the mode is no number")?;
    Ok(Numbers {
        // File type bits that some writers add are dropped here.
        mode: u32::try_from(mode & 0o7777).map_err(|_| "the mode is out of range")?,
        uid: number(&old.uid).ok_or("the owner is no number")?,
        gid: number(&old.gid).ok_or("the group is no number")?,
        size: number(&old.size)
            .and_then(|size| u64::try_from(size).ok())
            .ok_or("the size is no number")?,
        modified: number(&old.mtime).ok_or("the time is no number")?,
    })
}

/// Whole seconds as a time.
pub(super) fn seconds(seconds: i64) -> TimeSpec {
    TimeSpec::new(seconds, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(b"0000644\0", Some(0o644))]
    #[case(b"   644 \0", Some(0o644))]
    #[case(b"\0\0\0\0", Some(0))]
    #[case(b"        ", Some(0))]
    #[case(b"0008", None)]
    #[case(b"\x80\0\0\0\0\0\0\0\0\0\x01\x00", Some(256))]
    #[case(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1))]
    #[case(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", Some(-256))]
    #[case(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None)]
    fn numbers_are_octal_or_base_256(#[case] field: &[u8], #[case] value: Option<i64>) {
        assert_eq!(number(field), value);
    }
}
