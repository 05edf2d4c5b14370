//! The end of unpacking: the finished directory becomes the archive, the old one goes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use failpoints::Failpoint;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmod, fchmodat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::tree::file_type;
use super::unpack_error::UnpackError;

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
pub(super) fn clear(partial: &Path, archive: &Path) -> Result<(), UnpackError> {
    remove(partial)?;
    let old = aside(archive);
    if exists(&old)? {
        if exists(archive)? {
            remove(&old)?;
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
pub(super) fn swap_in(complete: &Path, archive: &Path) -> Result<Option<String>, UnpackError> {
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
    let warning = moved.then(|| remove(&old).err()).flatten();
    Ok(warning.map(|error| crate::error::chain(&error)))
}

/// The directory that the archive consists of, when it is to be stripped: one top-level
/// directory, nothing beside it, and directly inside it a name that has `appspec` in it, in any
/// case (contract: deployment, DownloadBundle).
pub(super) fn top_directory(root: BorrowedFd<'_>) -> io::Result<Option<OsString>> {
    let mut only = None;
    for name in list(root)? {
        if only.replace(name).is_some() {
            return Ok(None);
        }
    }
    let Some(name) = only else {
        return Ok(None);
    };
    let inner = match open_directory(root, &name) {
        Ok(fd) => fd,
        Err(Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let has_appspec = list(inner.as_fd())?.iter().any(|name| {
        name.as_bytes()
            .windows(b"appspec".len())
            .any(|part| part.eq_ignore_ascii_case(b"appspec"))
    });
    Ok(has_appspec.then_some(name))
}

fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(
        parent,
        name,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

fn list(directory: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut dir = Dir::openat(
        directory,
        ".",
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Removes a tree of ours, if it is there. Unlike the standard library's, this also gets into
/// directories that an archive made unreadable, which an unprivileged owner must open first.
///
/// # Errors
/// When something cannot be removed.
pub fn remove(path: &Path) -> Result<(), UnpackError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed("remove", path, Errno::EINVAL));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let parent = match nix::fcntl::open(
        parent,
        OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    ) {
        Ok(fd) => fd,
        Err(error) => return Err(failed("open", parent, error)),
    };
    remove_at(parent.as_fd(), name).map_err(|error| failed("remove", path, error))
}

fn remove_at(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR | Errno::EPERM) => {}
        Err(error) => return Err(error.into()),
    }
    let fd = match open_directory(parent, name) {
        Ok(fd) => fd,
        Err(Errno::EACCES) => {
            let there = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if file_type(&there) != SFlag::S_IFDIR {
                return Err(Errno::EACCES.into());
            }
            // Only an unprivileged owner gets here, in a tree that is its own.
            fchmodat(parent, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
            open_directory(parent, name)?
        }
        Err(error) => return Err(error.into()),
    };
    let names = list_for_removal(&fd)?;
    for inner in &names {
        match remove_at(fd.as_fd(), inner) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fchmod(&fd, Mode::S_IRWXU)?;
                remove_at(fd.as_fd(), inner)?;
            }
            other => other?,
        }
    }
    drop(fd);
    unlinkat(parent, name, UnlinkatFlags::RemoveDir)?;
    Ok(())
}

/// The names in a directory that may lack the search permission that `openat(".")` needs.
fn list_for_removal(directory: &OwnedFd) -> io::Result<Vec<OsString>> {
    match list(directory.as_fd()) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fchmod(directory, Mode::S_IRWXU)?;
            list(directory.as_fd())
        }
        other => other,
    }
}
