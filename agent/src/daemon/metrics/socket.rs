//! How `agent metrics` gets the numbers of the running daemon: from the daemon itself, over a socket
//! beside the pid file.
//!
//! A file that the daemon keeps for it would always be old, or be written with each change; a
//! socket costs nothing while nobody asks, and what is answered is as of now. Only root and the
//! daemon's own user may connect (mode 0600, and the kernel tells who it is). Nothing is read from
//! the other side, one connection is served at a time, and none for longer than a moment: whoever
//! does not read loses the answer, and the daemon loses nothing.

use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use nix::unistd::geteuid;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::exposition::Exposition;
use crate::config::Config;

/// How long one connection is served.
const PATIENCE: Duration = Duration::from_secs(2);

/// After an accept that failed: there may be too few descriptors.
const REST: Duration = Duration::from_secs(1);

/// How long is waited for the answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Far above any answer.
const LONGEST_ANSWER: u64 = 1024 * 1024;

fn socket_path(config: &Config) -> PathBuf {
    let name = format!("{}.metrics.sock", config.program_name.as_str());
    config.pid_dir.join(name)
}

/// Makes the socket anew. The caller holds the pid file's lock, so the old one is nobody's.
pub(super) fn listen(config: &Config) -> io::Result<(UnixListener, PathBuf)> {
    let path = socket_path(config);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
        Ok(_) => return Err(taken(&path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let listener = UnixListener::bind(&path).map_err(named)?;
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok((listener, path))
}

fn taken(path: &Path) -> io::Error {
    let text = format!("{} is there and is no socket; remove it", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

/// Answers everybody who may ask, one after the other.
pub(super) async fn serve(listener: UnixListener, exposition: Exposition) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if may_ask(&stream) => {
                // Whoever goes away before the end does not want it.
                let _ = timeout(PATIENCE, answer(stream, &exposition)).await;
            }
            Ok(_) => {}
            Err(_) => sleep(REST).await,
        }
    }
}

fn may_ask(stream: &UnixStream) -> bool {
    let own = geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

async fn answer(mut stream: UnixStream, exposition: &Exposition) -> io::Result<()> {
    let text = exposition.text(true).await;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection.
    #[error("cannot ask the agent at {}; only root and the agent's user may", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Nobody listens: the agent begins, ends, or is an earlier one that could not be asked.
    #[error(
        "the agent does not listen at {}; its log tells why, and restarting it may help",
        path.display()
    )]
    Absent {
        /// The socket.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("the agent does not answer at {}", path.display())]
    Read {
        /// The socket.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Part of an answer, or something else.
    #[error("the agent's answer at {} is not whole; ask again", path.display())]
    Cut {
        /// The socket.
        path: PathBuf,
    },
}

/// Asks the daemon of this configuration for its text.
///
/// # Errors
/// When it does not answer, or may not be asked.
pub fn ask(config: &Config) -> Result<String, AskError> {
    let path = socket_path(config);
    let mut stream = match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            return Err(AskError::Denied { path, source });
        }
        Err(source) => return Err(AskError::Absent { path, source }),
    };
    let mut text = String::new();
    let read = stream
        .set_read_timeout(Some(ANSWER))
        .and_then(|()| (&mut stream).take(LONGEST_ANSWER).read_to_string(&mut text));
    match read {
        Err(source) => Err(AskError::Read { path, source }),
        Ok(_) if !crate::metrics::is_whole(&text) => Err(AskError::Cut { path }),
        Ok(_) => Ok(text),
    }
}
