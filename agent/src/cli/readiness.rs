//! How `agent start` learns that the daemon is ready, without a service manager.
//!
//! The daemon says so in one way only, systemd's: a message to the socket that `NOTIFY_SOCKET`
//! names. A daemon that `agent start` started listens at that socket itself, in a thread, and
//! passes what is said on to its standard output, which is a pipe to `agent start`. When that has
//! gone, the messages go nowhere, as they should. The socket lies beside the pid file, because it
//! must be there as long as the daemon.
//!
//! ```text
//! daemon ── READY=1 ──► socket ──► thread of the same process ── a line ──► agent start
//! ```

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use fs_err as fs;

use crate::config::Config;

const SOCKET: &str = "NOTIFY_SOCKET";

/// Far above any message to a service manager.
const LONGEST_MESSAGE: usize = 4096;

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is ready, or, once that is known, has said something else.
    Ready,
    /// It has ended.
    Gone,
    /// Nothing in time.
    Nothing,
}

/// The end of `agent start`.
#[derive(Debug)]
pub(super) struct Readiness {
    messages: Receiver<()>,
}

impl Readiness {
    /// Starts the daemon of this configuration so that it tells when it is ready.
    pub(super) fn spawn(command: &mut Command, config: &Config) -> io::Result<(Child, Self)> {
        let mut child = command
            .env(SOCKET, socket_path(config))
            // Another service manager's, if this is started by one.
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .stdout(Stdio::piped())
            .spawn()?;
        let (sender, messages) = channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                // To the end of the child; then the channel closes.
                for _ in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send(()).is_err() {
                        return;
                    }
                }
            });
        }
        Ok((child, Self { messages }))
    }

    /// Waits for the next message.
    pub(super) fn wait(&self, limit: Duration) -> Told {
        match self.messages.recv_timeout(limit) {
            Ok(()) => Told::Ready,
            Err(RecvTimeoutError::Disconnected) => Told::Gone,
            Err(RecvTimeoutError::Timeout) => Told::Nothing,
        }
    }
}

fn socket_path(config: &Config) -> PathBuf {
    config
        .pid_dir
        .join(format!("{}.notify", config.program_name))
}

/// The daemon's end; the socket goes when dropped.
#[derive(Debug)]
pub(super) struct Teller {
    path: PathBuf,
}

impl Teller {
    /// From here on messages to the service manager are passed on: the first when the daemon is
    /// ready, each later one as it comes. The caller holds the pid file.
    ///
    /// # Errors
    /// When there is no socket to listen at.
    pub(super) fn start(config: &Config) -> io::Result<Self> {
        let path = socket_path(config);
        match bind(&path) {
            Ok(socket) => {
                let thread = std::thread::Builder::new().name("readiness".to_owned());
                thread.spawn(move || pass_on(&socket))?;
            }
            // Longer than an address may be: that the lock is held has to do.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => tell(),
            Err(error) => return Err(error),
        }
        Ok(Self { path })
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        // One that stays is replaced by the next.
        let _ = fs::remove_file(&self.path);
    }
}

fn bind(path: &Path) -> io::Result<UnixDatagram> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixDatagram::bind(path)
}

fn pass_on(socket: &UnixDatagram) {
    let mut message = vec![0; LONGEST_MESSAGE];
    let mut is_ready = false;
    loop {
        let length = match socket.recv(&mut message) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let said = message.get(..length).unwrap_or_default();
        let says = |what: &[u8]| {
            let mut lines = said.split(|byte| *byte == b'\n');
            lines.any(|line| line.starts_with(what))
        };
        is_ready |= says(b"READY=1");
        // One that tells why it ends is about to be gone.
        if is_ready && !says(b"EXIT_STATUS=") {
            tell();
        }
    }
}

/// Nobody listens any more once `agent start` has gone.
fn tell() {
    let mut output = io::stdout().lock();
    let _ = output.write_all(b"\n").and_then(|()| output.flush());
}
