//! A file of records opened without trust in what has its name.

use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

/// Nothing that this agent writes comes near; more is not read into memory.
const LARGEST: u64 = 64 << 20;

/// What has a state file's name.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// Nothing.
    Nothing,
    /// A file that only its owner can have written.
    Ours(T),
    /// Something that this user may not open.
    Denied,
    /// Something that must not be used, and why.
    Unusable(String),
}

/// Opens the state file at `path`; `write` to append to it as well, which only its owner may.
///
/// # Errors
/// For reasons that may pass, such as too many open files.
pub(crate) fn open_state_file(path: &Path, write: bool) -> io::Result<Found<fs::File>> {
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
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Found::Denied),
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
            "it has {} bytes, which is more than any such file has",
            metadata.len()
        )));
    }
    Ok(Found::Ours(file))
}

/// As [`open_state_file`], with the file's content.
///
/// # Errors
/// As [`open_state_file`].
pub(crate) fn read_state_file(path: &Path, write: bool) -> io::Result<Found<(fs::File, Vec<u8>)>> {
    let mut file = match open_state_file(path, write)? {
        Found::Ours(file) => file,
        Found::Nothing => return Ok(Found::Nothing),
        Found::Denied => return Ok(Found::Denied),
        Found::Unusable(reason) => return Ok(Found::Unusable(reason)),
    };
    let mut content = Vec::new();
    match (&mut file).take(LARGEST).read_to_end(&mut content) {
        Ok(_) => Ok(Found::Ours((file, content))),
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
