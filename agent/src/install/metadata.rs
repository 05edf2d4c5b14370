//! Mode, owner and extended attributes of directories: read before a change, put back by an undo.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown};
use xattr::FileExt as _;

/// Attributes of security modules (but for labels) and of stacked file systems are the kernel's.
fn is_ours_to_change(name: &OsString) -> bool {
    let name = name.as_encoded_bytes();
    name == b"security.selinux" || !name.starts_with(b"security.") && !name.starts_with(b"trusted.")
}

/// What can be changed about a directory, its entries left aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryState {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Extended attributes, ACLs among them, sorted by name.
    pub attributes: Vec<(OsString, Vec<u8>)>,
}

impl DirectoryState {
    /// Reads the state of an open directory.
    pub(super) fn read(directory: &File) -> io::Result<Self> {
        let status = fstat(directory.as_fd())?;
        let mut attributes = Vec::new();
        match directory.list_xattr() {
            Ok(names) => {
                for name in names.filter(is_ours_to_change) {
                    if let Some(value) = directory.get_xattr(&name)? {
                        attributes.push((name, value));
                    }
                }
            }
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {}
            Err(error) => return Err(error),
        }
        attributes.sort();
        Ok(Self {
            mode: status.st_mode & 0o7777,
            user: status.st_uid,
            group: status.st_gid,
            attributes,
        })
    }

    /// Takes over the SELinux label of `other`: it depends on the path, not on who made what.
    pub(super) fn keep_labels_of(&mut self, other: &Self) {
        let is_label = |name: &OsString| name == "security.selinux";
        self.attributes.retain(|(name, _)| !is_label(name));
        self.attributes.extend(
            other
                .attributes
                .iter()
                .filter(|(name, _)| is_label(name))
                .cloned(),
        );
        self.attributes.sort();
    }

    /// Gives an open directory this state, changing only what differs.
    pub(super) fn apply(&self, directory: &File) -> io::Result<()> {
        let now = Self::read(directory)?;
        if now == *self {
            return Ok(());
        }
        if (now.user, now.group) != (self.user, self.group) {
            let owner = Uid::from_raw(self.user);
            fchown(directory, Some(owner), Some(Gid::from_raw(self.group)))?;
        }
        let has = |state: &Self, name: &OsString| state.attributes.iter().any(|(n, _)| n == name);
        for (name, _) in now.attributes.iter().filter(|(name, _)| !has(self, name)) {
            directory.remove_xattr(name)?;
        }
        fchmod(directory, Mode::from_bits_truncate(self.mode))?;
        for attribute in &self.attributes {
            if !now.attributes.contains(attribute) {
                directory.set_xattr(&attribute.0, &attribute.1)?;
            }
        }
        Ok(())
    }
}
