//! Staging areas that no Install knows any more: a recovery has kept them, because they may hold
//! something that is missed, or could not remove them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use nix::unistd::geteuid;

use super::cleanup::{self, Entry};
use super::staging;
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::DeploymentRoot;

/// The areas in all directories above what the last Install of `group` made: where its successors
/// and predecessors had theirs. They are for people to look through, and never removed by
/// themselves.
///
/// # Errors
/// When the records cannot be read.
pub fn left_areas(
    root: &DeploymentRoot,
    group: &DeploymentGroupId,
) -> io::Result<BTreeSet<PathBuf>> {
    let records = root.instructions(group);
    let cleanup = read(&records.cleanup())?.unwrap_or_default();
    let exact = read(&records.exact_cleanup())?;
    let mut directories: BTreeSet<&Path> = BTreeSet::new();
    for entry in cleanup::parse(&cleanup, exact.as_deref()) {
        let Entry::Path(path) = entry else { continue };
        let above = Path::new(OsStr::from_bytes(path)).ancestors().skip(1);
        for directory in above.take_while(|path| path.is_absolute()) {
            // Whose ancestors are known, too.
            if !directories.insert(directory) {
                break;
            }
        }
    }
    let mut found: BTreeSet<PathBuf> = directories.into_iter().flat_map(areas_in).collect();
    // After that look: an area is listed before it is made.
    for working in fs::read_dir(root.instructions_directory())? {
        for listed in staging::listed(&working?.path())? {
            found.remove(&listed);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Those of ours; what cannot be listed has none that this user made.
fn areas_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| staging::is_area_name(path.file_name().unwrap_or_default()))
        .filter(|path| {
            fs::symlink_metadata(path)
                .is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw())
        })
        .collect()
}
