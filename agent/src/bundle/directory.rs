//! A directory whose content becomes the deployment archive: a local one as the bundle, or the
//! archive of an earlier deployment.
//!
//! A bundle's files come without owners and times: they belong to the invoking user, with their
//! mode less the umask; directories are 0777 less the umask (contract: install, "A local directory
//! as bundle"). An archive is copied with all of it (contract: protocol, RESTART). Works by
//! descriptors throughout: no path is looked up twice, and no link is followed below `source`.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, geteuid, symlinkat};

use crate::files::copy_contents;

use super::limits::{Account, UnpackOptions, Unpacked};
use super::tree::file_type;
use super::unpack::{Places, into_archive};
use super::unpack_error::{EntryName, UnpackError};

/// Copies the content of the directory `source` into `partial` and puts it in place as
/// `archive`, as an archive is unpacked, with the same options. Links are made again with the same
/// target. setuid and setgid bits are cleared with a warning. Blocks; to be called from a thread
/// that may.
///
/// # Errors
/// When something cannot be read or written, `source` holds a device, fifo or socket, or what
/// `options` refuse, or `source` and `archive` lie within each other. `archive` is then as it was.
pub fn copy_directory(
    source: &Path,
    partial: &Path,
    archive: &Path,
    options: &UnpackOptions,
    interrupted: &AtomicBool,
) -> Result<Unpacked, UnpackError> {
    let places = Places { partial, archive };
    copy(source, places, Keep::Content, options, interrupted)
}

/// Copies `source`, the archive of an earlier deployment, like [`copy_directory`], but with modes,
/// owners (as root) and times. Blocks.
///
/// # Errors
/// As [`copy_directory`].
pub fn copy_archive(
    source: &Path,
    partial: &Path,
    archive: &Path,
    options: &UnpackOptions,
    interrupted: &AtomicBool,
) -> Result<Unpacked, UnpackError> {
    let places = Places { partial, archive };
    copy(source, places, Keep::Everything, options, interrupted)
}

/// Goes through the directory `source` as [`copy_directory`] would, which makes `archive` of it,
/// and copies nothing. `archive` need not have a directory yet. Blocks.
///
/// # Errors
/// As [`copy_directory`], but for those of writing.
pub fn examine_directory(
    source: &Path,
    archive: &Path,
    options: &UnpackOptions,
    interrupted: &AtomicBool,
) -> Result<Unpacked, UnpackError> {
    let from = open_source(source)?;
    let there = archive.ancestors().skip(1).find(|above| above.exists());
    refuse_nesting(&from, source, archive, there.unwrap_or(Path::new("/")), &[])?;
    let mut account = Account::new(options, interrupted);
    let mut examination = Copy {
        source,
        archive,
        own: None,
        keep: Keep::Content,
        path: PathBuf::new(),
        account: &mut account,
    };
    examination
        .directory(from, None)
        .map_err(|failure| failure.or_nesting(source, archive))?;
    Ok(account.finish())
}

/// What a copy has of its original besides content and permission bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Content,
    Everything,
}

fn copy(
    source: &Path,
    Places { partial, archive }: Places<'_>,
    keep: Keep,
    options: &UnpackOptions,
    interrupted: &AtomicBool,
) -> Result<Unpacked, UnpackError> {
    let from = open_source(source)?;
    let parent = archive.parent().unwrap_or(Path::new("/"));
    refuse_nesting(&from, source, archive, parent, &[partial, archive])?;
    into_archive(
        partial,
        archive,
        |account, partial| {
            let failed = |error: Errno| UnpackError::Directory {
                operation: "make the directory",
                path: partial.to_owned(),
                source: error.into(),
            };
            nix::unistd::mkdir(partial, Mode::S_IRWXU).map_err(failed)?;
            let to = nix::fcntl::open(
                partial,
                OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
                Mode::empty(),
            )
            .map_err(failed)?;
            fchmod(&to, Mode::S_IRWXU).map_err(failed)?;
            let own = Identity::of(to.as_fd()).map_err(failed)?;
            let mut copy = Copy {
                source,
                archive: partial,
                own: Some(own),
                keep,
                path: PathBuf::new(),
                account,
            };
            copy.directory(from, Some(to.as_fd()))
                .map_err(|failure| failure.or_nesting(source, archive))?;
            Ok(partial.to_owned())
        },
        options,
        interrupted,
    )
}

fn open_source(source: &Path) -> Result<OwnedFd, UnpackError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(source, flags, Mode::empty()).map_err(|error| unreadable(source, error))
}

fn unreadable(source: &Path, error: Errno) -> UnpackError {
    UnpackError::Source {
        path: source.to_owned(),
        source: error.into(),
    }
}

/// Fails when one of `source`, opened as `from`, and `archive` lies within the other. `parent` is
/// there, and the archive is made below it; `replaced` are removed on the way.
fn refuse_nesting(
    from: &OwnedFd,
    source: &Path,
    archive: &Path,
    parent: &Path,
    replaced: &[&Path],
) -> Result<(), UnpackError> {
    let identity = Identity::of(from.as_fd()).map_err(|error| unreadable(source, error))?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let parent_fd =
        nix::fcntl::open(parent, flags, Mode::empty()).map_err(|error| UnpackError::Directory {
            operation: "open",
            path: parent.to_owned(),
            source: error.into(),
        })?;
    let lies_in = |directory, others: &[Identity]| {
        lies_in(directory, others).map_err(|error| unreadable(source, error))
    };
    let replaced: Vec<Identity> = replaced
        .iter()
        .filter_map(|path| nix::sys::stat::lstat(*path).ok())
        .map(|stat| Identity(stat.st_dev, stat.st_ino))
        .collect();
    // The archive below the source would copy itself without end; the source below what is
    // about to be replaced would vanish.
    if lies_in(parent_fd.as_fd(), &[identity])? || lies_in(from.as_fd(), &replaced)? {
        return Err(into_itself(source, archive));
    }
    Ok(())
}

fn into_itself(source: &Path, archive: &Path) -> UnpackError {
    UnpackError::IntoItself {
        source_directory: source.to_owned(),
        archive: archive.to_owned(),
    }
}

/// Which file a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(nix::libc::dev_t, nix::libc::ino_t);

impl Identity {
    fn of(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        let stat = fstat(fd)?;
        Ok(Self(stat.st_dev, stat.st_ino))
    }
}

/// Whether `directory` is, or lies below, one of `others`.
fn lies_in(directory: BorrowedFd<'_>, others: &[Identity]) -> Result<bool, Errno> {
    let mut here = Identity::of(directory)?;
    let mut fd: Option<OwnedFd> = None;
    loop {
        if others.contains(&here) {
            return Ok(true);
        }
        let above = match openat(
            fd.as_ref().map_or(directory, OwnedFd::as_fd),
            "..",
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            Mode::empty(),
        ) {
            Ok(above) => above,
            // A directory that we may not even pass is none that we could be copying.
            Err(Errno::EACCES) => return Ok(false),
            Err(error) => return Err(error),
        };
        let next = Identity::of(above.as_fd())?;
        if next == here {
            return Ok(false);
        }
        here = next;
        fd = Some(above);
    }
}

enum Failure {
    IntoItself,
    Other(UnpackError),
}

impl Failure {
    fn or_nesting(self, source: &Path, archive: &Path) -> UnpackError {
        match self {
            Self::IntoItself => into_itself(source, archive),
            Self::Other(error) => error,
        }
    }
}

impl From<UnpackError> for Failure {
    fn from(error: UnpackError) -> Self {
        Self::Other(error)
    }
}

struct Copy<'a, 'b> {
    source: &'a Path,
    archive: &'a Path,
    /// The directory that is being filled, should it turn up in the source by a mount.
    own: Option<Identity>,
    keep: Keep,
    /// Where we are below the source; for messages and warnings.
    path: PathBuf,
    account: &'a mut Account<'b>,
}

impl Copy<'_, '_> {
    fn unreadable(&self, error: Errno) -> UnpackError {
        UnpackError::Source {
            path: self.source.join(&self.path),
            source: error.into(),
        }
    }

    fn unwritable(&self, operation: &'static str, error: Errno) -> UnpackError {
        UnpackError::Write {
            operation,
            name: EntryName::new(self.path.as_os_str().as_bytes()),
            archive: self.archive.to_owned(),
            source: error.into(),
        }
    }

    /// Copies the content of `from` into `to`, or only goes through it when there is no `to`.
    fn directory(&mut self, from: OwnedFd, to: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
        let identity = Identity::of(from.as_fd()).map_err(|error| self.unreadable(error))?;
        if self.own == Some(identity) {
            return Err(Failure::IntoItself);
        }
        let mut listing = Dir::from_fd(from).map_err(|error| self.unreadable(error))?;
        // Read first, then copy: the descriptor is needed for both, and nothing is sorted.
        let mut names = Vec::new();
        for entry in listing.iter() {
            let entry = entry.map_err(|error| self.unreadable(error))?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push((name.to_owned(), entry.file_type()));
            }
        }
        for (name, kind) in names {
            let name = OsStr::from_bytes(name.to_bytes());
            self.path.push(name);
            self.account.entry()?;
            self.entry(listing.as_fd(), to, name, kind)?;
            self.path.pop();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: BorrowedFd<'_>,
        to: Option<BorrowedFd<'_>>,
        name: &OsStr,
        kind: Option<Type>,
    ) -> Result<(), Failure> {
        let kind = match kind {
            Some(kind) => kind,
            // Some file systems leave the type to a second call.
            None => {
                let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)
                    .map_err(|error| self.unreadable(error))?;
                match file_type(&stat) {
                    SFlag::S_IFREG => Type::File,
                    SFlag::S_IFDIR => Type::Directory,
                    SFlag::S_IFLNK => Type::Symlink,
                    SFlag::S_IFIFO => Type::Fifo,
                    SFlag::S_IFSOCK => Type::Socket,
                    SFlag::S_IFCHR => Type::CharacterDevice,
                    _ => Type::BlockDevice,
                }
            }
        };
        let special = |what| UnpackError::SpecialFile {
            name: EntryName::new(self.source.join(&self.path).as_os_str().as_bytes()),
            what,
        };
        match kind {
            Type::File => self.file(from, to, name),
            Type::Directory => {
                let flags =
                    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let inner = openat(from, name, flags, Mode::empty())
                    .map_err(|error| self.unreadable(error))?;
                let Some(to) = to else {
                    return self.directory(inner, None);
                };
                let made = mkdirat(to, name, Mode::from_bits_truncate(0o777))
                    .and_then(|()| openat(to, name, flags, Mode::empty()))
                    .map_err(|error| self.unwritable("make the directory", error))?;
                let stat = fstat(&inner).map_err(|error| self.unreadable(error))?;
                self.directory(inner, Some(made.as_fd()))?;
                self.complete(made.as_fd(), &stat, stat.st_mode & 0o1777)
                    .map_err(|error| self.unwritable("complete the directory", error).into())
            }
            Type::Symlink => {
                self.account.link(self.path.as_os_str().as_bytes())?;
                let target = readlinkat(from, name).map_err(|error| self.unreadable(error))?;
                let Some(to) = to else { return Ok(()) };
                symlinkat(target.as_os_str(), to, name)
                    .and_then(|()| self.complete_link(from, to, name))
                    .map_err(|error| self.unwritable("make the link", error).into())
            }
            Type::Fifo => Err(special("a fifo").into()),
            Type::Socket => Err(special("a socket").into()),
            Type::CharacterDevice | Type::BlockDevice => Err(special("a device").into()),
        }
    }

    fn file(
        &mut self,
        from: BorrowedFd<'_>,
        to: Option<BorrowedFd<'_>>,
        name: &OsStr,
    ) -> Result<(), Failure> {
        // Without O_NONBLOCK, a fifo put in the file's place would hold us.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let source =
            openat(from, name, flags, Mode::empty()).map_err(|error| self.unreadable(error))?;
        let stat = fstat(&source).map_err(|error| self.unreadable(error))?;
        if file_type(&stat) != SFlag::S_IFREG {
            return Err(self.unreadable(Errno::EINVAL).into());
        }
        let mode = self
            .account
            .permissions(self.path.as_os_str().as_bytes(), stat.st_mode & 0o7777)?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let Some(to) = to else {
            return Ok(self.account.bytes(size)?);
        };
        self.account.announce(size)?;
        let target = openat(
            to,
            name,
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::from_bits_truncate(mode),
        )
        .map_err(|error| self.unwritable("create", error))?;
        let mut target = File::from(target);
        if stat.st_size > 0 {
            let copied = copy_contents(&mut File::from(source), &mut target).map_err(|source| {
                UnpackError::Write {
                    operation: "copy",
                    name: EntryName::new(self.path.as_os_str().as_bytes()),
                    archive: self.archive.to_owned(),
                    source,
                }
            })?;
            self.account.bytes(copied)?;
        }
        self.complete(target.as_fd(), &stat, mode)
            .map_err(|error| self.unwritable("complete", error).into())
    }

    /// Gives a copy the owner, mode and times of its original, when they are kept.
    fn complete(&self, copy: BorrowedFd<'_>, original: &FileStat, mode: u32) -> Result<(), Errno> {
        if self.keep == Keep::Content {
            return Ok(());
        }
        if geteuid().is_root() {
            let (user, group) = owner(original);
            fchown(copy, Some(user), Some(group))?;
        }
        fchmod(copy, Mode::from_bits_truncate(mode))?;
        let (accessed, modified) = times(original);
        futimens(copy, &accessed, &modified)
    }

    fn complete_link(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        name: &OsStr,
    ) -> Result<(), Errno> {
        if self.keep == Keep::Content {
            return Ok(());
        }
        let original = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if geteuid().is_root() {
            let (user, group) = owner(&original);
            fchownat(
                to,
                name,
                Some(user),
                Some(group),
                AtFlags::AT_SYMLINK_NOFOLLOW,
            )?;
        }
        let (accessed, modified) = times(&original);
        utimensat(
            to,
            name,
            &accessed,
            &modified,
            UtimensatFlags::NoFollowSymlink,
        )
    }
}

fn owner(original: &FileStat) -> (Uid, Gid) {
    (
        Uid::from_raw(original.st_uid),
        Gid::from_raw(original.st_gid),
    )
}

fn times(original: &FileStat) -> (TimeSpec, TimeSpec) {
    (
        TimeSpec::new(original.st_atime, original.st_atime_nsec),
        TimeSpec::new(original.st_mtime, original.st_mtime_nsec),
    )
}
