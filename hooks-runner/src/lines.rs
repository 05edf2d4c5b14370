//! Lines of any length out of a stream, in bounded memory.
//!
//! A line of up to [`LONGEST_PIECE`] bytes comes out whole. A longer one comes in pieces of that
//! size, which a log shows as one entry each; the last piece also has the end of what went
//! before, for the tail.

/// The most that is held back waiting for a newline.
pub(crate) const LONGEST_PIECE: usize = 1 << 20;

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The line goes on.
    Part(&'a [u8]),
    /// A whole line, without its newline.
    Line(&'a [u8]),
    /// The last piece of a line that was cut, and the end of the pieces before it.
    LastPart { before: &'a [u8], last: &'a [u8] },
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Lines {
    pending: Vec<u8>,
    /// The end of the pieces that went out before; set when the line was cut.
    before: Option<Vec<u8>>,
    longest: usize,
    keep: usize,
}

impl Lines {
    /// `keep`: how many bytes of a cut line its last piece must know about.
    pub(crate) fn new(longest: usize, keep: usize) -> Self {
        Self {
            pending: Vec::new(),
            before: None,
            longest: longest.max(1),
            keep,
        }
    }

    /// Takes more of the stream.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.hold(line, sink);
            self.end_line(sink);
            rest = after.get(1..).unwrap_or_default();
        }
        self.hold(rest, sink);
    }

    /// What is left at the end of the stream is a line, too.
    pub(crate) fn finish(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        if !self.pending.is_empty() || self.before.is_some() {
            self.end_line(sink);
        }
    }

    /// Shows what [`Lines::finish`] would put out, and changes nothing.
    pub(crate) fn peek(&self, sink: &mut impl FnMut(Piece<'_>)) {
        match &self.before {
            Some(before) => sink(Piece::LastPart {
                before,
                last: &self.pending,
            }),
            None if self.pending.is_empty() => {}
            None => sink(Piece::Line(&self.pending)),
        }
    }

    fn hold(&mut self, bytes: &[u8], sink: &mut impl FnMut(Piece<'_>)) {
        let mut rest = bytes;
        while self.pending.len() + rest.len() > self.longest {
            let (now, later) = rest.split_at(self.longest - self.pending.len());
            self.pending.extend_from_slice(now);
            sink(Piece::Part(&self.pending));
            let before = self.before.get_or_insert_default();
            before.extend_from_slice(
                self.pending
                    .get(self.pending.len().saturating_sub(self.keep)..)
                    .unwrap_or_default(),
            );
            let surplus = before.len().saturating_sub(self.keep);
            before.drain(..surplus);
            self.pending.clear();
            rest = later;
        }
        self.pending.extend_from_slice(rest);
    }

    fn end_line(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        match self.before.take() {
            Some(before) => sink(Piece::LastPart {
                before: &before,
                last: &self.pending,
            }),
            None => sink(Piece::Line(&self.pending)),
        }
        self.pending.clear();
        // One long line must not hold its memory for the rest of the script.
        self.pending.shrink_to(64 * 1024);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(longest: usize, keep: usize, chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::new(longest, keep);
        let mut out = Vec::new();
        let mut sink = |piece: Piece<'_>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            out.push(match piece {
                Piece::Part(part) => format!("part {}", text(part)),
                Piece::Line(line) => format!("line {}", text(line)),
                Piece::LastPart { before, last } => {
                    format!("last {}|{}", text(before), text(last))
                }
            });
        };
        for chunk in chunks {
            lines.feed(chunk, &mut sink);
        }
        lines.finish(&mut sink);
        out
    }

    #[test]
    fn a_last_line_without_a_newline_is_a_line() {
        assert_eq!(run(10, 4, &[b"a\nb"]), ["line a", "line b"]);
        assert_eq!(run(10, 4, &[b"a\n"]), ["line a"]);
        assert!(run(10, 4, &[]).is_empty());
    }

    #[test]
    fn reads_may_cut_anywhere() {
        assert_eq!(
            run(10, 4, &[b"a", b"b\n\nc", b"", b"\n"]),
            ["line ab", "line ", "line c"]
        );
    }

    #[test]
    fn a_line_over_the_cap_comes_in_pieces_with_its_end() {
        assert_eq!(
            run(4, 3, &[b"abcdefghij\nx\n"]),
            ["part abcd", "part efgh", "last fgh|ij", "line x"]
        );
        assert_eq!(
            run(4, 9, &[b"abcd", b"efghi"]),
            ["part abcd", "part efgh", "last abcdefgh|i"]
        );
        assert_eq!(run(4, 3, &[b"abcd\n"]), ["line abcd"]);
    }
}
