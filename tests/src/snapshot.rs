//! A directory tree as data, to compare whole.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file and its content.
    File(Vec<u8>),
    /// A symbolic link and its target.
    Link(PathBuf),
    /// Something else.
    Other,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits; of links always 0777.
    pub mode: u32,
    /// Owner's id.
    pub uid: u32,
    /// Group's id.
    pub gid: u32,
}

/// Every entry below `top`, by path relative to it. Empty when there is no `top`.
///
/// # Panics
/// When something cannot be read.
#[must_use]
pub fn snapshot(top: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut entries = BTreeMap::new();
    if top.symlink_metadata().is_ok() {
        walk(top, Path::new(""), &mut entries);
    }
    entries
}

fn walk(top: &Path, below: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    for found in fs_err::read_dir(top.join(below)).unwrap() {
        let relative = below.join(found.unwrap().file_name());
        let path = top.join(&relative);
        let metadata = fs_err::symlink_metadata(&path).unwrap();
        let kind = if metadata.is_dir() {
            Kind::Directory
        } else if metadata.is_file() {
            Kind::File(fs_err::read(&path).unwrap())
        } else if metadata.is_symlink() {
            Kind::Link(fs_err::read_link(&path).unwrap())
        } else {
            Kind::Other
        };
        let descend = kind == Kind::Directory;
        let entry = Entry {
            kind,
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
        };
        entries.insert(relative.clone(), entry);
        if descend {
            walk(top, &relative, entries);
        }
    }
}
