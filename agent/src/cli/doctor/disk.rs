//! Disk space and inodes where deployments go.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::{Statvfs, statvfs};

use super::directories::nearest;
use super::finding::Finding;
use crate::cli::sizes::bytes;

/// Below, hardly any bundle fits.
const SPACE_NEEDED: u64 = 100_000_000;
/// Below, a bundle that is downloaded, unpacked and installed may not fit.
const SPACE_WANTED: u64 = 1_000_000_000;
const INODES_NEEDED: u64 = 1_000;
const INODES_WANTED: u64 = 10_000;

/// The space that is left for `root_dir`.
pub(super) fn space(root: &Path) -> Finding {
    let (place, shape) = match file_system(root) {
        Ok(known) => known,
        Err(finding) => return finding,
    };
    // The types of the two differ between platforms.
    #[expect(clippy::useless_conversion, reason = "32 bits on some platforms")]
    let left = u64::from(shape.blocks_available()).saturating_mul(u64::from(shape.fragment_size()));
    let detail = format!("{} free under {}", bytes(left), place.display());
    let remedy = "make room: agent clean removes old deployments and what they do not need; lower \
                  max_revisions, or move root_dir";
    match left {
        left if left < SPACE_NEEDED => Finding::failed(detail, remedy),
        left if left < SPACE_WANTED => Finding::warning(detail, remedy),
        _ => Finding::ok(detail),
    }
}

/// The files that can still be made under `root_dir`.
pub(super) fn inodes(root: &Path) -> Finding {
    let (place, shape) = match file_system(root) {
        Ok(known) => known,
        Err(finding) => return finding,
    };
    #[expect(clippy::useless_conversion, reason = "32 bits on some platforms")]
    let (all, left) = (u64::from(shape.files()), u64::from(shape.files_available()));
    if all == 0 {
        return Finding::ok("the file system makes them as they are needed");
    }
    let detail = format!("{left} free under {}", place.display());
    let remedy = "remove small files that nobody needs, or move root_dir to another file system";
    match left {
        left if left < INODES_NEEDED => Finding::failed(detail, remedy),
        left if left < INODES_WANTED => Finding::warning(detail, remedy),
        _ => Finding::ok(detail),
    }
}

fn file_system(root: &Path) -> Result<(PathBuf, Statvfs), Finding> {
    let place = nearest(root);
    match statvfs(&place) {
        Ok(shape) => Ok((place, shape)),
        Err(error) => Err(Finding::failed(
            format!("{} cannot be looked at: {error}", place.display()),
            "check the file system",
        )),
    }
}
