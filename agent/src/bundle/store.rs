//! The download on disk: a temporary name until all of it is there.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::fetch_error::FetchError;

/// `<bundle>.partial`, removed when dropped unless it became the bundle.
pub(super) struct PartialBundle {
    bundle: PathBuf,
    path: PathBuf,
    file: Option<tokio::fs::File>,
    length: u64,
    finished: bool,
}

impl PartialBundle {
    /// Makes it, in place of one that a killed run left.
    pub(super) fn create(bundle: &Path) -> Result<Self, FetchError> {
        let mut path = bundle.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let failed = |source| FetchError::Store {
            path: path.clone(),
            source,
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
            .open(&path)
            .map_err(failed)?;
        Ok(Self {
            bundle: bundle.to_owned(),
            file: Some(tokio::fs::File::from_std(file.into_file())),
            path,
            length: 0,
            finished: false,
        })
    }

    fn failed(&self, source: io::Error) -> FetchError {
        FetchError::Store {
            path: self.path.clone(),
            source,
        }
    }

    fn gone(&self) -> FetchError {
        self.failed(io::Error::other("the file is in use"))
    }

    /// How many bytes are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends `bytes`.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        let Some(file) = &mut self.file else {
            return Err(self.gone());
        };
        let written = file.write_all(bytes).await;
        written.map_err(|error| self.failed(error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what is there.
    pub(super) async fn restart(&mut self) -> Result<(), FetchError> {
        let Some(file) = &mut self.file else {
            return Err(self.gone());
        };
        let emptied = async {
            file.flush().await?;
            file.set_len(0).await?;
            file.rewind().await
        };
        let emptied = emptied.await;
        emptied.map_err(|error| self.failed(error))?;
        self.length = 0;
        Ok(())
    }

    /// Lets `fill` write the file on a thread that may block.
    pub(super) async fn fill(
        &mut self,
        fill: impl FnOnce(&mut std::fs::File) -> io::Result<u64> + Send + 'static,
    ) -> Result<(), FetchError> {
        let Some(file) = self.file.take() else {
            return Err(self.gone());
        };
        let mut file = file.into_std().await;
        let result =
            tokio::task::spawn_blocking(move || fill(&mut file).map(|length| (file, length)))
                .await
                .map_err(io::Error::other)
                .and_then(|result| result);
        let (file, length) = result.map_err(|error| self.failed(error))?;
        self.file = Some(tokio::fs::File::from_std(file));
        self.length = length;
        Ok(())
    }

    /// Gives the file the bundle's name.
    pub(super) async fn finish(mut self) -> Result<(), FetchError> {
        let Some(file) = &mut self.file else {
            return Err(self.gone());
        };
        let flushed = file.flush().await;
        flushed
            .and_then(|()| fs::rename(&self.path, &self.bundle))
            .map_err(|error| self.failed(error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for PartialBundle {
    fn drop(&mut self) {
        if !self.finished {
            // The failure that led here is the one to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}
