//! The end of unpacking: the finished directory becomes the archive, the old one goes.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use failpoints::Failpoint;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod};

use super::unpack_error::UnpackError;
use crate::files::directory::{list, open_here};
use crate::files::remove_tree;

/// Suffix of the old archive between the two renames.
const ASIDE: &str = ".replaced";

fn aside(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(ASIDE);
    PathBuf::from(name)
}

fn failed(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> UnpackError {
    UnpackError::Directory {
        operation,
        path: path.to_owned(),
        source: source.into(),
    }
}

/// Removes what an interrupted run left, and brings back an archive that it had moved aside.
pub(super) fn clear(
    partial: &Path,
    archive: &Path,
    interrupted: &AtomicBool,
) -> Result<(), UnpackError> {
    remove(partial, interrupted)?;
    let old = aside(archive);
    if exists(&old)? {
        if exists(archive)? {
            remove(&old, interrupted)?;
        } else {
            fs_err::rename(&old, archive).map_err(|error| failed("restore", archive, error))?;
        }
    }
    Ok(())
}

fn exists(path: &Path) -> Result<bool, UnpackError> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("examine", path, error)),
    }
}

/// Makes `complete` the archive. The archive gets mode 0755 and is ours, whatever a bundle says
/// of its top directory: the agent and hooks of every user must pass.
///
/// An archive that is there is moved aside first and comes back when the second rename fails.
/// What remains of it when it cannot be removed is told as a warning: the new archive stands.
pub(super) fn swap_in(
    complete: &Path,
    archive: &Path,
    interrupted: &AtomicBool,
) -> Result<Option<String>, UnpackError> {
    let fd = nix::fcntl::open(
        complete,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| failed("open", complete, error))?;
    fchmod(&fd, Mode::from_bits_truncate(0o755))
        .map_err(|error| failed("set the mode of", complete, error))?;
    let old = aside(archive);
    let moved = match Failpoint::ArchiveAside
        .pass()
        .and_then(|()| fs_err::rename(archive, &old))
    {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed("move aside", archive, error)),
    };
    if let Err(error) = Failpoint::ArchiveRename
        .pass()
        .and_then(|()| fs_err::rename(complete, archive))
    {
        if moved {
            // The first error is the one to tell; `clear` restores it next time if this fails.
            let _ = fs_err::rename(&old, archive);
        }
        return Err(failed("put the new archive in place as", archive, error));
    }
    let warning = moved.then(|| remove(&old, interrupted).err()).flatten();
    Ok(warning.map(|error| crate::error::chain(&error)))
}

/// The directory that the archive consists of, when it is to be stripped: one top-level
/// directory, nothing beside it, and directly inside it a name that has `appspec` in it, in any
/// case (contract: deployment, DownloadBundle).
pub(super) fn top_directory(root: BorrowedFd<'_>) -> io::Result<Option<OsString>> {
    let mut names = list(root, 2)?;
    let (Some(name), true) = (names.pop(), names.is_empty()) else {
        return Ok(None);
    };
    let inner = match open_here(root, &name) {
        Ok(fd) => fd,
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let has_appspec = list(inner.as_fd(), usize::MAX)?.iter().any(|name| {
        name.as_bytes()
            .windows(b"appspec".len())
            .any(|part| part.eq_ignore_ascii_case(b"appspec"))
    });
    Ok(has_appspec.then_some(name))
}

/// Removes a tree of ours, if it is there.
pub(super) fn remove(path: &Path, interrupted: &AtomicBool) -> Result<(), UnpackError> {
    remove_tree(path, interrupted).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => UnpackError::Interrupted,
        _ => failed("remove", path, error),
    })
}
