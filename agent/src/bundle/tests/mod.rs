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
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::fetch_error::FetchError;
use super::store::PartialBundle;
use super::unpack::{Places, content_of, follow};
use super::{Fetched, Sources, UnpackError, UnpackOptions, Unpacked};
use crate::deployment::{BundleType, Revision};

/// Fetches without being interrupted.
async fn fetch(
    sources: &Sources,
    revision: &Revision,
    bundle: &Path,
) -> Result<Fetched, FetchError> {
    fetch_until(sources, revision, bundle, &Arc::default()).await
}

/// Fetches until `interrupted` is true.
async fn fetch_until(
    sources: &Sources,
    revision: &Revision,
    bundle: &Path,
    interrupted: &Arc<AtomicBool>,
) -> Result<Fetched, FetchError> {
    let partial = PartialBundle::begin(revision, bundle)?;
    super::fetch::fetch(sources, revision, partial, interrupted).await
}

/// Unpacks without being interrupted.
fn unpack(
    bundle: &Path,
    kind: BundleType,
    partial: &Path,
    archive: &Path,
    options: &UnpackOptions,
) -> Result<Unpacked, UnpackError> {
    let places = Places { partial, archive };
    unpack_until(bundle, kind, places, options, &Arc::default())
}

/// Unpacks a bundle that is there until `interrupted` is true.
fn unpack_until(
    bundle: &Path,
    kind: BundleType,
    places: Places<'_>,
    options: &UnpackOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Unpacked, UnpackError> {
    let content = content_of(bundle)?;
    let unpacked = follow(&content, bundle, kind, places, options, interrupted)?;
    Ok(unpacked.expect("it has come to a good end"))
}
