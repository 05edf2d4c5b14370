//! `<program_name>.aws_wire.log`: what goes to the command service and comes back, without
//! secrets (contract: host, `log_aws_wire`).
//!
//! A line begins with a time, the call's number and `>` (sent), `<` (received) or `!` (no
//! answer). Writing is best effort: a full disk costs lines, never a call.

use std::fmt::Write as _;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use nix::fcntl::OFlag;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::Error;
use super::hygiene::Secrets;
use crate::files::make_directory;

const MODE: u32 = 0o640;
/// Contract: host. The size at which a file is set aside, and how many there are in all.
const LARGEST: u64 = 64 << 20;
const FILES: u32 = 16;
/// The longest line, in characters: a body of megabytes says no more than its beginning.
const LONGEST_LINE: usize = 65_536;

/// Why there is no wire log.
#[derive(Debug, thiserror::Error)]
pub enum WireLogError {
    /// The directory.
    #[error("cannot make the log directory")]
    Directory(#[source] io::Error),
    /// The file. The source names it.
    #[error("cannot open the wire log")]
    Open(#[source] io::Error),
}

/// The log file.
#[derive(Debug)]
pub struct WireLog {
    path: PathBuf,
    largest: u64,
    file: Mutex<File>,
    calls: AtomicU64,
}

impl WireLog {
    /// Opens `<directory>/<program>.aws_wire.log` to append to.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not be opened; a link in its place is not
    /// followed.
    pub fn open(directory: &Path, program: &str) -> Result<Self, WireLogError> {
        make_directory(directory, 0o755).map_err(WireLogError::Directory)?;
        let path = directory.join(format!("{program}.aws_wire.log"));
        let file = open(&path).map_err(WireLogError::Open)?;
        Ok(Self {
            path,
            largest: LARGEST,
            file: Mutex::new(file),
            calls: AtomicU64::new(0),
        })
    }

    #[cfg(test)]
    pub(super) fn with_largest(mut self, largest: u64) -> Self {
        self.largest = largest;
        self
    }

    fn write(&self, lines: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self
            .refresh(&mut file)
            .and_then(|()| file.write_all(lines.as_bytes()))
        {
            tracing::debug!(file = %self.path.display(), %error, "a wire log entry is lost");
        }
    }

    /// Sets a full file aside; opens a new one when somebody has moved or deleted ours.
    fn refresh(&self, file: &mut File) -> io::Result<()> {
        let ours = file.metadata()?;
        let is_in_place = fs::symlink_metadata(&self.path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino()));
        if is_in_place && ours.len() >= self.largest {
            // The oldest is replaced by its successor.
            for number in (1..FILES).rev() {
                let from = match number {
                    1 => self.path.clone(),
                    _ => self.set_aside(number - 1),
                };
                match fs::rename(from, self.set_aside(number)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        } else if is_in_place {
            return Ok(());
        }
        *file = open(&self.path)?;
        Ok(())
    }

    fn set_aside(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(MODE)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
        .open(path)?
        .into_file();
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!("{} is no file", path.display())));
    }
    if metadata.mode() & 0o7777 & !MODE != 0 {
        file.set_permissions(Permissions::from_mode(MODE))?;
    }
    Ok(file)
}

/// One call in the log.
pub(super) struct Exchange {
    log: Arc<WireLog>,
    number: u64,
    started: Instant,
}

impl Exchange {
    pub(super) fn begin(
        log: Arc<WireLog>,
        url: &Url,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &Secrets,
    ) -> Self {
        let exchange = Self {
            number: log.calls.fetch_add(1, Ordering::Relaxed) + 1,
            started: Instant::now(),
            log,
        };
        let mut lines = exchange.lines('>');
        lines.add(&format!("POST {url}"));
        lines.add_headers(headers, secrets);
        lines.add(&secrets.body(body));
        exchange.log.write(&lines.text);
        exchange
    }

    pub(super) fn head(&self, status: StatusCode, headers: &HeaderMap, secrets: &Secrets) {
        let mut lines = self.lines('<');
        lines.add(&format!(
            "{} after {} ms",
            status.as_u16(),
            self.started.elapsed().as_millis()
        ));
        lines.add_headers(headers, secrets);
        self.log.write(&lines.text);
    }

    pub(super) fn body(&self, body: &[u8], secrets: &Secrets) {
        let mut lines = self.lines('<');
        lines.add(&secrets.body(body));
        self.log.write(&lines.text);
    }

    pub(super) fn failed(&self, error: &Error) {
        let mut lines = self.lines('!');
        let after = self.started.elapsed().as_millis();
        lines.add(&format!("{} after {after} ms", crate::error::chain(error)));
        self.log.write(&lines.text);
    }

    fn lines(&self, direction: char) -> Lines {
        Lines {
            start: format!("{:.3} #{} {direction} ", Timestamp::now(), self.number),
            text: String::new(),
        }
    }
}

struct Lines {
    start: String,
    text: String,
}

impl Lines {
    fn add(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        self.text.push_str(&self.start);
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        self.text.extend(line.chars().take(LONGEST_LINE).map(shown));
        if line.chars().nth(LONGEST_LINE).is_some() {
            self.text.push_str("...");
        }
        self.text.push('\n');
    }

    fn add_headers(&mut self, headers: &HeaderMap, secrets: &Secrets) {
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let mut line = String::new();
            // Writing to a String cannot fail.
            let _ = write!(line, "{name}: {}", secrets.header(name.as_str(), &value));
            self.add(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_set_aside_and_sixteen_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let log = WireLog::open(directory.path(), "agent")
            .unwrap()
            .with_largest(10);
        let path = directory.path().join("agent.aws_wire.log");
        for number in 0..20 {
            log.write(&format!("entry {number:02}......\n"));
        }
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(read(&path), "entry 19......\n");
        assert_eq!(read(&log.set_aside(1)), "entry 18......\n");
        assert_eq!(read(&log.set_aside(15)), "entry 04......\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 16);
    }

    #[test]
    fn the_file_is_for_root_and_its_group_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.aws_wire.log");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o7777;
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        WireLog::open(directory.path(), "agent").unwrap();
        assert_eq!(mode(), 0o640);
        fs::remove_file(&path).unwrap();
        WireLog::open(directory.path(), "agent").unwrap();
        assert_eq!(mode() & !0o640, 0);
    }

    #[test]
    fn a_link_or_a_pipe_in_its_place_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.aws_wire.log");
        fs::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(WireLog::open(directory.path(), "agent").is_err());
        assert!(!directory.path().join("elsewhere").exists());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(WireLog::open(directory.path(), "agent").is_err());
    }

    #[test]
    fn a_file_that_was_moved_or_deleted_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.aws_wire.log");
        let log = WireLog::open(directory.path(), "agent").unwrap();
        log.write("one\n");
        fs::rename(&path, directory.path().join("moved")).unwrap();
        log.write("two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::remove_file(&path).unwrap();
        log.write("three\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }
}
