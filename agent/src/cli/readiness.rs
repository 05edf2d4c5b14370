//! How `agent start` learns that the daemon is ready, without a service manager.
//!
//! The daemon says so in one way only, systemd's: a message to the socket that `NOTIFY_SOCKET`
//! names. A daemon that `agent start` started listens at that socket itself, in a thread, and
//! passes what is said on to its standard output, which is a pipe to `agent start`. When that has
//! gone, the messages go nowhere, as they should.
//!
//! ```text
//! daemon ── READY=1 ──► socket ──► thread of the same process ── a line ──► agent start
//! ```

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const SOCKET: &str = "NOTIFY_SOCKET";

/// Names in the kernel, not in the file system: nothing is left behind.
const PREFIX: &str = "codedeploy-agent-start-";

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
    /// Starts the daemon so that it tells when it is ready.
    pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let name = format!("@{PREFIX}{}-{:016x}", std::process::id(), fastrand::u64(..));
        let mut child = command
            .env(SOCKET, name)
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
        let deadline = Instant::now() + limit;
        match self
            .messages
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(()) => Told::Ready,
            Err(RecvTimeoutError::Disconnected) => Told::Gone,
            Err(RecvTimeoutError::Timeout) => Told::Nothing,
        }
    }
}

/// The daemon's end. From here on messages to the service manager are passed on: the first when
/// it is ready, each later one as it comes.
///
/// # Errors
/// When there is no socket to listen at.
pub(super) fn tell_who_starts() -> io::Result<()> {
    let name = std::env::var(SOCKET).unwrap_or_default();
    let Some(name) = name.strip_prefix('@').filter(|name| name.starts_with(PREFIX)) else {
        return Ok(());
    };
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    std::thread::Builder::new()
        .name("readiness".to_owned())
        .spawn(move || pass_on(&socket))?;
    Ok(())
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
        is_ready = is_ready || said.split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
        if is_ready {
            // Nobody listens any more once `agent start` has gone.
            let mut output = io::stdout().lock();
            let _ = output.write_all(b"\n").and_then(|()| output.flush());
        }
    }
}
