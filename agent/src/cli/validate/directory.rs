//! A bundle that is a directory: its names, its AppSpec, its scripts.
//!
//! Everything is opened by descriptor, one name at a time and through no link, so that whoever can
//! write to the directory cannot lead us out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstatat};

use super::input::limited;
use crate::lint::{EntryKind, ScriptFile, ScriptReader, Tree, TreeEntry};

/// Names that are listed, and directories within each other.
const MOST_ENTRIES: usize = 500_000;
const MOST_LEVELS: usize = 256;

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// A bundle's directory.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    root: OwnedFd,
    pub(super) tree: Tree,
    /// Why the tree is not all of it.
    pub(super) incomplete: Option<String>,
}

/// A directory that is being listed.
struct Level {
    directory: Dir,
    path: Vec<u8>,
    below: Vec<Vec<u8>>,
}

impl Directory {
    /// Lists the open directory `root`. Git's own directory, which no revision has, is left out.
    pub(super) fn read(path: &Path, root: File) -> io::Result<Self> {
        let root = OwnedFd::from(root);
        let mut listing = Listing::default();
        let mut levels = vec![listing.level(root.try_clone()?, Vec::new())?];
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.below.pop() else {
                levels.pop();
                continue;
            };
            let below = join(&level.path, &name);
            if levels.len() >= MOST_LEVELS {
                listing.incomplete("has directories too deep to be listed");
                continue;
            }
            let Some(level) = levels.last() else {
                break;
            };
            let name = OsStr::from_bytes(&name);
            match openat(&level.directory, name, DIRECTORY, Mode::empty()) {
                Ok(opened) => match listing.level(opened, below) {
                    Ok(level) => levels.push(level),
                    Err(_) => listing.incomplete("has directories that cannot be listed"),
                },
                // It went, or became a link, since the listing.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
                Err(_) => listing.incomplete("has directories that cannot be opened"),
            }
            if listing.entries.len() > MOST_ENTRIES {
                listing.incomplete("has too many files to be listed");
                break;
            }
        }
        Ok(Self {
            path: path.to_owned(),
            root,
            tree: Tree::new(listing.entries),
            incomplete: listing.incomplete,
        })
    }

    /// A file of the tree, whose path has no links.
    fn open(&self, path: &[u8]) -> nix::Result<File> {
        let mut at: Option<OwnedFd> = None;
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            let flags = match names.peek() {
                Some(_) => DIRECTORY,
                None => OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK,
            };
            let parent = at.as_ref().map_or(self.root.as_fd(), |fd| fd.as_fd());
            at = Some(openat(
                parent,
                OsStr::from_bytes(name),
                flags,
                Mode::empty(),
            )?);
        }
        at.map(File::from).ok_or(Errno::ENOENT)
    }

    /// The beginning of a file: as much as an AppSpec may have.
    pub(super) fn document(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        limited(self.open(path)?)
    }
}

#[derive(Default)]
struct Listing {
    entries: Vec<TreeEntry>,
    incomplete: Option<String>,
}

impl Listing {
    fn incomplete(&mut self, why: &str) {
        self.incomplete.get_or_insert_with(|| why.to_owned());
    }

    /// Lists one directory.
    fn level(&mut self, opened: OwnedFd, path: Vec<u8>) -> io::Result<Level> {
        let mut directory = Dir::from_fd(opened)?;
        let mut below = Vec::new();
        let mut links = Vec::new();
        for entry in directory.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." || (path.is_empty() && name == b".git") {
                continue;
            }
            let kind = match entry.file_type() {
                Some(Type::File) => EntryKind::File,
                Some(Type::Directory) => EntryKind::Directory,
                Some(Type::Symlink) | None => {
                    links.push(name.to_vec());
                    continue;
                }
                Some(_) => EntryKind::Special,
            };
            if kind == EntryKind::Directory {
                below.push(name.to_vec());
            }
            self.entries.push(TreeEntry {
                path: join(&path, name).into(),
                kind,
            });
            if self.entries.len() > MOST_ENTRIES {
                break;
            }
        }
        for name in links {
            if let Some(kind) = examine(&directory, &name) {
                if kind == EntryKind::Directory {
                    below.push(name.clone());
                }
                self.entries.push(TreeEntry {
                    path: join(&path, &name).into(),
                    kind,
                });
            }
        }
        Ok(Level {
            directory,
            path,
            below,
        })
    }
}

/// What a name is that the listing calls a link, or knows nothing about; none when it went.
fn examine(directory: &Dir, name: &[u8]) -> Option<EntryKind> {
    let name = OsStr::from_bytes(name);
    let status = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    Some(match kind {
        SFlag::S_IFREG => EntryKind::File,
        SFlag::S_IFDIR => EntryKind::Directory,
        SFlag::S_IFLNK => EntryKind::Link(readlinkat(directory, name).ok()?.as_bytes().to_vec()),
        _ => EntryKind::Special,
    })
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

impl ScriptReader for Directory {
    fn read(&self, paths: &[&[u8]]) -> Vec<Option<ScriptFile>> {
        let script = |path: &&[u8]| {
            let file = self.open(path).ok()?;
            let metadata = file.metadata().ok()?;
            let mut start = Vec::new();
            file.take(ScriptFile::BYTES).read_to_end(&mut start).ok()?;
            Some(ScriptFile {
                executable: metadata.mode() & 0o100 != 0,
                start,
            })
        };
        paths.iter().map(script).collect()
    }
}
