//! Making the files of an archive below one directory, by descriptors only.
//!
//! Invariant: every system call names one component relative to an open directory and follows no
//! link, so nothing that an archive holds can lead outside. The top directory is 0700 until the
//! whole is complete: other users cannot take part in the making. Modes, owners and times of
//! directories are applied at the end, deepest first, because a read-only directory could not be
//! filled, and filling changes its time.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstatat, futimens, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{
    Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, fchownat, linkat, symlinkat, unlinkat,
};

use super::entry_path::{EntryPath, names};
use super::unpack_error::{EntryName, UnpackError};

/// What an entry is besides its content.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    /// Permission bits, 0o1777 at most.
    pub(super) mode: u32,
    /// Modification time; now when absent.
    pub(super) modified: Option<TimeSpec>,
    /// Numeric owner and group; ours when absent.
    pub(super) owner: Option<(Uid, Gid)>,
}

/// What a second file of the same name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeated {
    /// It replaces the first, as in a tar that was appended to.
    Replaces,
    /// It is an error.
    Refused,
}

/// The directory that is being filled.
pub(super) struct Tree {
    root: Arc<OwnedFd>,
    root_path: PathBuf,
    repeated: Repeated,
    /// The directories on the way to the last parent, kept open: most entries share them.
    open: Vec<(Vec<u8>, OwnedFd)>,
    directories: Vec<(Vec<u8>, Attributes)>,
    us: (Uid, Gid),
}

const DIRECTORY_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

impl Tree {
    /// Makes `path`, which must not exist, with mode 0700.
    pub(super) fn create(path: &Path, repeated: Repeated) -> Result<Self, UnpackError> {
        let failed = |source: Errno| UnpackError::Directory {
            operation: "make the directory",
            path: path.to_owned(),
            source: source.into(),
        };
        nix::unistd::mkdir(path, Mode::S_IRWXU).map_err(failed)?;
        let root = nix::fcntl::open(path, DIRECTORY_FLAGS, Mode::empty()).map_err(failed)?;
        // Also drops a setgid bit inherited from the parent, so that new files get our group.
        fchmod(&root, Mode::S_IRWXU).map_err(failed)?;
        Ok(Self {
            root: Arc::new(root),
            root_path: path.to_owned(),
            repeated,
            open: Vec::new(),
            directories: Vec::new(),
            us: (Uid::effective(), Gid::effective()),
        })
    }

    /// The same directory, to be filled by another thread. Only files may be made by it: what is
    /// put off until the end is remembered by the first.
    pub(super) fn for_files(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            root_path: self.root_path.clone(),
            repeated: self.repeated,
            open: Vec::new(),
            directories: Vec::new(),
            us: self.us,
        }
    }

    /// The top directory.
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(super) fn failed(
        &self,
        operation: &'static str,
        path: &[u8],
        source: impl Into<io::Error>,
    ) -> UnpackError {
        UnpackError::Write {
            operation,
            name: EntryName::new(path),
            archive: self.root_path.clone(),
            source: source.into(),
        }
    }

    /// The directory `path` (normalised), opened one name at a time; with `make`, missing ones
    /// are made. `entry` is named in errors.
    fn directory_at(
        &mut self,
        path: &[u8],
        make: bool,
        entry: &[u8],
    ) -> Result<BorrowedFd<'_>, UnpackError> {
        let shared = self
            .open
            .iter()
            .zip(names(path))
            .take_while(|((open, _), name)| open == name)
            .count();
        self.open.truncate(shared);
        for name in names(path).skip(shared) {
            let parent = self
                .open
                .last()
                .map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
            let fd = match openat(parent, name, DIRECTORY_FLAGS, Mode::empty()) {
                Err(Errno::ENOENT) if make => {
                    match mkdirat(parent, name, Mode::from_bits_truncate(0o777)) {
                        // Another thread was quicker; what it made is looked at below.
                        Ok(()) | Err(Errno::EEXIST) => {
                            openat(parent, name, DIRECTORY_FLAGS, Mode::empty())
                        }
                        Err(error) => Err(error),
                    }
                }
                other => other,
            };
            match fd {
                Ok(fd) => self.open.push((name.to_vec(), fd)),
                Err(Errno::ENOTDIR | Errno::ELOOP) => {
                    return Err(UnpackError::ThroughLink {
                        name: EntryName::new(entry),
                        link: EntryName::new(name),
                    });
                }
                Err(error) => return Err(self.failed("open the directory of", entry, error)),
            }
        }
        Ok(self
            .open
            .last()
            .map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// Splits `path`, refusing the root.
    fn split(path: &EntryPath) -> Result<(&[u8], &[u8]), UnpackError> {
        path.split().ok_or(UnpackError::UnsafeName {
            name: EntryName::new(b"."),
            why: "it is the archive's own directory, yet no directory",
        })
    }

    /// A directory of the archive. A second one of the same name changes the first's attributes.
    pub(super) fn directory(
        &mut self,
        path: &EntryPath,
        attributes: Attributes,
    ) -> Result<(), UnpackError> {
        // The top directory is ours, whatever the archive says of it.
        let Some((above, name)) = path.split() else {
            return Ok(());
        };
        let parent = self.directory_at(above, true, path.bytes())?;
        match mkdirat(parent, name, Mode::S_IRWXU) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                let there = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
                    .map_err(|error| self.failed("examine", path.bytes(), error))?;
                if !is(&there, SFlag::S_IFDIR) {
                    return Err(UnpackError::Duplicate {
                        name: EntryName::new(path.bytes()),
                        what: "as a directory, and before that as something else",
                    });
                }
            }
            Err(error) => return Err(self.failed("make the directory", path.bytes(), error)),
        }
        self.directories.push((path.bytes().to_vec(), attributes));
        Ok(())
    }

    /// A new regular file, open for writing, 0600.
    pub(super) fn file(&mut self, path: &EntryPath) -> Result<File, UnpackError> {
        let (above, name) = Self::split(path)?;
        let repeated = self.repeated;
        let parent = self.directory_at(above, true, path.bytes())?;
        let create = || {
            openat(
                parent,
                name,
                OFlag::O_WRONLY
                    | OFlag::O_CREAT
                    | OFlag::O_EXCL
                    | OFlag::O_NOFOLLOW
                    | OFlag::O_CLOEXEC,
                Mode::S_IRUSR | Mode::S_IWUSR,
            )
        };
        let fd = match create() {
            Err(Errno::EEXIST) => {
                make_way(parent, name, path.bytes(), SFlag::S_IFREG, repeated)?;
                create()
            }
            other => other,
        };
        fd.map(File::from)
            .map_err(|error| self.failed("create", path.bytes(), error))
    }

    /// Gives a written file its attributes.
    pub(super) fn finish_file(
        &self,
        path: &EntryPath,
        file: &File,
        attributes: &Attributes,
    ) -> Result<(), UnpackError> {
        self.apply(file.as_fd(), path.bytes(), attributes)
    }

    fn apply(
        &self,
        fd: BorrowedFd<'_>,
        path: &[u8],
        attributes: &Attributes,
    ) -> Result<(), UnpackError> {
        if let Some((uid, gid)) = attributes.owner.filter(|owner| *owner != self.us) {
            fchown(fd, Some(uid), Some(gid))
                .map_err(|error| self.failed("set the owner of", path, error))?;
        }
        fchmod(fd, Mode::from_bits_truncate(attributes.mode))
            .map_err(|error| self.failed("set the mode of", path, error))?;
        if let Some(modified) = &attributes.modified {
            futimens(fd, &TimeSpec::UTIME_NOW, modified)
                .map_err(|error| self.failed("set the time of", path, error))?;
        }
        Ok(())
    }

    /// A symbolic link. Its target is stored as it is: nothing here ever follows it.
    pub(super) fn symbolic_link(
        &mut self,
        path: &EntryPath,
        target: &[u8],
        attributes: &Attributes,
    ) -> Result<(), UnpackError> {
        let (above, name) = Self::split(path)?;
        let (repeated, us) = (self.repeated, self.us);
        let parent = self.directory_at(above, true, path.bytes())?;
        let made = match symlinkat(target, parent, name) {
            Err(Errno::EEXIST) => {
                make_way(parent, name, path.bytes(), SFlag::S_IFLNK, repeated)?;
                symlinkat(target, parent, name)
            }
            other => other,
        };
        let result = made
            .map_err(|error| ("make the link", error))
            .and_then(|()| {
                if let Some((uid, gid)) = attributes.owner.filter(|owner| *owner != us) {
                    fchownat(
                        parent,
                        name,
                        Some(uid),
                        Some(gid),
                        AtFlags::AT_SYMLINK_NOFOLLOW,
                    )
                    .map_err(|error| ("set the owner of", error))?;
                }
                match &attributes.modified {
                    Some(time) => utimensat(
                        parent,
                        name,
                        &TimeSpec::UTIME_NOW,
                        time,
                        UtimensatFlags::NoFollowSymlink,
                    )
                    .map_err(|error| ("set the time of", error)),
                    None => Ok(()),
                }
            });
        result.map_err(|(operation, error)| self.failed(operation, path.bytes(), error))
    }

    /// A second name for a file or link that this archive has already brought.
    pub(super) fn hard_link(
        &mut self,
        path: &EntryPath,
        target: &EntryPath,
    ) -> Result<(), UnpackError> {
        let (above, name) = Self::split(path)?;
        let no_target = || UnpackError::HardLinkTarget {
            name: EntryName::new(path.bytes()),
            target: EntryName::new(target.bytes()),
        };
        let (target_above, target_name) = target.split().ok_or_else(no_target)?;
        let repeated = self.repeated;
        let target_parent = match self.directory_at(target_above, false, path.bytes()) {
            Ok(fd) => fd.try_clone_to_owned(),
            Err(UnpackError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(no_target());
            }
            Err(error) => return Err(error),
        };
        let target_parent =
            target_parent.map_err(|error| self.failed("link", path.bytes(), error))?;
        let target_is = fstatat(&target_parent, target_name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(|_| no_target())?;
        let kind = file_type(&target_is);
        if kind != SFlag::S_IFREG && kind != SFlag::S_IFLNK {
            return Err(no_target());
        }
        if path == target {
            // The same file named twice when the tar was made.
            return Ok(());
        }
        let parent = self.directory_at(above, true, path.bytes())?;
        let link = || {
            linkat(
                &target_parent,
                target_name,
                parent,
                name,
                LinkatFlags::empty(),
            )
        };
        let made = match link() {
            Err(Errno::EEXIST) => {
                make_way(parent, name, path.bytes(), kind, repeated)?;
                link()
            }
            other => other,
        };
        made.map_err(|error| self.failed("link", path.bytes(), error))
    }

    /// Applies what was put off. `top` is a top directory that will become the archive itself:
    /// its own attributes are not taken from the archive.
    pub(super) fn finish(mut self, top: Option<&[u8]>) -> Result<(), UnpackError> {
        let mut directories = std::mem::take(&mut self.directories);
        // Children before parents: a parent may not be searchable afterwards. The sort is stable,
        // so the last of several entries for one directory stands first after the reversal.
        directories.sort_by(|(one, _), (other, _)| one.cmp(other));
        directories.reverse();
        let mut last: Option<&[u8]> = None;
        for (path, attributes) in &directories {
            if last == Some(path.as_slice()) || top == Some(path.as_slice()) {
                continue;
            }
            last = Some(path);
            let fd = self.directory_at(path, false, path)?;
            let fd = fd
                .try_clone_to_owned()
                .map_err(|error| self.failed("open", path, error))?;
            self.apply(fd.as_fd(), path, attributes)?;
        }
        Ok(())
    }
}

/// Removes the first entry of a name for the second, where that is allowed.
fn make_way(
    parent: BorrowedFd<'_>,
    name: &[u8],
    path: &[u8],
    new: SFlag,
    repeated: Repeated,
) -> Result<(), UnpackError> {
    let duplicate = |what| UnpackError::Duplicate {
        name: EntryName::new(path),
        what,
    };
    let there = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(|_| duplicate("and the first could not be examined"))?;
    if file_type(&there) != new {
        return Err(duplicate("once as one kind of thing, then as another"));
    }
    if repeated == Repeated::Refused {
        return Err(duplicate("and only one of the two can be meant"));
    }
    unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)
        .map_err(|_| duplicate("and the first could not be replaced"))
}

/// The type bits of a file's mode.
pub(super) fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}

fn is(stat: &FileStat, kind: SFlag) -> bool {
    file_type(stat) == kind
}
