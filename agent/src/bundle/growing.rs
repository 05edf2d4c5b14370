//! A file that is still arriving, read from its beginning by threads that wait for the rest.
//!
//! Invariant: a reader sees the bytes of one object only. When a download begins anew, it gets a
//! new file and a new round; readers of the round before fail, and writes that were still under
//! way go to the old file.

use std::fs::File;
use std::io::{self, Read};
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
    /// The file that it reads.
    pub(super) fn into_file(self) -> Arc<File> {
        self.file
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
        let mut available = 0;
        let mut complete = false;
        let position = self.position;
        let over = self.wait(|state| {
            available = state.ready.saturating_sub(position);
            complete = state.total == Some(position);
            match state.end {
                _ if available > 0 || complete => Some(End::Good),
                end => end,
            }
        });
        match over {
            Some(End::Good) => {}
            Some(End::Anew | End::Failed) => {
                return Err(io::Error::other("the download did not come to its end"));
            }
            None => return Err(io::Error::other("interrupted")),
        }
        let room = usize::try_from(available)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self
            .file
            .read_at(buffer.get_mut(..room).unwrap_or_default(), self.position)?;
        self.position += count as u64;
        Ok(count)
    }
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
