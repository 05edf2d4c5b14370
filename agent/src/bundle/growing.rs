//! A file that is still arriving, read by threads that wait for what is not there yet. It arrives
//! from its beginning on; its end may come first, because that is where a zip has its directory.
//!
//! Invariant: a reader sees the bytes of one object only. When a download begins anew, it gets a
//! new file and a new round; readers of the round before fail, and writes that were still under
//! way go to the old file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a waiting reader looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All bytes are there, and they are the ones that were to come.
    Good,
    /// The bytes are of no use; another round has begun.
    Anew,
    /// There will be no more.
    Failed,
}

struct State {
    file: Arc<File>,
    round: u64,
    /// Bytes from the beginning without a gap.
    ready: u64,
    /// From here to the end all bytes are there, too.
    tail: Option<u64>,
    /// All bytes that there will be, once known.
    total: Option<u64>,
    end: Option<End>,
}

/// What is known of the file; shared by its writers and readers.
pub(super) struct Growing {
    state: Mutex<State>,
    changed: Condvar,
}

impl Growing {
    pub(super) fn new(file: File) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                file: Arc::new(file),
                round: 0,
                ready: 0,
                tail: None,
                total: None,
                end: None,
            }),
            changed: Condvar::new(),
        })
    }

    /// A file that is complete, to be read like one that arrives.
    pub(super) fn complete(file: File) -> io::Result<Arc<Self>> {
        let length = file.metadata()?.len();
        let growing = Self::new(file);
        growing.reached(length);
        growing.is_all(length);
        growing.end(End::Good);
        Ok(growing)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// The file of this round.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.state().file)
    }

    /// The first `ready` bytes are there.
    pub(super) fn reached(&self, ready: u64) {
        self.change(|state| state.ready = state.ready.max(ready));
    }

    /// The bytes from `tail` to the end are there.
    pub(super) fn tail_from(&self, tail: u64) {
        self.change(|state| state.tail = Some(state.tail.map_or(tail, |from| from.min(tail))));
    }

    /// The bytes of `range` are there: the next ones from the beginning, or the last ones.
    pub(super) fn arrived(&self, range: &Range<u64>) {
        self.change(|state| {
            if range.start <= state.ready {
                state.ready = state.ready.max(range.end);
            }
            if state.total == Some(range.end) {
                state.tail = Some(state.tail.map_or(range.start, |from| from.min(range.start)));
            }
        });
    }

    /// There will be `total` bytes.
    pub(super) fn is_all(&self, total: u64) {
        self.change(|state| state.total = Some(total));
    }

    /// Begins another round in `file`.
    pub(super) fn begin_anew(&self, file: File) {
        self.change(|state| {
            *state = State {
                file: Arc::new(file),
                round: state.round + 1,
                ready: 0,
                tail: None,
                total: None,
                end: None,
            };
        });
    }

    /// Ends the last round; the first word counts.
    pub(super) fn end(&self, end: End) {
        self.change(|state| {
            state.end.get_or_insert(end);
        });
    }

    /// A reader of this round, from the beginning.
    pub(super) fn reader(self: &Arc<Self>, interrupted: &Arc<AtomicBool>) -> Reader {
        let state = self.state();
        Reader {
            file: Arc::clone(&state.file),
            round: state.round,
            growing: Arc::clone(self),
            position: 0,
            interrupted: Arc::clone(interrupted),
        }
    }
}

/// Reads one round of a growing file; a read at its end waits for more.
#[derive(Clone)]
pub(super) struct Reader {
    growing: Arc<Growing>,
    file: Arc<File>,
    round: u64,
    position: u64,
    interrupted: Arc<AtomicBool>,
}

impl Reader {
    /// Read in pieces of a size that system calls are worth.
    pub(super) fn buffered(self) -> BufReader<Self> {
        BufReader::with_capacity(128 * 1024, self)
    }

    /// How many bytes there will be; waits until that is known.
    pub(super) fn total(&self) -> io::Result<u64> {
        let mut total = None;
        let over = self.wait(|state| {
            total = state.total;
            total.map(|_| End::Good).or(state.end)
        });
        match (over, total) {
            (Some(End::Good), Some(total)) => Ok(total),
            (over, _) => Err(cut_off(over)),
        }
    }

    /// Reads at `position` what is there, at least one byte; none only at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut available = 0;
        let over = self.wait(|state| {
            let is_tail = state.tail.is_some_and(|tail| tail <= position);
            let there = if is_tail { state.total } else { None };
            available = there.unwrap_or(state.ready).saturating_sub(position);
            let complete = state.total.is_some_and(|total| total <= position);
            match state.end {
                _ if available > 0 || complete => Some(End::Good),
                end => end,
            }
        });
        let Some(End::Good) = over else {
            return Err(cut_off(over));
        };
        let room = usize::try_from(available)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        self.file
            .read_at(buffer.get_mut(..room).unwrap_or_default(), position)
    }

    /// Waits for the end of this round; none when interrupted.
    pub(super) fn wait_for_end(&self) -> Option<End> {
        self.wait(|state| state.end)
    }

    /// Waits until `found` finds something, or the round is over without.
    fn wait(&self, mut found: impl FnMut(&State) -> Option<End>) -> Option<End> {
        let mut state = self.growing.state();
        loop {
            if state.round != self.round {
                return Some(End::Anew);
            }
            if let Some(end) = found(&state) {
                return Some(end);
            }
            if self.interrupted.load(Ordering::Relaxed) {
                return None;
            }
            state = self
                .growing
                .changed
                .wait_timeout(state, LOOK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Why there is no more to read.
fn cut_off(over: Option<End>) -> io::Error {
    io::Error::other(match over {
        Some(_) => "the download did not come to its end",
        None => "interrupted",
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn never() -> Arc<AtomicBool> {
        Arc::default()
    }

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn the_end_may_be_there_before_what_comes_before_it() {
        let growing = Growing::new(file(b"onetwothree"));
        growing.is_all(11);
        growing.arrived(&(6..11));
        let interrupted = Arc::new(AtomicBool::new(false));
        let reader = growing.reader(&interrupted);
        let read = |at: u64| {
            let mut buffer = [0; 20];
            let count = reader.read_at(&mut buffer, at)?;
            Ok::<_, io::Error>(buffer[..count].to_vec())
        };
        assert_eq!(read(7).unwrap(), b"hree");
        assert_eq!(read(11).unwrap(), b"");
        growing.arrived(&(0..3));
        assert_eq!(read(1).unwrap(), b"ne");
        interrupted.store(true, Ordering::Relaxed);
        assert!(read(4).is_err(), "nothing is there");
        growing.arrived(&(3..6));
        assert_eq!(read(4).unwrap(), b"wo");
    }

    #[test]
    fn a_reader_gets_what_is_ready_and_waits_for_the_rest() {
        let growing = Growing::new(file(b"onetwo"));
        growing.reached(3);
        let mut reader = growing.reader(&never());
        let mut buffer = [0; 16];
        assert_eq!(reader.read(&mut buffer).unwrap(), 3);
        std::thread::scope(|scope| {
            let rest = scope.spawn(move || {
                let mut rest = Vec::new();
                reader.read_to_end(&mut rest).map(|_| rest)
            });
            growing.reached(6);
            growing.is_all(6);
            assert_eq!(rest.join().unwrap().unwrap(), b"two");
        });
    }

    #[test]
    fn a_reader_of_a_round_that_is_over_fails() {
        let growing = Growing::new(file(b"one"));
        growing.reached(3);
        let mut reader = growing.reader(&never());
        growing.begin_anew(file(b"two"));
        growing.reached(3);
        assert!(reader.read(&mut [0; 3]).is_err());
        assert_eq!(reader.wait_for_end(), Some(End::Anew));
        let mut buffer = [0; 3];
        growing.reader(&never()).read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"two");
    }

    #[test]
    fn a_failure_and_an_interruption_wake_a_waiting_reader() {
        let growing = Growing::new(file(b""));
        growing.end(End::Failed);
        assert!(growing.reader(&never()).read(&mut [0; 3]).is_err());
        let stop = Arc::new(AtomicBool::new(true));
        let growing = Growing::new(file(b""));
        let mut reader = growing.reader(&stop);
        assert!(reader.read(&mut [0; 3]).is_err());
        assert_eq!(reader.wait_for_end(), None);
    }
}
