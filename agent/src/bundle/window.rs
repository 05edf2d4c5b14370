//! A bundle that several threads read at places of their own, through buffers of their own; where
//! it has not arrived yet, they wait.

use std::io::{self, Read, Seek, SeekFrom};

use super::growing::Reader;

const BUFFER: usize = 32 * 1024;

/// One thread's view of a bundle; a clone has a position and a buffer of its own.
#[derive(Clone)]
pub(super) struct Window {
    content: Reader,
    length: u64,
    position: u64,
    buffer: Vec<u8>,
    /// Where in the bundle the buffer begins.
    begins: u64,
}

impl Window {
    pub(super) fn new(content: Reader) -> io::Result<Self> {
        Ok(Self {
            length: content.total()?,
            content,
            position: 0,
            buffer: Vec::new(),
            begins: 0,
        })
    }

    /// What of the buffer lies at the position and after.
    fn buffered(&self) -> &[u8] {
        self.position
            .checked_sub(self.begins)
            .and_then(|at| self.buffer.get(usize::try_from(at).ok()?..))
            .unwrap_or_default()
    }
}

impl Read for Window {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.buffered().is_empty() {
            if target.len() >= BUFFER {
                let count = self.content.read_at(target, self.position)?;
                self.position += count as u64;
                return Ok(count);
            }
            self.buffer.resize(BUFFER, 0);
            self.begins = self.position;
            let count = self.content.read_at(&mut self.buffer, self.position);
            self.buffer.truncate(*count.as_ref().unwrap_or(&0));
            count?;
        }
        let count = self.buffered().read(target)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::Arc;

    use super::super::growing::Growing;
    use super::*;

    fn window(file: File) -> Window {
        Window::new(Growing::complete(file).unwrap().reader(&Arc::default())).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn it_reads_as_the_file_itself(
            steps in proptest::collection::vec((0_u64..100_000, 1_usize..50_000), 1..20)
        ) {
            let content: Vec<u8> = (0..90_000_u32).map(|at| (at % 251) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            let mut window = window(file);
            for (at, length) in steps {
                window.seek(SeekFrom::Start(at)).unwrap();
                let mut read = Vec::new();
                (&mut window).take(length as u64).read_to_end(&mut read).unwrap();
                let at = (at as usize).min(content.len());
                let end = (at + length).min(content.len());
                proptest::prop_assert_eq!(&read, &content[at..end]);
            }
        }
    }

    #[test]
    fn a_place_before_the_beginning_is_an_error() {
        let mut window = window(tempfile::tempfile().unwrap());
        assert!(window.seek(SeekFrom::End(-1)).is_err());
        assert!(window.seek(SeekFrom::Current(-1)).is_err());
    }
}
