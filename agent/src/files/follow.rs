//! Reading what is appended to a file, across its rotation.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

/// The most that is read at once, in bytes.
pub(crate) const PIECE: usize = 64 * 1024;

/// More rotated files than a log has.
const MOST_ROTATED: u32 = 32;

/// Opens `path` to read, when it is a regular file and no link.
///
/// # Errors
/// Any I/O error, with the path in it.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = fs::OpenOptions::new()
        .read(true)
        // Opening a fifo must not wait for a writer.
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file.into_file())
    } else {
        let message = format!("{} is not a regular file", path.display());
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// Follows a file that others append to. Whatever goes wrong is passed over: another look may tell
/// more.
#[derive(Debug)]
pub(crate) struct FileFollower {
    path: PathBuf,
    file: Option<File>,
}

impl FileFollower {
    /// Follows `path` from its beginning, as soon as it is there.
    pub(crate) fn from_the_beginning_of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: open_regular(path).ok(),
        }
    }

    /// Follows `path` from its present end, or from its beginning when it is not there yet.
    pub(crate) fn at_the_end_of(path: &Path) -> Self {
        let mut follower = Self::from_the_beginning_of(path);
        follower.file = follower.file.and_then(|mut file| {
            file.seek(SeekFrom::End(0)).ok()?;
            Some(file)
        });
        follower
    }

    /// Whether the file was ever there.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Passes on what has been written since the last call.
    pub(crate) fn read_new(&mut self, take: &mut dyn FnMut(&[u8])) {
        while self.read_piece(take) {}
    }

    /// Passes on the next [`PIECE`] of what has been written; whether there may be more. There is
    /// always more of a file that is written faster than it is read.
    pub(crate) fn read_piece(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        if self.read_some(take) {
            return true;
        }
        if !self.is_stale() {
            return false;
        }
        // It was rotated, perhaps after one more line.
        if self.read_some(take) {
            return true;
        }
        self.file = self.next_file();
        self.file.is_some()
    }

    /// The file that was begun after ours: a fast writer may have begun several meanwhile, which
    /// lie beside the newest as `.0`, `.1` and so on, the older the higher.
    fn next_file(&self) -> Option<File> {
        let own = self.file.as_ref().and_then(|file| file.metadata().ok());
        let mut next = self.path.clone();
        for number in 0..MOST_ROTATED {
            let mut rotated = self.path.clone().into_os_string();
            rotated.push(format!(".{number}"));
            let rotated = PathBuf::from(rotated);
            let Ok(found) = fs::symlink_metadata(&rotated) else {
                break;
            };
            let is_own = own
                .as_ref()
                .is_none_or(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()));
            if is_own {
                break;
            }
            next = rotated;
        }
        open_regular(&next).ok()
    }

    fn is_stale(&self) -> bool {
        let Ok(at_path) = fs::metadata(&self.path) else {
            return false;
        };
        let Some(Ok(open)) = self.file.as_ref().map(File::metadata) else {
            return true;
        };
        (at_path.dev(), at_path.ino()) != (open.dev(), open.ino())
    }

    /// Whether there was something to read.
    fn read_some(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        let Some(file) = &mut self.file else {
            return false;
        };
        let mut buffer = vec![0; PIECE];
        match file.read(&mut buffer) {
            Ok(count @ 1..) => {
                take(buffer.get(..count).unwrap_or_default());
                true
            }
            Ok(0) | Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_bounded_and_all_of_them_are_the_whole_across_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, vec![b'a'; 2 * PIECE + 1]).unwrap();
        let mut follower = FileFollower::from_the_beginning_of(&path);
        fs::rename(&path, directory.path().join("log.1")).unwrap();
        fs::write(&path, b"b").unwrap();
        let mut lengths = Vec::new();
        while follower.read_piece(&mut |piece| lengths.push(piece.len())) {}
        assert_eq!(lengths, [PIECE, PIECE, 1, 1]);
    }

    #[test]
    fn files_that_were_begun_and_rotated_meanwhile_are_read_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let rotated = |number: u32| directory.path().join(format!("log.{number}"));
        fs::write(rotated(0), "before ").unwrap();
        let mut follower = FileFollower::from_the_beginning_of(&path);
        let mut read = String::new();
        let mut look = |follower: &mut FileFollower| {
            while follower.read_piece(&mut |new| read.push_str(&String::from_utf8_lossy(new))) {}
        };
        // Only what is written from now on.
        fs::write(&path, "one ").unwrap();
        look(&mut follower);
        for (number, text) in [(0, "four "), (1, "three "), (2, "two ")] {
            fs::write(rotated(number), text).unwrap();
        }
        fs::rename(&path, rotated(3)).unwrap();
        fs::write(&path, "five").unwrap();
        look(&mut follower);
        assert_eq!(read, "one two three four five");
    }
}
