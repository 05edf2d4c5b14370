//! From a revision to a deployment archive: fetched and unpacked, at the same time where the kind
//! of archive allows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use failpoints::Failpoint;
use tokio::task::spawn_blocking;

use crate::deployment::Revision;

use super::fetch::{Fetched, Sources, fetch};
use super::fetch_error::FetchError;
use super::limits::{UnpackOptions, Unpacked};
use super::record;
use super::store::{self, PartialBundle};
use super::unpack::{self, Places};
use super::unpack_error::UnpackError;

/// A revision could not be brought to this host.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// It could not be fetched.
    #[error("cannot fetch the revision")]
    Fetch(#[source] FetchError),
    /// It could not be unpacked.
    #[error("cannot unpack the revision")]
    Unpack(#[source] UnpackError),
    /// The bundle was to be removed, and could not.
    #[error("cannot remove the unpacked bundle {}", path.display())]
    Remove {
        /// The bundle.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Where a revision goes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The download.
    pub bundle: PathBuf,
    /// What is unpacked, until all of it is.
    pub partial: PathBuf,
    /// The unpacked revision.
    pub archive: PathBuf,
    /// Whether the bundle stays when it is unpacked (`keep_bundle`).
    pub keep_bundle: bool,
}

impl Destination {
    fn places(&self) -> Places<'_> {
        Places {
            partial: &self.partial,
            archive: &self.archive,
        }
    }
}

/// Fetches the bundle of `revision` and unpacks it while it arrives (a zip from the moment that its
/// end is there). Another
/// bundle or archive that is there is replaced: the bundle when all of it has arrived and is the
/// one that the revision names, the archive when besides all of it is unpacked.
///
/// - Links: a symbolic link is made with the target that it has, wherever that leads, because
///   bundles rightly link to places outside (`current -> /opt/app`). No entry passes through a
///   link, and nothing here reads through one.
/// - Two files of one name: in a tar the later replaces the earlier, as in an archive that was
///   appended to; in a zip they are an error, and so are two of different types in either.
/// - Owners: as root, a tar's numeric owners are applied unless ownership is ignored; all else
///   belongs to us. Modes are the archive's, whatever the umask, without setuid and setgid.
/// - Extended attributes: those of the `user` namespace are restored from a tar where the file
///   system has them.
///
/// When `interrupted` becomes true, this ends soon, with `Interrupted`. The next call goes on with a
/// large download from S3 where it was; so it does when the future was dropped or the process was
/// killed. What nobody is to go on with is for [`give_up`].
///
/// # Errors
/// When the bundle does not arrive, is not of the stated type, is damaged, or holds what a bundle
/// may not hold. The archive is then as it was, and of the bundle nothing is left that was not
/// there before.
pub async fn bring(
    sources: &Sources,
    revision: &Revision,
    to: &Destination,
    options: &UnpackOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<(Fetched, Unpacked), BringError> {
    let brought = fetch_and_unpack(sources, revision, to, options, interrupted).await;
    match &brought {
        Ok(_) => finish(to).map_err(|source| BringError::Remove {
            path: to.bundle.clone(),
            source,
        })?,
        // To be gone on with.
        Err(_) if interrupted.load(Ordering::Relaxed) => {}
        // A bundle that has its name stays, to be looked at.
        Err(_) => store::discard(&to.bundle),
    }
    brought
}

/// Removes what a call of [`bring`] that did not come to its end has kept for the next one.
pub fn give_up(to: &Destination) {
    store::discard(&to.bundle);
}

/// Unpacks while it fetches.
async fn fetch_and_unpack(
    sources: &Sources,
    revision: &Revision,
    to: &Destination,
    options: &UnpackOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<(Fetched, Unpacked), BringError> {
    let kind = revision.bundle_type();
    let partial = PartialBundle::begin(revision, &to.bundle).map_err(BringError::Fetch)?;
    let mut unpacking = {
        let content = Arc::clone(partial.growing());
        let (to, options) = (to.clone(), options.clone());
        let interrupted = Arc::clone(interrupted);
        std::pin::pin!(blocking(move || {
            unpack::follow(
                &content,
                &to.bundle,
                kind,
                to.places(),
                &options,
                &interrupted,
            )
        }))
    };
    let fetching = fetch(sources, revision, partial, interrupted);
    let fetched = {
        let mut fetching = std::pin::pin!(fetching);
        tokio::select! {
            fetched = &mut fetching => fetched,
            // It waits for the download's end, unless this host is to blame.
            unpacked = &mut unpacking => match unpacked {
                Err(error) => return Err(BringError::Unpack(error)),
                Ok(unpacked) => {
                    let fetched = fetching.await.map_err(BringError::Fetch)?;
                    return Ok((fetched, unpacked.unwrap_or_default()));
                }
            },
        }
    };
    // The failure of the download is told rather than what came of it.
    let unpacked = unpacking.await;
    let fetched = fetched.map_err(BringError::Fetch)?;
    let unpacked = unpacked.map_err(BringError::Unpack)?;
    Ok((fetched, unpacked.unwrap_or_default()))
}

/// The bundle is unpacked: nobody will go on with its download.
fn finish(to: &Destination) -> std::io::Result<()> {
    record::remove(&to.bundle)?;
    if !to.keep_bundle {
        Failpoint::BundleRemove.pass()?;
        fs_err::remove_file(&to.bundle)?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Makes all that was written below `directory`, and everything else on its file system, durable.
/// One call whatever the number of files.
///
/// # Errors
/// When the file system cannot be opened or reports that something could not be written.
pub fn make_durable(directory: &Path) -> std::io::Result<()> {
    Failpoint::DownloadSync.pass()?;
    let directory = fs_err::File::open(directory)?;
    match rustix::fs::syncfs(&directory) {
        // A filter of system calls may know only the older one, which does more.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            rustix::fs::sync();
            Ok(())
        }
        done => Ok(done?),
    }
}
