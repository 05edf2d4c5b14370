//! The revision's directories: opening, listing and classifying what is to be copied.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, fstat, fstatat};

use super::descriptors::{self, OpenDirectories};
use super::plan::{Plan, SourceDirectory, source_directory_path};
use super::tree::{Existing, NONE, NodeId};

/// What a name in the revision is, for copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceKind {
    Missing,
    File,
    Directory,
    /// A link to a directory.
    DirectoryLink,
    /// Any other link, dangling ones included.
    Link,
    Special,
}

/// The revision's directories that have been entered.
#[derive(Debug)]
pub(super) struct Sources {
    archive: PathBuf,
    pub(super) directories: Vec<SourceDirectory>,
    open: OpenDirectories,
}

/// Opens one source directory: the archive itself (which may be named through links: its path is
/// the agent's own), or one below, through a link only where the plan says so.
pub(super) fn open_directory(
    archive: &Path,
    directory: Option<&SourceDirectory>,
    parent: Option<&OwnedFd>,
) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match (directory, parent) {
        (Some(directory), Some(parent)) => {
            let follow = if directory.followed {
                OFlag::empty()
            } else {
                OFlag::O_NOFOLLOW
            };
            openat(
                parent,
                directory.name.as_os_str(),
                flags | follow,
                Mode::empty(),
            )
        }
        _ => open(archive, flags, Mode::empty()),
    }
}

/// The directory that a node's source is in.
pub(super) fn directory_of(
    plan: &Plan,
    cache: &mut OpenDirectories,
    id: NodeId,
) -> nix::Result<Arc<OwnedFd>> {
    let directory = |id: u32| plan.sources.get(id as usize);
    cache.get(
        plan.tree.node(id).source,
        |id| {
            directory(id)
                .map(|d| d.parent)
                .filter(|parent| *parent != NONE)
        },
        |parent, id| open_directory(&plan.archive, directory(id), parent),
    )
}

impl Sources {
    /// Index of the archive itself.
    pub(super) const ARCHIVE: u32 = 0;

    pub(super) fn new(archive: &Path) -> nix::Result<Self> {
        let opened = open_directory(archive, None, None)?;
        let status = fstat(&opened)?;
        Ok(Self {
            archive: archive.to_owned(),
            directories: vec![SourceDirectory {
                parent: NONE,
                name: OsString::new(),
                followed: false,
                identity: (status.st_dev, status.st_ino),
            }],
            open: OpenDirectories::default(),
        })
    }

    pub(super) fn path(&self, id: u32, name: &OsStr) -> PathBuf {
        let mut path = source_directory_path(&self.archive, &self.directories, id);
        if !name.is_empty() {
            path.push(name);
        }
        path
    }

    fn descriptor(&mut self, id: u32) -> nix::Result<Arc<OwnedFd>> {
        let (archive, directories) = (&self.archive, &self.directories);
        self.open.get(
            id,
            |id| {
                directories
                    .get(id as usize)
                    .map(|d| d.parent)
                    .filter(|parent| *parent != NONE)
            },
            |parent, id| open_directory(archive, directories.get(id as usize), parent),
        )
    }

    /// Enters a directory of the revision; none when it is one of those it is in (a link loop).
    pub(super) fn enter(
        &mut self,
        parent: u32,
        name: &OsStr,
        followed: bool,
    ) -> nix::Result<Option<u32>> {
        let at = self.descriptor(parent)?;
        let id = u32::try_from(self.directories.len()).map_err(|_| Errno::EOVERFLOW)?;
        let mut directory = SourceDirectory {
            parent,
            name: name.to_owned(),
            followed,
            identity: (0, 0),
        };
        let opened = open_directory(&self.archive, Some(&directory), Some(&at))?;
        let status = fstat(&opened)?;
        directory.identity = (status.st_dev, status.st_ino);
        let mut above = self.directories.get(parent as usize);
        while let Some(ancestor) = above {
            if ancestor.identity == directory.identity {
                return Ok(None);
            }
            above = self.directories.get(ancestor.parent as usize);
        }
        self.directories.push(directory);
        Ok(Some(id))
    }

    /// What `name` is; `listed` is what a directory listing said.
    pub(super) fn classify(
        &mut self,
        parent: u32,
        name: &OsStr,
        listed: Existing,
    ) -> nix::Result<SourceKind> {
        let found = match listed {
            Existing::File => return Ok(SourceKind::File),
            Existing::Directory => return Ok(SourceKind::Directory),
            Existing::Unknown => {
                let at = self.descriptor(parent)?;
                match descriptors::look(&*at, name) {
                    Err(Errno::ENAMETOOLONG) => Existing::Absent,
                    looked => looked?,
                }
            }
            known => known,
        };
        Ok(match found {
            Existing::Absent | Existing::Unknown => SourceKind::Missing,
            Existing::File => SourceKind::File,
            Existing::Directory => SourceKind::Directory,
            Existing::Other => SourceKind::Special,
            Existing::Link => {
                let at = self.descriptor(parent)?;
                match fstatat(at.as_fd(), name, AtFlags::empty()) {
                    Ok(status) if descriptors::kind(&status) == Existing::Directory => {
                        SourceKind::DirectoryLink
                    }
                    // Dangling, or a loop of links: recreated as it is.
                    _ => SourceKind::Link,
                }
            }
        })
    }

    /// Whether a file has the setuid or setgid bit.
    pub(super) fn is_unsafe(&mut self, parent: u32, name: &OsStr) -> nix::Result<bool> {
        let at = self.descriptor(parent)?;
        let status = fstatat(at.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        Ok(status.st_mode & 0o6000 != 0)
    }

    /// The entries of a directory, sorted by name.
    pub(super) fn list(&mut self, id: u32) -> nix::Result<Vec<(Box<OsStr>, Existing)>> {
        let opened = self.descriptor(id)?;
        let mut entries: Vec<(Box<OsStr>, Existing)> = Vec::new();
        descriptors::list(&*opened, |name, kind| {
            entries.push((Box::from(OsStr::from_bytes(name)), kind));
        })?;
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }
}
