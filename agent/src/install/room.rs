//! Whether a file system has room for what will be staged on it.
//!
//! Refused is only what can surely not fit. Where a file takes less than its size (compression,
//! shared blocks) or the figures mean little (network, stacked and quota-like file systems), too
//! little room is a warning: staging itself then meets the end of the space, and undoes.

use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::sys::stat::FileStat;
use nix::unistd::geteuid;
use rustix::fs::fstatvfs;

use super::descriptors;
use super::error::InstallError;
use super::plan::Plan;
use super::tree::{NodeId, ROOT};

/// Content this small may be kept in the inode.
const MAY_BE_INLINE: u64 = 160;

/// File systems on which a file takes its size, and free space is what they say.
const PLAIN: [u64; 3] = [
    0xEF53, // ext2, ext3, ext4
    descriptors::TMPFS,
    XFS,
];
const XFS: u64 = 0x5846_5342;

/// What will be staged on a volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// At least.
    pub(super) bytes: u64,
    pub(super) inodes: u64,
    /// A directory on the volume that exists.
    pub(super) directory: NodeId,
}

impl Default for Need {
    fn default() -> Self {
        Self {
            bytes: 0,
            inodes: 0,
            directory: ROOT,
        }
    }
}

impl Need {
    pub(super) fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.inodes = self.inodes.saturating_add(other.inodes);
        self.directory = other.directory;
    }

    /// What a copy takes at least: holes are kept.
    pub(super) fn of_file(status: &FileStat) -> u64 {
        let size = u64::try_from(status.st_size).unwrap_or_default();
        let taken = u64::try_from(status.st_blocks).unwrap_or_default() * 512;
        if size <= MAY_BE_INLINE {
            0
        } else {
            size.min(taken)
        }
    }

    /// Fails when there is surely no room; a warning when there seems to be none.
    pub(super) fn check(
        self,
        plan: &Plan,
        directory: impl AsFd,
        archive_device: u64,
        warnings: &mut Vec<String>,
    ) -> Result<(), InstallError> {
        let path = plan.tree.path(self.directory);
        let room = Room::look(path, directory, self.bytes, self.inodes, archive_device);
        match room.and_then(|room| Some((room.is_certain, room.shortage()?))) {
            None => Ok(()),
            Some((true, error)) => Err(error),
            Some((false, error)) => {
                warnings.push(format!("it may not fit: {error}"));
                Ok(())
            }
        }
    }
}

/// What is free on a file system, and what is needed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// A directory on it.
    pub path: PathBuf,
    /// Bytes needed, at least.
    pub needed_bytes: u64,
    /// Bytes that we may write; none where the file system does not say.
    pub free_bytes: Option<u64>,
    /// Inodes needed.
    pub needed_inodes: u64,
    /// Inodes that are free; none where the file system does not say.
    pub free_inodes: Option<u64>,
    /// What does not fit by these figures does not fit.
    pub is_certain: bool,
    /// The file system's device number.
    pub device: u64,
}

impl Room {
    /// Looks at the file system of an open directory. `archive_device` is that of the unpacked
    /// revision. None when it cannot be asked.
    #[must_use]
    pub fn look(
        path: PathBuf,
        directory: impl AsFd,
        needed_bytes: u64,
        needed_inodes: u64,
        archive_device: u64,
    ) -> Option<Self> {
        let space = fstatvfs(directory.as_fd()).ok()?;
        let kind = descriptors::file_system_kind(directory.as_fd()).unwrap_or_default();
        let device = nix::sys::stat::fstat(directory.as_fd()).map_or(0, |status| status.st_dev);
        let shares = kind == XFS && device == archive_device;
        // Root may use what is reserved.
        let (blocks, inodes) = if geteuid().is_root() {
            (space.f_bfree, space.f_ffree)
        } else {
            (space.f_bavail, space.f_favail)
        };
        Some(Self {
            path,
            needed_bytes,
            free_bytes: (space.f_blocks > 0).then(|| blocks.saturating_mul(space.f_frsize)),
            needed_inodes,
            free_inodes: (space.f_files > 0).then_some(inodes),
            is_certain: PLAIN.contains(&kind) && !shares,
            device,
        })
    }

    /// What is lacking.
    #[must_use]
    pub fn shortage(&self) -> Option<InstallError> {
        let path = || self.path.clone();
        if let Some(free) = self.free_bytes.filter(|free| self.needed_bytes > *free) {
            return Some(InstallError::NoSpace {
                path: path(),
                needed: self.needed_bytes,
                free,
            });
        }
        let free = self.free_inodes.filter(|free| self.needed_inodes > *free)?;
        Some(InstallError::NoInodes {
            path: path(),
            needed: self.needed_inodes,
            free,
        })
    }
}
