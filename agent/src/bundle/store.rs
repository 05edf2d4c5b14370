//! The download on disk: a temporary name until all of it is there and is what it should be.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use failpoints::Failpoint;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;
use tokio::task::spawn_blocking;

use crate::deployment::Revision;

use super::fetch_error::FetchError;
use super::growing::{End, Growing};
use super::record;

/// What is collected before it is written, in bytes: each write is handed to another thread.
pub(super) const BATCH: usize = 512 * 1024;

/// `<bundle>.partial`. When it is dropped before it became the bundle, it stays if there is a record
/// of it, for the next run to go on with: whoever gives a download up may be about to end. A failure
/// that counts is followed by [`discard`].
pub(super) struct PartialBundle {
    bundle: PathBuf,
    path: PathBuf,
    growing: Arc<Growing>,
    length: u64,
    /// Nobody has written to it.
    new: bool,
    /// It has become the bundle.
    finished: bool,
}

/// Removes what there is of a download that nobody goes on with, as far as that is possible: it
/// follows upon another failure, which is the one to tell.
pub(super) fn discard(bundle: &Path) {
    // First: without it the rest is nothing to go on with.
    let _ = record::remove(bundle);
    let _ = fs::remove_file(partial(bundle));
}

fn partial(bundle: &Path) -> PathBuf {
    let mut path = bundle.as_os_str().to_owned();
    path.push(".partial");
    path.into()
}

fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
        .open(path)?;
    Ok(file.into_file())
}

impl PartialBundle {
    /// The one that a killed run left, where such can be gone on with, else an empty one.
    pub(super) fn begin(revision: &Revision, bundle: &Path) -> Result<Self, FetchError> {
        let left = match revision {
            Revision::S3 { .. } => Self::open(bundle),
            _ => None,
        };
        match left {
            Some(left) => Ok(left),
            None => Self::create(bundle),
        }
    }

    /// Makes it, empty, in place of one that a killed run left.
    fn create(bundle: &Path) -> Result<Self, FetchError> {
        let path = partial(bundle);
        let file = record::remove(bundle).and_then(|()| create(&path));
        let file = file.map_err(|source| FetchError::Store {
            path: path.clone(),
            source,
        })?;
        Ok(Self::of(bundle, path, file, true))
    }

    /// The one that a killed run left, with what is in it: also when it had its final name
    /// already, whose content nobody has unpacked. None when there is no record of it.
    fn open(bundle: &Path) -> Option<Self> {
        let path = partial(bundle);
        if !record::path(bundle).exists() {
            return None;
        }
        if !path.exists() {
            fs::rename(bundle, &path).ok()?;
        }
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(&path)
            .ok()?
            .into_file();
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        Some(Self::of(bundle, path, file, false))
    }

    fn of(bundle: &Path, path: PathBuf, file: File, new: bool) -> Self {
        Self {
            bundle: bundle.to_owned(),
            path,
            growing: Growing::new(file),
            length: 0,
            new,
            finished: false,
        }
    }

    pub(super) fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// Those who read along.
    pub(super) fn growing(&self) -> &Arc<Growing> {
        &self.growing
    }

    pub(super) fn failed(&self, source: io::Error) -> FetchError {
        FetchError::Store {
            path: self.path.clone(),
            source,
        }
    }

    /// How many bytes were appended.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Where bytes go that do not come in order.
    pub(super) fn sink(&self) -> Sink {
        Sink {
            path: self.path.clone(),
            file: self.growing.file(),
        }
    }

    /// Appends `bytes`.
    pub(super) async fn append<B: AsRef<[u8]> + Send + 'static>(
        &mut self,
        bytes: Vec<B>,
    ) -> Result<(), FetchError> {
        self.length += self.sink().write_at(self.length, bytes).await?;
        self.growing.reached(self.length);
        Ok(())
    }

    /// Makes sure that nothing is there.
    pub(super) fn clear(&mut self) -> Result<(), FetchError> {
        if self.new { Ok(()) } else { self.restart() }
    }

    /// Forgets what is there.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        // Another file: a write to the old one may still be under way.
        let file = record::remove(&self.bundle)
            .and_then(|()| create(&self.path))
            .map_err(|error| self.failed(error))?;
        self.growing.begin_anew(file);
        self.length = 0;
        Ok(())
    }

    /// Lets `fill` write the file on a thread that may block.
    pub(super) async fn fill(
        &mut self,
        fill: impl FnOnce(&mut File) -> io::Result<u64> + Send + 'static,
    ) -> Result<(), FetchError> {
        let file = self.growing.file();
        let result = spawn_blocking(move || fill(&mut file.try_clone()?)).await;
        self.length = result
            .map_err(io::Error::other)
            .and_then(|result| result)
            .map_err(|error| self.failed(error))?;
        self.growing.reached(self.length);
        Ok(())
    }

    /// Gives the file the bundle's name. The record stays until the bundle is unpacked: until
    /// then an interrupted run goes on from here.
    pub(super) fn finish(mut self) -> Result<(), FetchError> {
        Failpoint::DownloadRename
            .pass()
            .and_then(|()| fs::rename(&self.path, &self.bundle))
            .map_err(|error| self.failed(error))?;
        self.finished = true;
        self.growing.end(End::Good);
        Ok(())
    }
}

impl Drop for PartialBundle {
    fn drop(&mut self) {
        self.growing.end(End::Failed);
        if !self.finished && !record::path(&self.bundle).exists() {
            discard(&self.bundle);
        }
    }
}

/// The file of a partial bundle, to be written at any place.
#[derive(Clone)]
pub(super) struct Sink {
    path: PathBuf,
    file: Arc<File>,
}

impl Sink {
    /// Writes `pieces` one after the other from `offset` on; returns how many bytes.
    pub(super) async fn write_at<B: AsRef<[u8]> + Send + 'static>(
        &self,
        offset: u64,
        pieces: Vec<B>,
    ) -> Result<u64, FetchError> {
        let file = Arc::clone(&self.file);
        let write = move || {
            let mut at = offset;
            for piece in &pieces {
                file.write_all_at(piece.as_ref(), at)?;
                at += piece.as_ref().len() as u64;
            }
            Ok(at - offset)
        };
        self.blocking(write).await
    }

    /// Does something about the file on a thread that may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, FetchError> {
        spawn_blocking(work)
            .await
            .map_err(io::Error::other)
            .and_then(|result| result)
            .map_err(|source| self.failed(source))
    }

    pub(super) fn failed(&self, source: io::Error) -> FetchError {
        FetchError::Store {
            path: self.path.clone(),
            source,
        }
    }
}
