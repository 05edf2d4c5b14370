//! Looking at what is in directories, by descriptors.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::libc::nlink_t;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::tree::Existing;
pub(super) use crate::files::directory::{
    OpenDirectoryError as OpenError, enter, reopen, root, walk,
};

/// Kinds of file systems, as in statfs(2).
pub(super) const TMPFS: u64 = 0x0102_1994;
const RAMFS: u64 = 0x8584_58F6;
const OVERLAY: u64 = 0x794C_7630;

/// What kind of file a mode tells of.
pub(super) fn kind(status: &FileStat) -> Existing {
    kind_of(status.st_mode)
}

fn kind_of(mode: u32) -> Existing {
    match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => Existing::File,
        SFlag::S_IFDIR => Existing::Directory,
        SFlag::S_IFLNK => Existing::Link,
        _ => Existing::Other,
    }
}

/// What `name` in `directory` is, not followed.
pub(super) fn look(directory: impl AsFd, name: &OsStr) -> nix::Result<Existing> {
    Ok(status(directory, name)?.map_or(Existing::Absent, |status| kind(&status)))
}

/// The status of `name` in `directory`, not followed; none when nothing is there.
pub(super) fn status(directory: impl AsFd, name: &OsStr) -> nix::Result<Option<FileStat>> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(status) => Ok(Some(status)),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What tells a file from every other that has had or will have its name: inode numbers are used
/// again, so the time of its birth counts too (where the file system does not know it: the time of
/// its last change of content, unless it is a directory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) inode: u64,
    pub(super) time: (i64, u32),
}

/// What is known of a name for an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) identity: Identity,
    pub(super) kind: Existing,
    /// Not as wide on every processor.
    pub(super) links: nlink_t,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// The file system knows when it was born: its identity never changes.
    pub(super) born: bool,
}

/// What is under `name` in `directory`, not followed; none when nothing is there.
pub(super) fn see(directory: impl AsFd, name: &OsStr) -> nix::Result<Option<Seen>> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    use rustix::io::Errno as E;

    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    match statx(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW, wanted) {
        Ok(found) => Ok(Some(Seen::from_statx(&found))),
        Err(E::NOENT) => Ok(None),
        // Before Linux 4.11, or a filter of system calls.
        Err(E::NOSYS | E::PERM) => Ok(status(directory, name)?.as_ref().map(Seen::from_stat)),
        Err(error) => Err(Errno::from_raw(error.raw_os_error())),
    }
}

/// The same of an open file.
pub(super) fn see_open(file: impl AsFd) -> nix::Result<Seen> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    use rustix::io::Errno as E;

    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    match statx(file.as_fd(), "", AtFlags::EMPTY_PATH, wanted) {
        Ok(found) => Ok(Seen::from_statx(&found)),
        Err(E::NOSYS | E::PERM) => Ok(Seen::from_stat(&fstat(file)?)),
        Err(error) => Err(Errno::from_raw(error.raw_os_error())),
    }
}

impl Seen {
    fn from_statx(found: &rustix::fs::Statx) -> Self {
        let kind = kind_of(u32::from(found.stx_mode));
        let knows_birth = found.stx_mask & rustix::fs::StatxFlags::BTIME.bits() != 0;
        let time = match (knows_birth, kind) {
            (true, _) => (found.stx_btime.tv_sec, found.stx_btime.tv_nsec),
            (false, Existing::Directory) => (0, 0),
            (false, _) => (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
        };
        Self {
            identity: Identity {
                inode: found.stx_ino,
                time,
            },
            kind,
            links: nlink_t::from(found.stx_nlink),
            mode: u32::from(found.stx_mode) & 0o7777,
            owner: (found.stx_uid, found.stx_gid),
            born: knows_birth,
        }
    }

    fn from_stat(status: &FileStat) -> Self {
        let kind = kind(status);
        let nanoseconds = u32::try_from(status.st_mtime_nsec).unwrap_or_default();
        let time = match kind {
            Existing::Directory => (0, 0),
            _ => (status.st_mtime, nanoseconds),
        };
        Self {
            identity: Identity {
                inode: status.st_ino,
                time,
            },
            kind,
            links: status.st_nlink,
            mode: status.st_mode & 0o7777,
            owner: (status.st_uid, status.st_gid),
            born: false,
        }
    }
}

/// What tells an open directory from every other that could be moved to its path, also after the
/// host's next boot: no device number, which is then another one.
pub(super) fn directory_identity(directory: impl AsFd) -> nix::Result<Identity> {
    let seen = see_open(&directory)?;
    let mut identity = seen.identity;
    // An overlay copies a lower directory when something in it changes, and tells the copy's birth.
    if seen.born && file_system_kind(&directory).map_err(|error| errno(&error))? == OVERLAY {
        identity.time = (0, 0);
    }
    Ok(identity)
}

impl Identity {
    /// Whether `seen` is the directory that [`directory_identity`] told of. A kernel that does not
    /// tell when it was born leaves the inode.
    pub(super) fn is_directory(self, seen: &Seen) -> bool {
        seen.kind == Existing::Directory
            && seen.identity.inode == self.inode
            && (!seen.born || self.time == (0, 0) || seen.identity.time == self.time)
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// Makes a directory's file system write everything to the disk.
pub(super) fn sync_file_system(directory: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(reopen(directory)?)?)
}

/// The kind of a file system, as in statfs(2).
pub(super) fn file_system_kind(directory: impl AsFd) -> io::Result<u64> {
    let found = rustix::fs::fstatfs(directory.as_fd())?;
    // Some platforms have it signed.
    Ok(u64::try_from(found.f_type).unwrap_or_default() & 0xFFFF_FFFF)
}

/// Whether what is in `directory` is gone when the host goes down.
pub(super) fn is_in_memory(directory: impl AsFd) -> io::Result<bool> {
    Ok([TMPFS, RAMFS].contains(&file_system_kind(directory)?))
}

/// Every entry of `directory` and what it is ([`Existing::Unknown`] where the file system does
/// not say), in its own order.
pub(super) fn list(directory: impl AsFd, mut each: impl FnMut(&[u8], Existing)) -> nix::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut opened = Dir::openat(directory, ".", flags, Mode::empty())?;
    for entry in opened.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            Some(Type::File) => Existing::File,
            Some(Type::Directory) => Existing::Directory,
            Some(Type::Symlink) => Existing::Link,
            Some(_) => Existing::Other,
            None => Existing::Unknown,
        };
        each(name, kind);
    }
    Ok(())
}

/// What renames stay within: a mount (bind mounts share their device number with what they show),
/// and in it a file system or subvolume (those of one mount have device numbers of their own).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Volume {
    /// 0 where the kernel does not tell: the device number has to do.
    mount: u64,
    device: u64,
}

impl Volume {
    pub(super) fn of(directory: impl AsFd) -> nix::Result<Self> {
        Ok(Self {
            device: fstat(&directory)?.st_dev,
            mount: mount_id(directory)?,
        })
    }
}

fn mount_id(directory: impl AsFd) -> nix::Result<u64> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    use rustix::io::Errno as E;

    let wanted = StatxFlags::MNT_ID;
    match statx(directory.as_fd(), "", AtFlags::EMPTY_PATH, wanted) {
        Ok(found) if found.stx_mask & wanted.bits() != 0 => return Ok(found.stx_mnt_id),
        // Before Linux 5.8 and 4.11, or a filter of system calls.
        Ok(_) | Err(E::NOSYS | E::PERM) => {}
        Err(error) => return Err(Errno::from_raw(error.raw_os_error())),
    }
    let raw = directory.as_fd().as_raw_fd();
    match fs_err::read_to_string(format!("/proc/self/fdinfo/{raw}")) {
        Ok(text) => {
            let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
            Ok(id.and_then(|id| id.trim().parse().ok()).unwrap_or_default())
        }
        // No /proc, for no directory.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        // A guess would differ from what others are told to be on.
        Err(error) => Err(errno(&error)),
    }
}

/// A directory that is being emptied.
struct Level {
    descriptor: OwnedFd,
    name: OsString,
    directories: Vec<OsString>,
}

impl Level {
    /// Removes what is no directory, and notes what is.
    fn new(
        descriptor: OwnedFd,
        name: OsString,
        except: Option<&OsStr>,
        first_error: &mut Option<Errno>,
    ) -> Self {
        let mut directories = Vec::new();
        let mut others = Vec::new();
        let listed = list(&descriptor, |name, kind| {
            let name = OsStr::from_bytes(name).to_owned();
            if except == Some(name.as_os_str()) {
                return;
            }
            if kind == Existing::Directory {
                &mut directories
            } else {
                &mut others
            }
            .push(name);
        });
        for name in others {
            match unlinkat(&descriptor, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                // The file system did not say what it is.
                Err(Errno::EISDIR) => directories.push(name),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Err(error) = listed {
            first_error.get_or_insert(error);
        }
        Self {
            descriptor,
            name,
            directories,
        }
    }
}

/// Removes everything in `directory` but `except`, following nothing. Goes on after an error and
/// returns the first one.
pub(super) fn empty(directory: impl AsFd, except: Option<&OsStr>) -> io::Result<()> {
    let mut error = None;
    let start = directory.as_fd().try_clone_to_owned()?;
    // A stack of our own: depth must not exhaust the thread's.
    let mut levels = vec![Level::new(start, OsString::new(), except, &mut error)];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.directories.pop() {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            match openat(&level.descriptor, name.as_os_str(), flags, Mode::empty()) {
                Ok(child) => levels.push(Level::new(child, name, None, &mut error)),
                Err(cause) => {
                    error.get_or_insert(cause);
                }
            }
            continue;
        }
        let done = levels.pop();
        if let (Some(done), Some(above)) = (done, levels.last()) {
            let removed = unlinkat(
                &above.descriptor,
                done.name.as_os_str(),
                UnlinkatFlags::RemoveDir,
            );
            if let Err(cause) = removed {
                error.get_or_insert(cause);
            }
        }
    }
    error.map_or(Ok(()), |cause| Err(cause.into()))
}

/// The most recently used open directories of a tree, by node.
#[derive(Debug, Default)]
pub(super) struct OpenDirectories {
    slots: Vec<(u32, Arc<OwnedFd>)>,
}

impl OpenDirectories {
    /// Enough for a deep path and its siblings, and far from any limit on descriptors.
    const MOST: usize = 48;

    /// The directory `id`, opened from its nearest open ancestor on: `parent` tells a directory's
    /// parent (none for a root) and `open` opens one in its parent.
    pub(super) fn get<E>(
        &mut self,
        id: u32,
        parent: impl Fn(u32) -> Option<u32>,
        mut open: impl FnMut(Option<&OwnedFd>, u32) -> Result<OwnedFd, E>,
    ) -> Result<Arc<OwnedFd>, E> {
        let mut missing = Vec::new();
        let mut next = Some(id);
        let mut from = None;
        while let Some(current) = next {
            if let Some(slot) = self.slots.iter().rposition(|(known, _)| *known == current) {
                let found = self.slots.remove(slot);
                from = Some(Arc::clone(&found.1));
                self.slots.push(found);
                break;
            }
            missing.push(current);
            next = parent(current);
        }
        for id in missing.into_iter().rev() {
            let opened = Arc::new(open(from.as_deref(), id)?);
            if self.slots.len() >= Self::MOST {
                self.slots.remove(0);
            }
            self.slots.push((id, Arc::clone(&opened)));
            from = Some(opened);
        }
        // `id` itself was either found or opened just now.
        match from {
            Some(found) => Ok(found),
            None => open(None, id).map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &std::path::Path) -> OwnedFd {
        walk(path).unwrap()
    }

    #[test]
    fn emptying_removes_deep_trees_and_follows_no_link() {
        let temporary = tempfile::tempdir().unwrap();
        let outside = temporary.path().join("outside");
        fs_err::create_dir_all(&outside).unwrap();
        fs_err::write(outside.join("kept"), "").unwrap();
        let base = temporary.path().join("base");
        fs_err::create_dir_all(base.join("x/y/z")).unwrap();
        fs_err::write(base.join("x/y/file"), "").unwrap();
        std::os::unix::fs::symlink(&outside, base.join("x/link")).unwrap();
        empty(directory(&base), Some(OsStr::new("x"))).unwrap();
        assert!(base.join("x/y/file").exists());
        empty(directory(&base), None).unwrap();
        assert_eq!(fs_err::read_dir(&base).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }
}
