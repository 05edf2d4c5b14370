//! The journal's file: opened without trust in what has its name, set aside, replaced.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use failpoints::Failpoint;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Nothing that this agent writes comes near; more is not read into memory.
const LARGEST: u64 = 64 << 20;

/// What has the journal's name.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A file that only we can have written, and its content.
    Ours(fs::File, Vec<u8>),
    /// Something that must not be used, and why.
    Unusable(String),
}

/// Opens the journal at `path`; `write` to append to it as well.
///
/// # Errors
/// For reasons that may pass, such as too many open files.
pub(super) fn open(path: &Path, write: bool) -> io::Result<Found> {
    let unusable = |reason: &str| Ok(Found::Unusable(reason.to_owned()));
    // Looked at first, because merely opening a device or a fifo can do something.
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => return unusable("it is a symbolic link"),
        Ok(metadata) if metadata.is_dir() => return unusable("it is a directory"),
        Ok(metadata) if metadata.file_type().is_fifo() => return unusable("it is a fifo"),
        Ok(metadata) if !metadata.is_file() => return unusable("it is not a regular file"),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    let opened = fs::OpenOptions::new()
        .read(true)
        .append(write)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits())
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return unusable("it may not be opened");
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return unusable("it is not a regular file");
    }
    if write && metadata.uid() != geteuid().as_raw() {
        return Ok(Found::Unusable(format!(
            "it belongs to user {} and not to {}, as whom the agent runs",
            metadata.uid(),
            geteuid()
        )));
    }
    if metadata.mode() & 0o022 != 0 {
        return Ok(Found::Unusable(format!(
            "others may write it (mode {:o})",
            metadata.mode() & 0o7777
        )));
    }
    if metadata.len() > LARGEST {
        return Ok(Found::Unusable(format!(
            "it has {} bytes, which is more than any journal has",
            metadata.len()
        )));
    }
    let mut content = Vec::new();
    match (&mut file).take(LARGEST).read_to_end(&mut content) {
        Ok(_) => Ok(Found::Ours(file, content)),
        // A sector that cannot be read will not be readable later on.
        Err(error) if raw(&error) == Some(Errno::EIO) => {
            Ok(Found::Unusable(format!("it cannot be read: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// The error number, also behind the path that `fs_err` adds.
fn raw(error: &io::Error) -> Option<Errno> {
    let inner = error
        .get_ref()
        .and_then(|inner| std::error::Error::source(inner)?.downcast_ref::<io::Error>());
    inner.unwrap_or(error).raw_os_error().map(Errno::from_raw)
}

/// Moves what has the journal's name to `<path>.refused-<seconds since 1970>`; returns where it
/// is now.
pub(super) fn set_aside(path: &Path, seconds: u64) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".refused-{seconds}"));
        if number > 0 {
            name.push(format!("-{number}"));
        }
        let aside = PathBuf::from(name);
        match fs::symlink_metadata(&aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(path, &aside)?;
                return Ok(aside);
            }
            Err(error) => return Err(error),
            // Set aside within the same second.
            Ok(_) => number += 1,
        }
    }
}

/// Puts a whole new journal in the place of the old one and returns it open for appending. Its
/// content is durable; its name is after [`sync_directory`].
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<fs::File> {
    let temporary = temporary(path);
    // One name for all agents, so that what a killed one has left is not left for ever.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        Failpoint::JournalReplace.pass()?;
        fs::rename(&temporary, path)?;
        Ok(file)
    })();
    if written.is_err() {
        // On a full disk the half-written file must not take the space that is missing.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes the names in the journal's directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => {
            fs::File::open(directory)?.sync_all()
        }
        _ => fs::File::open(".")?.sync_all(),
    }
}

/// Whether `path` is the name of the open file.
pub(super) fn is_named(path: &Path, file: &fs::File) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
