//! Tests of the module as a whole, with the archives they need made in memory.

mod archives;
mod bring;
mod compression;
mod directory;
mod fidelity;
mod github;
mod hostile;
mod local;
mod parallel;
mod replacing;
mod round_trip;
mod s3;
mod server;
mod strip;
mod tls;

use std::path::Path;

use super::fetch_error::FetchError;
use super::{Fetched, Sources, UnpackError, UnpackOptions, Unpacked};
use crate::deployment::{BundleType, Revision};

/// Fetches without being interrupted.
async fn fetch(
    sources: &Sources,
    revision: &Revision,
    bundle: &Path,
) -> Result<Fetched, FetchError> {
    super::fetch::fetch(sources, revision, bundle, &std::sync::Arc::default()).await
}

/// Unpacks without being interrupted.
fn unpack(
    bundle: &Path,
    kind: BundleType,
    partial: &Path,
    archive: &Path,
    options: &UnpackOptions,
) -> Result<Unpacked, UnpackError> {
    let places = super::unpack::Places { partial, archive };
    super::unpack::unpack(bundle, kind, places, options, &std::sync::Arc::default())
}
