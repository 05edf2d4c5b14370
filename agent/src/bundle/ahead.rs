//! Reading ahead on another thread: what takes time to produce (inflating) and what takes time to
//! consume (writing files) run at the same time.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// One piece, and how many are under way: the memory that reading ahead costs.
const PIECE: usize = 256 * 1024;
const PIECES: usize = 4;

/// Lets `consume` read what `source` yields, which another thread reads meanwhile, and returns
/// the source as well when it was read to its end or `consume` did not want more.
pub(super) fn read_ahead<R: Read + Send, T>(
    source: R,
    consume: impl FnOnce(&mut Ahead) -> T,
) -> (T, R) {
    let (full, pieces) = sync_channel(PIECES);
    let (used, empty) = sync_channel(PIECES + 1);
    for _ in 0..PIECES {
        // There is room for all of them.
        let _ = used.send(vec![0; PIECE]);
    }
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || produce(source, &empty, &full));
        let mut ahead = Ahead {
            pieces,
            used,
            piece: Vec::new(),
            position: 0,
        };
        let consumed = consume(&mut ahead);
        // The producer ends when it finds nobody there.
        drop(ahead);
        match producer.join() {
            Ok(source) => (consumed, source),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn produce<R: Read>(
    mut source: R,
    empty: &Receiver<Vec<u8>>,
    full: &SyncSender<io::Result<Vec<u8>>>,
) -> R {
    while let Ok(mut piece) = empty.recv() {
        piece.resize(PIECE, 0);
        let mut filled = 0;
        let mut end = false;
        while let Some(room) = piece.get_mut(filled..).filter(|room| !room.is_empty()) {
            match source.read(room) {
                Ok(0) => {
                    end = true;
                    break;
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // What came before the error counts.
                    piece.truncate(filled);
                    let _ = full.send(Ok(piece)).and_then(|()| full.send(Err(error)));
                    return source;
                }
            }
        }
        piece.truncate(filled);
        if full.send(Ok(piece)).is_err() || end {
            break;
        }
    }
    source
}

/// The consumer's end.
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    used: SyncSender<Vec<u8>>,
    piece: Vec<u8>,
    position: usize,
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position >= self.piece.len() {
            let Ok(next) = self.pieces.recv() else {
                return Ok(&[]);
            };
            let used = std::mem::replace(&mut self.piece, next?);
            self.position = 0;
            if !used.is_empty() {
                // A producer that has ended needs no more.
                let _ = self.used.send(used);
            }
        }
        Ok(self.piece.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_arrives_in_order() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 253) as u8).collect();
        let (read, _) = read_ahead(&content[..], |ahead| {
            let mut read = Vec::new();
            ahead.read_to_end(&mut read).map(|_| read)
        });
        assert!(read.unwrap() == content);
    }

    #[test]
    fn a_consumer_that_has_enough_ends_the_producer() {
        let (first, _) = read_ahead(io::repeat(7), |ahead| {
            let mut first = [0; 5];
            ahead.read_exact(&mut first).map(|()| first)
        });
        assert_eq!(first.unwrap(), [7; 5]);
    }

    #[test]
    fn an_error_comes_after_what_was_before_it() {
        struct Broken(bool);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("broken"));
                }
                buffer[..3].copy_from_slice(b"one");
                Ok(3)
            }
        }
        let (read, _) = read_ahead(Broken(false), |ahead| {
            let mut read = [0; 3];
            ahead.read_exact(&mut read).unwrap();
            (read, ahead.read(&mut [0; 1]).unwrap_err().to_string())
        });
        assert_eq!(read, (*b"one", "broken".to_owned()));
    }
}
