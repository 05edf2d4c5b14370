//! Bringing a bundle to this host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::deployment::Revision;

use super::fetch_error::FetchError;
use super::s3_client::S3;
use super::settings::SourceSettings;
use super::store::PartialBundle;
use super::{github, local, s3, store};

/// The places that bundles come from. Cheap to make: a client is set up when the first bundle
/// needs it, so a local bundle touches neither the AWS SDK nor the network.
#[derive(Debug)]
pub struct Sources {
    pub(super) settings: SourceSettings,
    pub(super) s3: OnceCell<S3>,
    pub(super) github: OnceCell<reqwest::Client>,
}

impl Sources {
    /// Sources that are reached as `settings` say.
    #[must_use]
    pub fn new(settings: SourceSettings) -> Self {
        Self {
            settings,
            s3: OnceCell::new(),
            github: OnceCell::new(),
        }
    }
}

/// A bundle that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its size.
    pub bytes: u64,
    /// Its ETag in S3, without quotes.
    pub etag: Option<String>,
    /// Its version in S3, when the bucket has versions.
    pub version: Option<String>,
}

/// Fetches the bundle of `revision` to `partial`, which others may read already, and gives it its
/// name. A failure removes it. When `interrupted` becomes true or the future is dropped, what is
/// there of a large object in S3 is kept for the next run.
///
/// # Errors
/// When the bundle is not there, may not be read, is not the one that the revision names, or
/// does not arrive whole within the tries that there are; when it cannot be stored.
pub(super) async fn fetch(
    sources: &Sources,
    revision: &Revision,
    mut partial: PartialBundle,
    interrupted: &Arc<AtomicBool>,
) -> Result<Fetched, FetchError> {
    let bundle = partial.bundle().to_owned();
    let arriving = async {
        let fetched = arrive(sources, revision, &mut partial, interrupted).await?;
        partial.finish()?;
        Ok(fetched)
    };
    let fetched = tokio::select! {
        fetched = arriving => fetched,
        () = until(interrupted) => Err(FetchError::Interrupted),
    };
    match fetched {
        // Whatever it is: those who read along stop as well, and may be heard first.
        Err(_) if interrupted.load(Ordering::Relaxed) => Err(FetchError::Interrupted),
        Err(error) => {
            store::discard(&bundle);
            Err(error)
        }
        fetched => fetched,
    }
}

/// Returns when `interrupted` is true.
async fn until(interrupted: &AtomicBool) {
    // Only while something is on its way, so the looks cost nothing that counts.
    const LOOK: Duration = Duration::from_millis(100);
    while !interrupted.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

async fn arrive(
    sources: &Sources,
    revision: &Revision,
    partial: &mut PartialBundle,
    interrupted: &Arc<AtomicBool>,
) -> Result<Fetched, FetchError> {
    match revision {
        Revision::S3 {
            bucket,
            key,
            version,
            etag,
            bundle_type,
        } => {
            let object = s3::Object {
                bucket: bucket.clone(),
                key: key.clone(),
                version: version.clone(),
                etag: etag.clone(),
            };
            s3::fetch(sources, &object, *bundle_type, partial, interrupted).await
        }
        Revision::GitHub {
            account,
            repository,
            commit,
            bundle_type,
            token,
        } => {
            let archive = github::Archive {
                account,
                repository,
                commit,
                bundle_type: *bundle_type,
                token: token.as_ref(),
            };
            github::fetch(sources, &archive, partial).await
        }
        Revision::LocalFile { location, .. } => local::fetch(location, partial).await,
        Revision::LocalDirectory { location } => Err(FetchError::Directory {
            path: location.clone(),
        }),
    }
}
