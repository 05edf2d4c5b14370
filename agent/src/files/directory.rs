//! Opening directories step by step, by descriptors, never through a link that others could have
//! planted.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::geteuid;

/// As many links as the kernel follows in one path.
const MOST_LINKS: u32 = 40;

/// Why a directory could not be entered.
#[derive(Debug, Clone, Copy)]
pub enum OpenDirectoryError {
    /// It is, or leads through, a link that `owner` could have planted.
    Untrusted {
        /// The user's id.
        owner: u32,
    },
    /// Anything else.
    Io(Errno),
}

impl From<Errno> for OpenDirectoryError {
    fn from(error: Errno) -> Self {
        Self::Io(error)
    }
}

const WALK: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// The root directory.
///
/// # Errors
/// When it cannot be opened.
pub fn root() -> nix::Result<OwnedFd> {
    open("/", WALK.union(OFlag::O_DIRECTORY), Mode::empty())
}

fn trusted(owner: u32) -> bool {
    owner == 0 || owner == geteuid().as_raw()
}

/// Enters `name` in `parent`. A link is followed when it and its directory belong to root or to
/// us (contract: differences, "parent directories of a destination that are links").
///
/// The descriptor is for `*at` calls only (`O_PATH`).
///
/// # Errors
/// When it is no directory, cannot be entered, or leads through another user's link.
pub fn enter(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, OpenDirectoryError> {
    let mut current: Option<OwnedFd> = None;
    let mut ahead: Vec<OsString> = vec![name.to_owned()];
    let mut links = 0;
    while let Some(component) = ahead.pop() {
        let at = current.as_ref().map_or(parent, AsFd::as_fd);
        let found = openat(at, component.as_os_str(), WALK, Mode::empty())?;
        let status = fstat(&found)?;
        match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR => current = Some(found),
            SFlag::S_IFLNK => {
                let owners = [status.st_uid, fstat(at)?.st_uid];
                if let Some(owner) = owners.into_iter().find(|owner| !trusted(*owner)) {
                    return Err(OpenDirectoryError::Untrusted { owner });
                }
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                let target = readlinkat(&found, "")?.into_vec();
                if target.first() == Some(&b'/') {
                    current = Some(root()?);
                }
                let steps = target.split(|byte| *byte == b'/').rev();
                let steps = steps.filter(|step| !step.is_empty() && *step != b".");
                ahead.extend(steps.map(|step| OsStr::from_bytes(step).to_owned()));
                // "." or "/" alone: the directory we are in.
                if ahead.is_empty() && current.is_none() {
                    ahead.push(OsString::from("."));
                }
            }
            _ => return Err(Errno::ENOTDIR.into()),
        }
    }
    Ok(current.ok_or(Errno::ENOENT)?)
}

/// A descriptor of the same directory that can be read, changed and synced.
///
/// # Errors
/// When it may not be read.
pub fn reopen(directory: impl AsFd) -> nix::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(File::from(openat(directory, ".", flags, Mode::empty())?))
}

/// Opens the directory `name` in `parent` to be read; a link is none.
///
/// # Errors
/// When it is no directory or cannot be opened.
pub fn open_here(parent: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// The names in a directory, as many as `most`, in no particular order.
///
/// # Errors
/// When it cannot be read.
pub fn list(directory: BorrowedFd<'_>, most: usize) -> io::Result<Vec<OsString>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut opened = Dir::openat(directory, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in opened.iter() {
        if names.len() == most {
            break;
        }
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Opens the directory with this absolute path, each step as [`enter`] takes it.
///
/// # Errors
/// As [`enter`].
pub fn walk(path: &Path) -> Result<OwnedFd, OpenDirectoryError> {
    let mut at = root()?;
    for step in path.iter().skip(1) {
        at = enter(at.as_fd(), step)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn links_of_ours_are_followed_and_loops_end() {
        let temporary = tempfile::tempdir().unwrap();
        let base = temporary.path();
        fs_err::create_dir_all(base.join("a/b")).unwrap();
        for (name, target) in [
            ("rel", "a/./b/../b"),
            ("abs", base.join("a").to_str().unwrap()),
            ("me", "me"),
            ("dot", "."),
        ] {
            std::os::unix::fs::symlink(target, base.join(name)).unwrap();
        }
        let at = open(base, WALK, Mode::empty()).unwrap();
        let inode = |path| fs_err::metadata(base.join(path)).unwrap().ino();
        for (name, target) in [("a", "a"), ("rel", "a/b"), ("abs", "a"), ("dot", "")] {
            let entered = enter(at.as_fd(), OsStr::new(name)).unwrap();
            assert_eq!(fstat(&entered).unwrap().st_ino, inode(target), "{name}");
        }
        let error = enter(at.as_fd(), OsStr::new("me")).unwrap_err();
        assert!(
            matches!(error, OpenDirectoryError::Io(Errno::ELOOP)),
            "{error:?}"
        );
    }
}
