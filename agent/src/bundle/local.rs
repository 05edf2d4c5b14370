//! A bundle that is a file on this host.

use std::path::Path;
use std::sync::Arc;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

use crate::files::copy_end_first;

use super::fetch::Fetched;
use super::fetch_error::FetchError;
use super::store::PartialBundle;

/// Copies the file at `location`, reached through links as the invoking user would reach it.
pub(super) async fn fetch(
    location: &Path,
    partial: &mut PartialBundle,
) -> Result<Fetched, FetchError> {
    let failed = |source| FetchError::Local {
        path: location.to_owned(),
        source,
    };
    let file = fs_err::OpenOptions::new()
        .read(true)
        // A fifo would hold us here.
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
        .open(location)
        .map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(FetchError::NotAFile {
            path: location.to_owned(),
        });
    }
    let mut source = file.into_file();
    let growing = Arc::clone(partial.growing());
    growing.is_all(source.metadata().map_err(failed)?.len());
    partial
        .fill(move |target| copy_end_first(&mut source, target, &|range| growing.arrived(&range)))
        .await?;
    // It may have grown between the two looks at it.
    partial.growing().is_all(partial.length());
    Ok(Fetched {
        bytes: partial.length(),
        etag: None,
        version: None,
    })
}
