//! A bundle that is an object in S3.
//!
//! One stream, resumed where it broke off by a range request that is pinned to the object's ETag
//! and version. Whatever is written belongs to one object: when it changes, everything begins
//! anew.

use std::time::Duration;

use aws_config::imds;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    AppName, BehaviorVersion, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_s3::operation::get_object::GetObjectOutput;

use super::fetch::{Fetched, Sources};
use super::fetch_error::{FetchError, S3Refusal};
use super::http::{self, Scheme};
use super::network::{Cause, NetworkProblem, address, problem};
use super::s3_error::{explain, other_region};
use super::settings::{Credentials, Imds, SourceSettings};
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

/// What all requests to S3 share.
#[derive(Debug)]
pub(super) struct S3 {
    http: SharedHttpClient,
    credentials: SharedCredentialsProvider,
    region: Option<String>,
}

impl S3 {
    async fn new(settings: &SourceSettings) -> Result<Self, FetchError> {
        let trusted = http::trusted(&settings.trust)?;
        let scheme = match settings.s3_endpoint.as_deref() {
            Some(endpoint) if endpoint.starts_with("http://") => Scheme::Http,
            _ => Scheme::Https,
        };
        let http = http::sdk_client(&settings.proxy, scheme, &trusted)?;
        // Also for the metadata service, which an https proxy never sees.
        let other = http::sdk_client(&settings.proxy, Scheme::Https, &trusted)?;
        let config = ProviderConfig::default()
            .with_http_client(other)
            .with_use_fips(Some(settings.use_fips));
        let imds = imds_client(&settings.imds, &config)?;
        let region = match &settings.region {
            Some(region) => Some(region.clone()),
            None => region_elsewhere(&settings.credentials, &config, imds.as_ref()).await,
        };
        let credentials = match &settings.credentials {
            Credentials::Provider(provider) => provider.clone(),
            Credentials::OrdinaryChain => {
                ordinary_chain(&config.with_region(region.clone().map(Region::new)), imds)
            }
        };
        Ok(Self {
            http,
            credentials,
            region,
        })
    }

    fn client(&self, settings: &SourceSettings, region: &str, bucket: &str) -> Client {
        let timing = &settings.timing;
        let retry = RetryConfig::standard().with_max_attempts(4);
        let retry = match timing.s3_delays.first() {
            Some(first) => retry.with_initial_backoff(*first),
            None => retry,
        };
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .http_client(self.http.clone())
            .credentials_provider(self.credentials.clone())
            .retry_config(retry)
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(timing.connect)
                    .read_timeout(timing.stall)
                    .build(),
            )
            // Silence is watched here, chunk by chunk; slowness is no error.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .app_name(app_name(&settings.user_agent));
        match &settings.s3_endpoint {
            Some(endpoint) => {
                config = config
                    .endpoint_url(endpoint)
                    .force_path_style(is_address(endpoint) || bucket.contains('.'));
            }
            // The wildcard certificate does not cover names with dots.
            None => {
                config = config
                    .use_fips(settings.use_fips)
                    .force_path_style(bucket.contains('.'))
            }
        }
        Client::from_conf(config.build())
    }
}

fn app_name(user_agent: &str) -> AppName {
    let name: String = user_agent
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
                c
            } else {
                '-'
            }
        })
        .take(50)
        .collect();
    #[expect(
        clippy::expect_used,
        reason = "invariant: letters, digits, '-' and '.' are all allowed"
    )]
    AppName::new(name).expect("a valid application name")
}

/// Whether a URL's host has no subdomains to put a bucket in.
fn is_address(endpoint: &str) -> bool {
    reqwest::Url::parse(endpoint).is_ok_and(|url| {
        address(&url).is_some() || url.host_str().is_none_or(|name| !name.contains('.'))
    })
}

/// A client for the instance metadata service that gives up soon where there is none.
fn imds_client(
    settings: &Imds,
    config: &ProviderConfig,
) -> Result<Option<imds::Client>, FetchError> {
    let builder = imds::Client::builder()
        .configure(config)
        .connect_timeout(Duration::from_secs(1))
        .max_attempts(3);
    Ok(match settings {
        Imds::Disabled => None,
        Imds::Ordinary => Some(builder.build()),
        Imds::At(endpoint) => {
            let builder = builder
                .endpoint(endpoint)
                .map_err(|error| FetchError::Setup {
                    target: "the instance metadata service",
                    source: Cause(error.to_string()),
                })?;
            Some(builder.build())
        }
    })
}

/// The SDK's usual order, with our HTTP client throughout.
fn ordinary_chain(
    config: &ProviderConfig,
    imds: Option<imds::Client>,
) -> SharedCredentialsProvider {
    use aws_config::environment::EnvironmentVariableCredentialsProvider;
    use aws_config::meta::credentials::CredentialsProviderChain;
    use aws_config::profile::ProfileFileCredentialsProvider;
    use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
    let profile = ProfileFileCredentialsProvider::builder()
        .configure(config)
        .build();
    let web_identity = WebIdentityTokenCredentialsProvider::builder()
        .configure(config)
        .build();
    let container = aws_config::ecs::EcsCredentialsProvider::builder()
        .configure(config)
        .build();
    let mut chain = CredentialsProviderChain::first_try(
        "Environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("Profile", profile)
    .or_else("WebIdentityToken", web_identity)
    .or_else("EcsContainer", container);
    if let Some(imds) = imds {
        let role = imds::credentials::ImdsCredentialsProvider::builder()
            .configure(config)
            .imds_client(imds)
            .build();
        chain = chain.or_else("Ec2InstanceMetadata", role);
    }
    SharedCredentialsProvider::new(chain)
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

/// The region of the user's profile, where profiles count, else the instance's.
async fn region_elsewhere(
    credentials: &Credentials,
    config: &ProviderConfig,
    imds: Option<&imds::Client>,
) -> Option<String> {
    if matches!(credentials, Credentials::OrdinaryChain) {
        let profile = ProfileFileRegionProvider::builder()
            .configure(config)
            .build();
        if let Some(region) = profile.region().await {
            return Some(region.to_string());
        }
    }
    let instance = imds::region::ImdsRegionProvider::builder()
        .configure(config)
        .imds_client(imds?.clone())
        .build();
    instance.region().await.map(|region| region.to_string())
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
