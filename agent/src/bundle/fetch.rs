//! Bringing a bundle to this host.

use std::path::Path;

use tokio::sync::OnceCell;

use crate::deployment::Revision;

use super::fetch_error::FetchError;
use super::s3_client::S3;
use super::settings::SourceSettings;
use super::store::PartialBundle;
use super::{github, local, s3};

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

/// Fetches the bundle of `revision` to the file `bundle`, replacing one that is there. While it
/// arrives it is `<bundle>.partial`, which a failure or a dropped future removes.
///
/// # Errors
/// When the bundle is not there, may not be read, is not the one that the revision names, or
/// does not arrive whole within the tries that there are; when it cannot be stored.
pub async fn fetch(
    sources: &Sources,
    revision: &Revision,
    bundle: &Path,
) -> Result<Fetched, FetchError> {
    if let Revision::LocalDirectory { location } = revision {
        return Err(FetchError::Directory {
            path: location.clone(),
        });
    }
    let mut partial = PartialBundle::create(bundle)?;
    let fetched = match revision {
        Revision::S3 {
            bucket,
            key,
            version,
            etag,
            ..
        } => {
            let object = s3::Object {
                bucket,
                key,
                version: version.as_deref(),
                etag: etag.as_deref(),
            };
            s3::fetch(sources, &object, &mut partial).await?
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
            github::fetch(sources, &archive, &mut partial).await?
        }
        Revision::LocalFile { location, .. } => local::fetch(location, &mut partial).await?,
        Revision::LocalDirectory { location } => {
            return Err(FetchError::Directory {
                path: location.clone(),
            });
        }
    };
    partial.finish().await?;
    Ok(fetched)
}
