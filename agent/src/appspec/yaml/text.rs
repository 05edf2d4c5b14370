//! Bytes to text, and offsets to lines.

use std::borrow::Cow;
use std::ops::Range;

use crate::appspec::problem::Span;

/// How the bytes were encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 behind a byte order mark.
    Utf8Bom,
    /// UTF-16 behind a byte order mark, either order.
    Utf16,
}

/// A place in a [`Text`] by byte offsets; what nodes carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Region {
    /// The bytes between two offsets.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: narrow(start),
            end: narrow(end.max(start)),
        }
    }
}

/// A decoded file: what is not text in it is replaced, and remembered as a fault.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    text: Cow<'a, str>,
    /// Offset of each line's first byte.
    lines: Vec<u32>,
    encoding: Encoding,
    /// Offset of the first character that was not text.
    fault: Option<usize>,
}

impl<'a> Text<'a> {
    /// Decodes as libyaml does: UTF-8 unless a byte order mark says UTF-16.
    pub(crate) fn decode(bytes: &'a [u8]) -> Self {
        let (text, encoding, fault) = match bytes {
            [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, Encoding::Utf8Bom),
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
            _ => utf8(bytes, Encoding::Utf8),
        };
        let lines = line_starts(&text);
        Self {
            text,
            lines,
            encoding,
            fault,
        }
    }

    /// The decoded text, without a byte order mark.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// How the file was encoded.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Where the file stops being text.
    pub(crate) fn fault(&self) -> Option<usize> {
        self.fault
    }

    /// The line, counted from 1, of a byte offset.
    pub(crate) fn line(&self, offset: u32) -> usize {
        self.lines.partition_point(|start| *start <= offset).max(1)
    }

    /// The offsets of line `line` (from 1), without its line break.
    pub(crate) fn line_range(&self, line: usize) -> Range<usize> {
        let at = |line: usize| self.lines.get(line).map(|start| *start as usize);
        let start = at(line.saturating_sub(1)).unwrap_or(self.text.len());
        let end = at(line).unwrap_or(self.text.len());
        let content = self.text.get(start..end).unwrap_or_default();
        start..start + content.trim_end_matches(['\n', '\r']).len()
    }

    /// Line `line` (from 1), without its line break.
    pub(crate) fn line_text(&self, line: usize) -> &str {
        self.text.get(self.line_range(line)).unwrap_or_default()
    }

    /// The full place of `region`.
    pub(crate) fn span(&self, region: Region) -> Span {
        let floor = |offset: u32| self.text.floor_char_boundary(offset as usize);
        let start = floor(region.start);
        let line = self.line(region.start);
        let line_start = self.line_range(line).start;
        let before = self.text.get(line_start..start).unwrap_or_default();
        Span {
            start,
            end: floor(region.end),
            line,
            column: before.chars().count() + 1,
        }
    }
}

fn utf8(bytes: &[u8], encoding: Encoding) -> (Cow<'_, str>, Encoding, Option<usize>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), encoding, None),
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            (text, encoding, Some(error.valid_up_to()))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (Cow<'static, str>, Encoding, Option<usize>) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut fault = None;
    for ch in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match ch {
            Ok(ch) => text.push(ch),
            Err(_) => {
                fault.get_or_insert(text.len());
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
    if !rest.is_empty() {
        fault.get_or_insert(text.len());
        text.push(char::REPLACEMENT_CHARACTER);
    }
    (Cow::Owned(text), Encoding::Utf16, fault)
}

fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let after_break = |(index, byte): (usize, &u8)| {
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n'));
        ends.then(|| u32::try_from(index + 1).unwrap_or(u32::MAX))
    };
    std::iter::once(0)
        .chain(bytes.iter().enumerate().filter_map(after_break))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::utf8(b"a: \xc3\xa4".as_slice(), "a: ä", Encoding::Utf8)]
    #[case::bom(b"\xef\xbb\xbfa".as_slice(), "a", Encoding::Utf8Bom)]
    #[case::utf16_little(b"\xff\xfea\0\xe4\0".as_slice(), "aä", Encoding::Utf16)]
    #[case::utf16_big(b"\xfe\xff\0a\xd8\x3d\xde\x00".as_slice(), "a\u{1f600}", Encoding::Utf16)]
    fn decodes(#[case] bytes: &[u8], #[case] expected: &str, #[case] encoding: Encoding) {
        let text = Text::decode(bytes);
        assert_eq!(text.as_str(), expected);
        assert_eq!(text.encoding(), encoding);
        assert_eq!(text.fault(), None);
    }

    #[rstest]
    #[case::stray_byte(b"ab\xffcd".as_slice(), 2)]
    #[case::cut_short(b"ab\xc3".as_slice(), 2)]
    #[case::lone_surrogate(b"\xff\xfea\0\0\xd8b\0".as_slice(), 1)]
    #[case::odd_length(b"\xff\xfea\0b".as_slice(), 1)]
    fn remembers_where_text_ends(#[case] bytes: &[u8], #[case] fault: usize) {
        assert_eq!(Text::decode(bytes).fault(), Some(fault));
    }

    #[test]
    fn every_kind_of_line_break_counts_once() {
        let text = Text::decode("a\r\nä b\rc\n\nd".as_bytes());
        assert_eq!(text.line_text(2), "ä b");
        assert_eq!(text.line_text(5), "d");
        let span = text.span(Region::new(6, 7));
        assert_eq!((span.line, span.column), (2, 3));
        assert_eq!(text.line_text(99), "");
    }

    #[test]
    fn a_place_after_the_end_is_on_the_last_line() {
        let text = Text::decode(b"ab\ncd");
        let span = text.span(Region::new(9, 9));
        assert_eq!((span.start, span.end, span.line, span.column), (5, 5, 2, 3));
    }
}
