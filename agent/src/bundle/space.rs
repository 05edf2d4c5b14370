//! Free space on the file system of a download.

use std::path::Path;

use nix::unistd::geteuid;

use super::fetch_error::FetchError;

/// Bytes that we may still write below `directory`; none when the file system does not say.
#[must_use]
pub fn free_space(directory: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(directory).ok()?;
    // Some file systems that grow with their use say zero of everything.
    if stat.f_blocks == 0 {
        return None;
    }
    let blocks = if geteuid().is_root() {
        stat.f_bfree
    } else {
        stat.f_bavail
    };
    Some(blocks.saturating_mul(stat.f_frsize))
}

/// Logs what a download of `length` bytes needs and what there is, and fails when it cannot fit.
/// `missing` bytes are still to come.
pub(super) fn check(bundle: &Path, length: u64, missing: u64) -> Result<(), FetchError> {
    let directory = bundle.parent().unwrap_or(Path::new("/"));
    let Some(free) = free_space(directory) else {
        tracing::info!(bytes = length, "the bundle is downloaded");
        return Ok(());
    };
    tracing::info!(
        bytes = length,
        free,
        directory = %directory.display(),
        "the bundle is downloaded; this is the free space before"
    );
    if missing > free {
        return Err(FetchError::NoSpace {
            directory: directory.to_owned(),
            needed: missing,
            free,
        });
    }
    Ok(())
}
