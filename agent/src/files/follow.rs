//! Reading what is appended to a file, across its rotation.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

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
        self.read_rest(take);
        // It may have been rotated: then the rest of the old one has just been read.
        if self.is_stale() {
            self.file = open_regular(&self.path).ok();
            self.read_rest(take);
        }
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

    fn read_rest(&mut self, take: &mut dyn FnMut(&[u8])) {
        let Some(file) = &mut self.file else { return };
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = file.read(&mut buffer) {
            take(buffer.get(..count).unwrap_or_default());
        }
    }
}
