//! Removes ANSI escape sequences from a stream of bytes, also when a read cuts one in two.
//!
//! CSI (colours, cursor), OSC and the other strings (titles, links), and two-byte escapes go;
//! everything else stays as it is, whatever its encoding. An unfinished sequence ends at the
//! next newline, so that a stray escape can never swallow more than its line.

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CANCEL: u8 = 0x18;
const SUBSTITUTE: u8 = 0x1a;

/// Where in a sequence the stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte (character sets).
    Intermediate,
    /// After ESC `[`.
    Control,
    /// After ESC `]`, `P`, `X`, `^` or `_`, until BEL or ESC `\`.
    String,
    /// After an ESC in a string.
    StringEscape,
}

/// The filter; one for each stream.
#[derive(Debug, Default)]
pub(crate) struct AnsiFilter {
    state: State,
}

impl AnsiFilter {
    /// Appends what is left of `input` to `output`.
    pub(crate) fn filter(&mut self, input: &[u8], output: &mut Vec<u8>) {
        let mut rest = input;
        while !rest.is_empty() {
            if self.state == State::Text {
                let text = rest
                    .iter()
                    .position(|byte| *byte == ESC)
                    .unwrap_or(rest.len());
                let (plain, after) = rest.split_at(text);
                output.extend_from_slice(plain);
                let Some((_, after)) = after.split_first() else {
                    return;
                };
                self.state = State::Escape;
                rest = after;
            } else if let Some((byte, after)) = rest.split_first()
                && self.step(*byte)
            {
                rest = after;
            }
        }
    }

    /// Takes one byte of a sequence; false when it belongs to the text that follows.
    fn step(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            self.state = State::Text;
            return false;
        }
        let (state, taken) = match (self.state, byte) {
            (_, CANCEL | SUBSTITUTE) => (State::Text, true),
            (State::Text, _) => (State::Text, false),
            (State::Escape, b'[') => (State::Control, true),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => (State::String, true),
            (State::Escape | State::Intermediate, 0x20..=0x2f) => (State::Intermediate, true),
            (State::Escape | State::Intermediate, 0x30..=0x7e) => (State::Text, true),
            (State::Escape | State::Intermediate | State::Control, ESC) => (State::Escape, true),
            (State::Control, 0x20..=0x3f) => (State::Control, true),
            (State::Control, 0x40..=0x7e) => (State::Text, true),
            // Not a sequence after all.
            (State::Escape | State::Intermediate | State::Control, _) => (State::Text, false),
            (State::String, BEL) => (State::Text, true),
            (State::String | State::StringEscape, ESC) => (State::StringEscape, true),
            (State::StringEscape, b'\\') => (State::Text, true),
            // ESC in a string that does not end it begins the next sequence.
            (State::StringEscape, _) => (State::Escape, false),
            (State::String, _) => (State::String, true),
        };
        self.state = state;
        taken
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::colour(b"\x1b[1;31mred\x1b[0m", b"red")]
    #[case::private_mode(b"\x1b[?25lx\x1b[?25h", b"x")]
    #[case::title_bel(b"\x1b]0;title\x07x", b"x")]
    #[case::link_st(b"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", b"link")]
    #[case::device(b"\x1bPq#0\x1b\\x", b"x")]
    #[case::charset(b"\x1b(Bx", b"x")]
    #[case::two_bytes(b"\x1bMx\x1b7y", b"xy")]
    #[case::plain(b"a\tb\xff\x00\xc3\xbc", b"a\tb\xff\x00\xc3\xbc")]
    #[case::unfinished_string_ends_with_the_line(b"\x1b]0;abc\nnext", b"\nnext")]
    #[case::unfinished_control_ends_with_the_line(b"\x1b[12\nnext", b"\nnext")]
    #[case::not_a_sequence(b"\x1b\xff[x", b"\xff[x")]
    #[case::escape_at_the_end(b"x\x1b", b"x")]
    #[case::cancelled(b"\x1b[3\x18x", b"x")]
    #[case::sequence_in_a_string(b"\x1b]0;a\x1b[1mx", b"x")]
    fn sequences_go_and_text_stays(#[case] input: &[u8], #[case] expected: &[u8]) {
        let mut whole = Vec::new();
        AnsiFilter::default().filter(input, &mut whole);
        assert_eq!(whole, expected);
        // Cut at every byte, the result is the same.
        for cut in 0..=input.len() {
            let mut filter = AnsiFilter::default();
            let mut parts = Vec::new();
            filter.filter(&input[..cut], &mut parts);
            filter.filter(&input[cut..], &mut parts);
            assert_eq!(parts, expected, "cut at {cut}");
        }
    }
}
