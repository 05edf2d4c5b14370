//! What can be seen of an object, and what an Install would make of it.

use std::path::PathBuf;

use nix::sys::stat::FileStat;

use crate::install::descriptors;
use crate::install::tree::Existing;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Other,
}

/// What can be seen of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// What it is.
    pub kind: ObjectKind,
    /// Bytes of a file.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// Where a link leads.
    pub target: Option<PathBuf>,
    /// The ACL, an entry a text, where the AppSpec sets one.
    pub acl: Option<Vec<String>>,
    /// The default ACL of a directory, where the AppSpec sets one.
    pub default_acl: Option<Vec<String>>,
    /// The SELinux context, where the AppSpec sets one; `*` stands for what the policy says.
    pub context: Option<String>,
}

impl Properties {
    pub(super) fn of(status: &FileStat) -> Self {
        let kind = match descriptors::kind(status) {
            Existing::File => ObjectKind::File,
            Existing::Directory => ObjectKind::Directory,
            Existing::Link => ObjectKind::Link,
            _ => ObjectKind::Other,
        };
        let size = u64::try_from(status.st_size).unwrap_or_default();
        Self {
            kind,
            size: (kind == ObjectKind::File).then_some(size),
            mode: status.st_mode & 0o7777,
            user: status.st_uid,
            group: status.st_gid,
            target: None,
            acl: None,
            default_acl: None,
            context: None,
        }
    }
}
