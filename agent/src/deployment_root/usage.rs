//! What files occupy on the disk.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

/// Disk space, an upper bound: blocks that several files share, and files that have several names,
/// count each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in allocated blocks.
    pub bytes: u64,
    /// Something could not be looked at.
    pub incomplete: bool,
}

impl Usage {
    /// Counts another in.
    pub fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.incomplete = self.incomplete || other.incomplete;
    }
}

/// What `path` occupies with all that is in it; nothing when it is not there. Follows no links, and
/// holds one directory a level in memory, never a list of names.
#[must_use]
pub fn usage(path: &Path) -> Usage {
    let Ok(found) = usage_at(CWD, path.as_os_str(), || Ok::<(), Infallible>(()));
    found
}

/// The same of `name` in the directory `at`. `pass` is called before each entry; its error ends the
/// look.
pub(super) fn usage_at<E>(
    at: BorrowedFd<'_>,
    name: &OsStr,
    mut pass: impl FnMut() -> Result<(), E>,
) -> Result<Usage, E> {
    let mut total = Usage::default();
    let mut levels: Vec<Dir> = Vec::new();
    pass()?;
    levels.extend(look(at, name, &mut total));
    while let Some(level) = levels.last_mut() {
        let found = match level.next() {
            None => {
                levels.pop();
                continue;
            }
            Some(entry) => entry.and_then(|entry| Ok((level.fd()?, entry))),
        };
        let Ok((at, entry)) = found else {
            total.incomplete = true;
            levels.pop();
            continue;
        };
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            pass()?;
            let inner = look(at, OsStr::from_bytes(name), &mut total);
            levels.extend(inner);
        }
    }
    Ok(total)
}

/// Counts one name, and opens it when it is a directory.
fn look(at: BorrowedFd<'_>, name: &OsStr, total: &mut Usage) -> Option<Dir> {
    let found = match statat(at, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found,
        // Gone meanwhile.
        Err(Errno::NOENT) => return None,
        Err(_) => {
            total.incomplete = true;
            return None;
        }
    };
    // stat(2) counts in 512 bytes, whatever the file system's blocks are.
    let blocks = u64::try_from(found.st_blocks).unwrap_or(0);
    total.bytes = total.bytes.saturating_add(blocks.saturating_mul(512));
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(at, name, flags, Mode::empty()).and_then(Dir::new) {
        Ok(directory) => Some(directory),
        Err(Errno::NOENT) => None,
        Err(_) => {
            total.incomplete = true;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn blocks_count_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (inside, outside) = (directory.path().join("in"), directory.path().join("out"));
        fs::create_dir_all(inside.join("deep/er")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("large"), vec![1; 4 << 20]).unwrap();
        fs::write(inside.join("deep/er/file"), vec![1; 1 << 20]).unwrap();
        fs::File::create(inside.join("hole"))
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
        fs_err::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        let found = usage(&inside);
        assert!(!found.incomplete);
        assert!((1 << 20..2 << 20).contains(&found.bytes), "{found:?}");
        assert_eq!(usage(&directory.path().join("absent")), Usage::default());
    }
}
