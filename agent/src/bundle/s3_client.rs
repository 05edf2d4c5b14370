//! The AWS SDK set up for S3: credentials, region, HTTP client. Made when the first bundle in S3
//! is fetched.

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
    AppName, BehaviorVersion, IdentityCache, Region, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};

use super::fetch_error::FetchError;
use super::http::{self, Scheme};
use super::network::{Cause, address};
use super::settings::{Credentials, Imds, SourceSettings};
use crate::http::TrustRoots;

/// What all requests to S3 share.
#[derive(Debug)]
pub(super) struct S3 {
    http: SharedHttpClient,
    credentials: SharedCredentialsProvider,
    /// The host's region.
    pub(super) region: Option<String>,
}

impl S3 {
    pub(super) async fn new(settings: &SourceSettings) -> Result<Self, FetchError> {
        let trust = TrustRoots::load(&settings.trust).map_err(FetchError::Trust)?;
        // Also for the metadata service, which an https proxy never sees.
        let other = settings.https_client(&trust)?;
        let http = match settings.s3_endpoint.as_deref() {
            Some(endpoint) if endpoint.starts_with("http://") => {
                http::sdk_client(&settings.proxies_s3, Scheme::Http, &trust)?
            }
            _ => other.clone(),
        };
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

    /// A client for `bucket`, asked in `region`.
    pub(super) fn client(&self, settings: &SourceSettings, region: &str, bucket: &str) -> Client {
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
            // Checksums are asked for and compared by us: of the whole, not of one answer.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // Silence is watched here, chunk by chunk; slowness is no error.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .app_name(app_name(&settings.user_agent));
        if let Credentials::Provider(_) = settings.credentials {
            // The provider caches for all clients, which so change credentials together.
            config = config.identity_cache(IdentityCache::no_cache());
        }
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
                    .force_path_style(bucket.contains('.'));
            }
        }
        Client::from_conf(config.build())
    }
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
        Imds::Ordinary
            if std::env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|it| it == "true") =>
        {
            None
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::{ProvideCredentials, future};

    use super::*;

    #[rstest::rstest]
    #[case("http://127.0.0.1:9000", true)]
    #[case("http://[::1]:9000", true)]
    #[case("http://localhost:9000", true)]
    #[case("http://minio:9000", true)]
    #[case("https://s3.eu-west-1.amazonaws.com", false)]
    #[case("https://vpce-1.s3.eu-west-1.vpce.amazonaws.com", false)]
    fn hosts_without_subdomains_get_path_style(#[case] endpoint: &str, #[case] expected: bool) {
        assert_eq!(is_address(endpoint), expected);
    }

    /// The URL of a request, without sending it.
    async fn presigned(client: &Client, bucket: &str) -> String {
        let presigning =
            aws_sdk_s3::presigning::PresigningConfig::expires_in(Duration::from_secs(60));
        let request = client
            .get_object()
            .bucket(bucket)
            .key("key")
            .presigned(presigning.unwrap())
            .await
            .unwrap();
        request.uri().to_owned()
    }

    /// Where a request would go.
    async fn target(settings: &SourceSettings, bucket: &str) -> String {
        let s3 = S3::new(settings).await.unwrap();
        let url = presigned(&s3.client(settings, "eu-west-1", bucket), bucket).await;
        url.split('?').next().unwrap().to_owned()
    }

    /// Has other keys each time.
    #[derive(Debug, Default)]
    struct Rotating(AtomicU32);

    impl ProvideCredentials for Rotating {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let key = format!("AKID{}", self.0.fetch_add(1, Ordering::SeqCst));
            let keys = aws_credential_types::Credentials::new(key, "secret", None, None, "test");
            future::ProvideCredentials::ready(Ok(keys))
        }
    }

    #[tokio::test]
    async fn a_provider_is_asked_for_each_request() {
        let settings = SourceSettings {
            region: Some("eu-west-1".into()),
            credentials: Credentials::Provider(SharedCredentialsProvider::new(Rotating::default())),
            imds: Imds::Disabled,
            ..SourceSettings::default()
        };
        let s3 = S3::new(&settings).await.unwrap();
        let client = s3.client(&settings, "eu-west-1", "bucket");
        for key in ["AKID0", "AKID1"] {
            let url = presigned(&client, "bucket").await;
            assert!(url.contains(&format!("X-Amz-Credential={key}%2F")), "{url}");
        }
    }

    #[tokio::test]
    async fn names_with_dots_and_fips_and_overrides_choose_the_host() {
        let keys = aws_credential_types::Credentials::new("AKID", "secret", None, None, "test");
        let settings = SourceSettings {
            region: Some("eu-west-1".into()),
            credentials: Credentials::Provider(SharedCredentialsProvider::new(keys)),
            imds: Imds::Disabled,
            ..SourceSettings::default()
        };
        let fips = SourceSettings {
            use_fips: true,
            ..settings.clone()
        };
        let over = |endpoint: &str| SourceSettings {
            s3_endpoint: Some(endpoint.to_owned()),
            ..fips.clone()
        };
        for (settings, bucket, expected) in [
            (
                settings.clone(),
                "plain",
                "https://plain.s3.eu-west-1.amazonaws.com/key",
            ),
            (
                settings,
                "with.dots",
                "https://s3.eu-west-1.amazonaws.com/with.dots/key",
            ),
            (
                fips.clone(),
                "plain",
                "https://plain.s3-fips.eu-west-1.amazonaws.com/key",
            ),
            (
                over("https://s3.example.com"),
                "plain",
                "https://plain.s3.example.com/key",
            ),
            (
                over("https://10.0.0.1"),
                "plain",
                "https://10.0.0.1/plain/key",
            ),
            (
                over("http://localhost:9"),
                "plain",
                "http://localhost:9/plain/key",
            ),
        ] {
            assert_eq!(target(&settings, bucket).await, expected);
        }
    }
}
