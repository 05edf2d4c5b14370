//! Reads a script's output while it comes: escape sequences out, lines to the logs and the tail.
//!
//! Logs keep the bytes as the script wrote them (a Latin-1 line stays one); the tail, which
//! becomes JSON, has what is not UTF-8 replaced. Memory is bounded whatever a script prints,
//! see [`crate::lines`].

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::ansi::AnsiFilter;
use crate::lines::{LONGEST_PIECE, Lines, Piece};
use crate::logs::Logs;
use crate::outcome::Stream;
use crate::request::Request;
use crate::tail::Tail;

/// The size of one read.
const READ_BYTES: usize = 64 * 1024;

#[derive(Debug)]
struct Source {
    pipe: File,
    stream: Stream,
    prefix: &'static str,
    filter: AnsiFilter,
    lines: Lines,
}

/// A warning as the logs have it: on one line.
#[must_use]
pub fn log_entry(warning: &str) -> String {
    warning.replace('\n', " ")
}

/// The output of one script.
#[derive(Debug)]
pub(crate) struct Capture {
    sources: Vec<Source>,
    sinks: Sinks,
    raw: Vec<u8>,
    filtered: Vec<u8>,
}

#[derive(Debug)]
struct Sinks {
    logs: Logs,
    tail: Tail,
}

impl Sinks {
    fn take(&mut self, prefix: &str, piece: &Piece<'_>) {
        match piece {
            Piece::Part(part) => self.logs.entry(&[prefix.as_bytes(), part]),
            Piece::Line(line) => {
                self.logs.entry(&[prefix.as_bytes(), line]);
                self.tail.push(prefix, line);
            }
            Piece::LastPart { before, last } => {
                if !last.is_empty() {
                    self.logs.entry(&[prefix.as_bytes(), last]);
                }
                self.tail.push(prefix, &[*before, *last].concat());
            }
        }
    }
}

impl Capture {
    /// Opens the logs and writes the preamble.
    pub(crate) fn new(request: &Request) -> Self {
        let mut capture = Self {
            sources: Vec::new(),
            sinks: Sinks {
                logs: Logs::open(request),
                tail: Tail::new(request.tail_characters),
            },
            raw: Vec::new(),
            filtered: Vec::new(),
        };
        for entry in &request.preamble {
            let entry = entry.replace('\n', " ");
            capture.sinks.take("", &Piece::Line(entry.as_bytes()));
        }
        capture.sinks.logs.write();
        capture
    }

    /// Adds the read end of a pipe.
    pub(crate) fn add(&mut self, pipe: OwnedFd, stream: Stream, tail: usize) -> io::Result<()> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        self.raw.resize(READ_BYTES, 0);
        self.sources.push(Source {
            pipe: File::from(pipe),
            stream,
            prefix: match stream {
                Stream::Stdout => "[stdout]",
                Stream::Stderr => "[stderr]",
            },
            filter: AnsiFilter::default(),
            // A character has at most 4 bytes; the first one kept may be cut.
            lines: Lines::new(LONGEST_PIECE, tail.saturating_mul(4).saturating_add(16)),
        });
        Ok(())
    }

    /// Whether all pipes have been closed by everybody.
    pub(crate) fn is_closed(&self) -> bool {
        self.sources.is_empty()
    }

    /// The pipes to poll.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|source| source.pipe.as_fd())
    }

    /// The streams that are open, with their pipes' inodes.
    pub(crate) fn open_streams(&self) -> Vec<(Stream, u64)> {
        self.sources
            .iter()
            .filter_map(|source| Some((source.stream, source.pipe.metadata().ok()?.ino())))
            .collect()
    }

    /// Reads once from each pipe that has something and writes the logs. Returns whether
    /// anything came.
    pub(crate) fn read(&mut self) -> bool {
        let mut progress = false;
        let Self {
            sources,
            sinks,
            raw,
            filtered,
        } = self;
        sources.retain_mut(|source| {
            let Source {
                pipe,
                prefix,
                filter,
                lines,
                ..
            } = source;
            let mut sink = |piece: Piece<'_>| sinks.take(prefix, &piece);
            match pipe.read(raw) {
                Ok(count) if count > 0 => {
                    progress = true;
                    filtered.clear();
                    filter.filter(raw.get(..count).unwrap_or_default(), filtered);
                    lines.feed(filtered, &mut sink);
                    true
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) =>
                {
                    true
                }
                // The end; a pipe knows no other error.
                _ => {
                    progress = true;
                    lines.finish(&mut sink);
                    false
                }
            }
        });
        sinks.logs.write();
        progress
    }

    /// Reads what is there now, without waiting; a writer that never pauses is cut off after
    /// `rounds` reads.
    pub(crate) fn read_available(&mut self, rounds: u32) {
        for _ in 0..rounds {
            if !self.read() {
                return;
            }
        }
    }

    /// Puts a warning of the runner's own into the logs, not into the tail.
    pub(crate) fn warn(&mut self, text: &str) {
        self.sinks
            .logs
            .entry(&[b"[warning]", log_entry(text).as_bytes()]);
        self.sinks.logs.write();
    }

    /// The tail as it is now: an unfinished line counts.
    pub(crate) fn tail(&mut self) -> Vec<String> {
        let Self { sources, sinks, .. } = self;
        for source in sources {
            let prefix = source.prefix;
            source.lines.peek(&mut |piece| match piece {
                Piece::Part(line) | Piece::Line(line) => sinks.tail.push(prefix, line),
                Piece::LastPart { before, last } => {
                    sinks.tail.push(prefix, &[before, last].concat());
                }
            });
        }
        sinks.tail.entries()
    }

    /// A warning for each log that could not be written.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.sinks.logs.warnings()
    }
}
