//! A bundle that is an object in S3.
//!
//! The first request is for the whole object, so that a small one costs one request. A large one
//! is fetched over several connections in parts, all of them pinned to the ETag of the first
//! answer. Whatever is written belongs to one object: when it changes, everything begins anew.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::deployment::BundleType;

use super::checksum::Expected;
use super::fetch::{Fetched, Sources};
use super::fetch_error::{FetchError, S3Refusal};
use super::network::Cause;
use super::parts::Parts;
use super::record::Record;
use super::s3_client::S3;
use super::s3_error::{explain, other_region};
use super::s3_transfer::{Means, Transfer};
use super::settings::SourceSettings;
use super::space;
use super::store::PartialBundle;

/// What is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
    pub(super) etag: Option<String>,
}

impl Object {
    pub(super) fn refused(&self, reason: S3Refusal, source: Cause) -> FetchError {
        FetchError::S3 {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            version: self.version.clone(),
            reason,
            source,
        }
    }

    pub(super) fn changed(&self, what: &str) -> FetchError {
        self.refused(S3Refusal::Changed, Cause(what.to_owned()))
    }

    /// A request for all of it. The version is named only if the revision names it: that takes a
    /// permission of its own.
    pub(super) fn request(&self, client: &Client) -> GetObjectFluentBuilder {
        client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .set_version_id(self.version.clone())
    }
}

/// The object that the download has begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) object: Object,
    /// Where the bucket is: only the request for the whole is followed to another region.
    region: String,
    /// As S3 has it, with its quotes.
    pub(super) etag: Option<String>,
    pub(super) version: Option<String>,
    pub(super) length: Option<u64>,
    expected: Expected,
}

/// Why a download did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(FetchError),
    /// To be begun anew.
    Anew(FetchError),
}

impl From<FetchError> for Stop {
    fn from(error: FetchError) -> Self {
        Self::Failed(error)
    }
}

/// What there is of a download before a round of it.
struct Start {
    begun: Begun,
    parts: Parts,
    record: Option<Record>,
    /// The rest of the first answer.
    body: Option<ByteStream>,
}

struct Session<'a> {
    settings: &'a SourceSettings,
    s3: &'a S3,
    /// Of `region`.
    client: Client,
    region: String,
    followed: bool,
    interrupted: &'a Arc<AtomicBool>,
    /// So that its end is wanted first.
    is_zip: bool,
}

/// Downloads `object`, a bundle of type `kind`, into `partial`.
pub(super) async fn fetch(
    sources: &Sources,
    object: &Object,
    kind: BundleType,
    partial: &mut PartialBundle,
    interrupted: &Arc<AtomicBool>,
) -> Result<Fetched, FetchError> {
    let settings = &sources.settings;
    let s3 = sources.s3.get_or_try_init(|| S3::new(settings)).await?;
    let region = s3.region.clone().ok_or_else(|| FetchError::NoRegion {
        bucket: object.bucket.clone(),
    })?;
    let mut session = Session {
        settings,
        s3,
        client: s3.client(settings, &region, &object.bucket),
        region,
        followed: false,
        interrupted,
        is_zip: kind == BundleType::Zip,
    };
    let mut resumed = resume(object, partial).await;
    match &resumed {
        Some(start) => session.go_to(&start.begun.region, object),
        None => partial.clear()?,
    }
    let mut delays = settings.timing.s3_delays.iter();
    loop {
        let is_resumed = resumed.is_some();
        let start = match resumed.take() {
            Some(start) => start,
            None => session.begin(object).await?,
        };
        let error = match session.round(start, partial).await {
            Ok(fetched) => return Ok(fetched),
            Err(Stop::Anew(error)) => error,
            // The settings or the bucket may be others than when it began, and only the answer to
            // a request for the whole tells what is so now.
            Err(Stop::Failed(error)) if is_resumed && error.is_refusal_of_s3() => error,
            Err(Stop::Failed(error)) => return Err(error),
        };
        let Some(delay) = delays.next() else {
            return Err(error);
        };
        tracing::warn!(
            error = %crate::error::chain(&error),
            seconds = delay.as_secs(),
            "the download from S3 begins anew"
        );
        partial.restart()?;
        tokio::time::sleep(*delay).await;
    }
}

/// What an interrupted run left.
async fn resume(object: &Object, partial: &PartialBundle) -> Option<Start> {
    let (bundle, file) = (partial.bundle().to_owned(), partial.growing().file());
    let object = object.clone();
    let load = move || Record::load(&bundle, &file, |begun: &Begun| begun.object == object);
    let (record, begun, parts) = spawn_blocking(load).await.ok()??;
    Some(Start {
        begun,
        parts,
        record: Some(record),
        body: None,
    })
}

pub(super) fn without_quotes(etag: &str) -> &str {
    etag.trim_matches('"')
}

impl Session<'_> {
    /// Speaks to `region` from now on.
    fn go_to(&mut self, region: &str, object: &Object) {
        if region != self.region {
            self.client = self.s3.client(self.settings, region, &object.bucket);
            region.clone_into(&mut self.region);
        }
    }

    /// Asks for the whole object, in the region where the bucket is.
    async fn begin(&mut self, object: &Object) -> Result<Start, FetchError> {
        let output = loop {
            let request = object.request(&self.client).customize();
            // Without the SDK's own comparison, which this would turn on as a setting.
            let request = request.mutate_request(|request| {
                request
                    .headers_mut()
                    .insert("x-amz-checksum-mode", "ENABLED");
            });
            let error = match request.send().await {
                Ok(output) => break output,
                Err(error) => error,
            };
            match other_region(&error, &self.region) {
                Some(other) if !self.followed => {
                    tracing::info!(
                        bucket = object.bucket,
                        region = other,
                        "the bucket is in another region"
                    );
                    self.followed = true;
                    self.go_to(&other, object);
                }
                _ => {
                    let (reason, cause) = explain(&error);
                    return Err(object.refused(reason, cause));
                }
            }
        };
        if let Some(expected) = object.etag.as_deref().map(without_quotes)
            && output.e_tag().map(without_quotes) != Some(expected)
        {
            return Err(FetchError::ETag {
                bucket: object.bucket.clone(),
                key: object.key.clone(),
                expected: expected.to_owned(),
                found: output.e_tag().map_or("none", without_quotes).to_owned(),
            });
        }
        let begun = Begun {
            object: object.clone(),
            region: self.region.clone(),
            etag: output.e_tag().map(str::to_owned),
            version: output.version_id().map(str::to_owned),
            length: output
                .content_length()
                .and_then(|length| u64::try_from(length).ok()),
            expected: Expected::of(&output, &object.bucket),
        };
        // Without an ETag, nothing would say that parts are of the same object.
        let length = begun.length.filter(|_| begun.etag.is_some());
        let parts = match length {
            Some(_) => Parts::new(length),
            None => Parts::of_size(u64::MAX, begun.length),
        };
        Ok(Start {
            parts,
            record: None,
            begun,
            body: Some(output.body),
        })
    }

    /// Fetches what is missing and compares the whole with what S3 states.
    async fn round(&self, start: Start, partial: &mut PartialBundle) -> Result<Fetched, Stop> {
        let Start {
            begun,
            parts,
            mut record,
            body,
        } = start;
        let bundle = partial.bundle();
        if let Some(length) = begun.length {
            space::check(bundle, length, parts.missing())?;
            if record.is_none() && parts.count() > 1 {
                record = Record::create(bundle, &begun, length, &parts)
                    .map_err(|error| FetchError::Store {
                        path: super::record::path(bundle),
                        source: error,
                    })?
                    .into();
            }
        }
        let growing = Arc::clone(partial.growing());
        let sizes = self.sizes_of_parts(&begun).await;
        let expected = match sizes {
            Some(_) => begun.expected.clone(),
            None => begun.expected.clone().without_parts(),
        };
        let sizes = sizes.unwrap_or_default();
        let parts = if self.is_zip {
            parts.end_first()
        } else {
            parts
        };
        growing.reached(parts.without_gap());
        growing.tail_from(parts.tail());
        if let Some(length) = begun.length {
            growing.is_all(length);
        }
        let compare = |expected: Expected, sizes: Vec<u64>| {
            let mut reader = growing.reader(self.interrupted);
            spawn_blocking(move || expected.compare(&mut reader, &sizes))
        };
        let comparing = (!expected.is_nothing()).then(|| compare(expected.clone(), sizes.clone()));
        let transfer = Transfer::new(
            Means {
                client: self.client.clone(),
                sink: partial.sink(),
                growing: Arc::clone(&growing),
                stall: self.settings.timing.stall,
                delays: self.settings.timing.s3_delays.clone(),
            },
            begun.clone(),
            parts,
            record,
        );
        let bytes = Arc::new(transfer).run(body).await?;
        growing.is_all(bytes);
        if let Some(comparing) = comparing {
            let unreadable = |error| partial.failed(error);
            let mut compared = comparing.await.map_err(std::io::Error::other);
            if let Ok(Ok(Err(mismatch))) = &compared
                && mismatch.of_parts
                && let Some(exact) = self.exact_sizes(&begun, &sizes).await
            {
                compared = compare(expected, exact)
                    .await
                    .map_err(std::io::Error::other);
            }
            if let Err(mismatch) = compared.and_then(|it| it).map_err(unreadable)? {
                let cause = Cause(mismatch.to_string());
                return Err(Stop::Anew(begun.object.refused(S3Refusal::Checksum, cause)));
            }
        }
        Ok(Fetched {
            bytes,
            etag: begun.etag.as_deref().map(without_quotes).map(str::to_owned),
            version: begun.version,
        })
    }

    /// The sizes of the parts that the object was uploaded in, when a checksum needs them: the
    /// first is asked for, and the others are as large, as all usual programs have it. None when
    /// they cannot be known.
    async fn sizes_of_parts(&self, begun: &Begun) -> Option<Vec<u64>> {
        let Some(count) = begun.expected.parts() else {
            return Some(Vec::new());
        };
        let first = self.size_of_part(begun, 1).await?;
        if begun.length?.div_ceil(first) == u64::from(count) {
            return Some(vec![first; usize::try_from(count).ok()?]);
        }
        self.all_sizes(begun, first, count).await
    }

    /// The sizes as they are, if they are others than `assumed`.
    async fn exact_sizes(&self, begun: &Begun, assumed: &[u64]) -> Option<Vec<u64>> {
        let exact = self
            .all_sizes(begun, *assumed.first()?, begun.expected.parts()?)
            .await?;
        let last = exact.len().saturating_sub(1);
        (exact.get(..last) != assumed.get(..last)).then_some(exact)
    }

    async fn all_sizes(&self, begun: &Begun, first: u64, count: u32) -> Option<Vec<u64>> {
        let mut sizes = vec![first];
        for part in 2..=count {
            sizes.push(self.size_of_part(begun, part).await?);
        }
        Some(sizes)
    }

    async fn size_of_part(&self, begun: &Begun, part: u32) -> Option<u64> {
        let object = &begun.object;
        let answer = self
            .client
            .head_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version.clone())
            .set_if_match(begun.etag.clone())
            .part_number(i32::try_from(part).ok()?)
            .send()
            .await;
        let size = answer
            .ok()
            .and_then(|answer| u64::try_from(answer.content_length()?).ok())
            .filter(|size| *size > 0);
        if size.is_none() {
            tracing::warn!(
                part,
                "S3 does not say how large the parts of this multipart upload are; its checksum \
                 of checksums is not compared"
            );
        }
        size
    }
}
