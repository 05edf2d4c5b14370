//! A bundle that is an object in S3.
//!
//! One stream, resumed where it broke off by a range request that is pinned to the object's ETag
//! and version. Whatever is written belongs to one object: when it changes, everything begins
//! anew.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;

use super::fetch::{Fetched, Sources};
use super::fetch_error::{FetchError, S3Refusal};
use super::network::{Cause, NetworkProblem, problem};
use super::s3_client::S3;
use super::s3_error::{explain, other_region};
use super::store::PartialBundle;

/// A download that advances by less than this counts as one that brings nothing.
const PROGRESS: u64 = 1 << 20;

/// What is fetched.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) etag: Option<&'a str>,
}

impl Object<'_> {
    fn refused(&self, reason: S3Refusal, source: Cause) -> FetchError {
        FetchError::S3 {
            bucket: self.bucket.to_owned(),
            key: self.key.to_owned(),
            version: self.version.map(str::to_owned),
            reason,
            source,
        }
    }
}

/// The object that the download has begun with.
#[derive(Debug, Clone)]
struct Begun {
    etag: Option<String>,
    version: Option<String>,
    length: Option<u64>,
}

/// How one request ended.
enum Ended {
    Complete,
    /// Broken off; to be resumed.
    Broken(FetchError),
    /// To be begun anew.
    Anew(FetchError),
}

/// Downloads `object` into `partial`.
pub(super) async fn fetch(
    sources: &Sources,
    object: &Object<'_>,
    partial: &mut PartialBundle,
) -> Result<Fetched, FetchError> {
    let settings = &sources.settings;
    let s3 = sources.s3.get_or_try_init(|| S3::new(settings)).await?;
    let mut region = s3.region.clone().ok_or_else(|| FetchError::NoRegion {
        bucket: object.bucket.to_owned(),
    })?;
    let mut client = s3.client(settings, &region, object.bucket);
    let mut followed = false;
    let mut begun: Option<Begun> = None;
    let mut delays = settings.timing.s3_delays.iter().copied();
    loop {
        let before = partial.length();
        if before == 0 {
            // Nothing to be continued, so nothing to be pinned.
            begun = None;
        }
        let mut request = client
            .get_object()
            .bucket(object.bucket)
            .key(object.key)
            .set_version_id(object.version.map(str::to_owned));
        if let Some(begun) = &begun {
            request = request
                .range(format!("bytes={before}-"))
                .set_if_match(begun.etag.as_ref().map(|etag| format!("\"{etag}\"")))
                .set_version_id(begun.version.clone().or(object.version.map(str::to_owned)));
        }
        let ended = match request.send().await {
            Ok(output) => {
                receive(object, output, &mut begun, partial, settings.timing.stall).await?
            }
            Err(error) => {
                if !followed && let Some(other) = other_region(&error, &region) {
                    tracing::info!(
                        bucket = object.bucket,
                        region = other,
                        "the bucket is in another region"
                    );
                    followed = true;
                    client = s3.client(settings, &other, object.bucket);
                    region = other;
                    continue;
                }
                let (reason, cause) = explain(&error);
                let again = begun.is_some();
                let refused = object.refused(reason.clone(), cause);
                match reason {
                    S3Refusal::Changed if again => Ended::Anew(refused),
                    S3Refusal::Busy | S3Refusal::Network(_) if again => Ended::Broken(refused),
                    _ => return Err(refused),
                }
            }
        };
        let error = match ended {
            Ended::Complete => break,
            Ended::Broken(error) => error,
            Ended::Anew(error) => {
                begun = None;
                partial.restart().await?;
                error
            }
        };
        if partial.length() >= before.saturating_add(PROGRESS) {
            delays = settings.timing.s3_delays.iter().copied();
        }
        let Some(delay) = delays.next() else {
            return Err(error);
        };
        tracing::warn!(
            error = %crate::error::chain(&error),
            bytes = partial.length(),
            seconds = delay.as_secs(),
            "the download from S3 broke off; it is resumed"
        );
        tokio::time::sleep(delay).await;
        // Without an ETag nothing says that the rest would be of the same object.
        if begun.as_ref().is_some_and(|begun| begun.etag.is_none()) {
            begun = None;
            partial.restart().await?;
        }
    }
    let begun = begun.unwrap_or(Begun {
        etag: None,
        version: None,
        length: None,
    });
    Ok(Fetched {
        bytes: partial.length(),
        etag: begun.etag,
        version: begun.version,
    })
}

fn without_quotes(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// Writes the body of one answer.
async fn receive(
    object: &Object<'_>,
    output: GetObjectOutput,
    begun: &mut Option<Begun>,
    partial: &mut PartialBundle,
    stall: Duration,
) -> Result<Ended, FetchError> {
    let etag = output.e_tag().map(|etag| without_quotes(etag).to_owned());
    if let Some(expected) = object.etag.map(without_quotes)
        && etag.as_deref() != Some(expected)
    {
        return Err(FetchError::ETag {
            bucket: object.bucket.to_owned(),
            key: object.key.to_owned(),
            expected: expected.to_owned(),
            found: etag.unwrap_or_else(|| "none".to_owned()),
        });
    }
    let length = output
        .content_length()
        .and_then(|length| u64::try_from(length).ok());
    match begun {
        None => {
            *begun = Some(Begun {
                etag,
                version: output.version_id().map(str::to_owned),
                length,
            });
        }
        Some(before) => {
            // Some servers ignore If-Match, or the range.
            let resumed = format!("bytes {}-", partial.length());
            let continues = output
                .content_range()
                .is_some_and(|range| range.starts_with(&resumed));
            if before.etag != etag || !continues {
                let cause = Cause(
                    "the answer to a range request is another object or the whole".to_owned(),
                );
                return Ok(Ended::Anew(object.refused(S3Refusal::Changed, cause)));
            }
        }
    }
    let length = begun.as_ref().and_then(|begun| begun.length);
    let mut body = output.body;
    loop {
        let error: Cause;
        let mut reason = NetworkProblem::Broken;
        match tokio::time::timeout(stall, body.next()).await {
            Ok(Some(Ok(bytes))) => {
                partial.write(&bytes).await?;
                continue;
            }
            Ok(None) if length.is_none_or(|length| length == partial.length()) => {
                return Ok(Ended::Complete);
            }
            Ok(None) => {
                error = Cause(format!(
                    "{} of {} bytes arrived",
                    partial.length(),
                    length.unwrap_or_default()
                ));
            }
            Ok(Some(Err(source))) => {
                error = Cause::of(&source);
                reason = problem(&source);
                if length == Some(partial.length()) {
                    // All is there, and the SDK objects: the checksum.
                    return Ok(Ended::Anew(object.refused(S3Refusal::Checksum, error)));
                }
                if reason == NetworkProblem::Other {
                    reason = NetworkProblem::Broken;
                }
            }
            Err(_) => {
                error = Cause(format!("nothing arrived for {} s", stall.as_secs()));
                reason = NetworkProblem::TimedOut;
            }
        }
        let error = object.refused(S3Refusal::Network(reason), error);
        // More than was announced cannot be continued.
        return Ok(if length.is_some_and(|length| partial.length() > length) {
            Ended::Anew(error)
        } else {
            Ended::Broken(error)
        });
    }
}
