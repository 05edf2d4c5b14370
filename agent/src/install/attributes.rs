//! Extended attributes of files: those of users (`user.*`) are kept. Labels depend on the path,
//! capabilities are privileges that a bundle must not bring, ACLs are what `permissions` and the
//! destination's directories say.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use nix::errno::Errno;
use rustix::fs::flistxattr;
use xattr::FileExt as _;

const KEPT: &[u8] = b"user.";

/// The names of a file's attributes, each ended by a NUL; empty where there are none or cannot be
/// any.
fn names(file: &File) -> io::Result<Vec<u8>> {
    // Nearly all files have none, or a label only: one call, no allocation.
    let mut few = [0_u8; 256];
    match flistxattr(file, &mut few) {
        Ok(length) => Ok(few.get(..length).unwrap_or_default().to_vec()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(Vec::new()),
        Err(rustix::io::Errno::RANGE) => {
            let mut names = Vec::new();
            for name in file.list_xattr()? {
                names.extend_from_slice(name.as_bytes());
                names.push(0);
            }
            Ok(names)
        }
        Err(error) => Err(error.into()),
    }
}

fn each(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
}

/// Gives `target` the attributes of `source` that are kept; false when its file system has none.
pub(super) fn copy(source: &File, target: &File) -> io::Result<bool> {
    let names = names(source)?;
    for name in each(&names).filter(|name| name.starts_with(KEPT)) {
        let name = OsStr::from_bytes(name);
        let Some(value) = source.get_xattr(name)? else {
            continue;
        };
        match target.set_xattr(name, &value) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Whether `there` has exactly the attributes that a copy of `source` would have: a label is as
/// good as any, since it depends on the path.
pub(super) fn are_as_copied(source: &File, there: &File) -> io::Result<bool> {
    let (wanted, found) = (names(source)?, names(there)?);
    let mut kept = each(&wanted).filter(|name| name.starts_with(KEPT)).count();
    for name in each(&found).filter(|name| *name != b"security.selinux") {
        let name = OsStr::from_bytes(name);
        if !name.as_bytes().starts_with(KEPT) || source.get_xattr(name)? != there.get_xattr(name)? {
            return Ok(false);
        }
        kept = kept.saturating_sub(1);
    }
    Ok(kept == 0)
}
