//! Whether a file system has room for what will be staged on it.
//!
//! Refused is only what can surely not fit. Where a file takes less than its size (compression,
//! shared blocks) or the figures mean little (network, stacked and quota-like file systems), too
//! little room is a warning: staging itself then meets the end of the space, and undoes.

use std::os::fd::AsFd;

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

/// What will be staged on a mount.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// At least.
    pub(super) bytes: u64,
    pub(super) inodes: u64,
    /// A directory on the mount that exists.
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
        let Ok(space) = fstatvfs(directory.as_fd()) else {
            return Ok(());
        };
        let kind = descriptors::file_system_kind(directory.as_fd()).unwrap_or_default();
        let device = nix::sys::stat::fstat(directory.as_fd()).map_or(0, |status| status.st_dev);
        let shares = kind == XFS && device == archive_device;
        let is_plain = PLAIN.contains(&kind) && !shares;
        // Root may use what is reserved.
        let is_root = geteuid().is_root();
        let blocks = if is_root {
            space.f_bfree
        } else {
            space.f_bavail
        };
        let free = blocks.saturating_mul(space.f_frsize);
        let inodes = if is_root {
            space.f_ffree
        } else {
            space.f_favail
        };
        let path = plan.tree.path(self.directory);
        let error = if space.f_blocks > 0 && self.bytes > free {
            InstallError::NoSpace {
                path,
                needed: self.bytes,
                free,
            }
        } else if space.f_files > 0 && self.inodes > inodes {
            InstallError::NoInodes {
                path,
                needed: self.inodes,
                free: inodes,
            }
        } else {
            return Ok(());
        };
        if is_plain {
            return Err(error);
        }
        warnings.push(format!("it may not fit: {error}"));
        Ok(())
    }
}
