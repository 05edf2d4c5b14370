//! How S3 and GitHub are reached: plain data, filled from the configuration. No secret shows in
//! `Debug`.

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::SharedHttpClient;

use super::fetch_error::FetchError;
use super::http;
use crate::http::{Proxies, TrustPaths, TrustRoots};

/// Everything that fetching needs to know about the host (contract: host).
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// The host's region. Without one, when a bundle is in S3, that of the user's profile counts
    /// (with [`Credentials::OrdinaryChain`]), and then IMDS is asked.
    pub region: Option<String>,
    /// `s3_endpoint_override`: a URL. It beats `use_fips`, which S3 does not combine with it.
    pub s3_endpoint: Option<String>,
    /// `use_fips_mode`: FIPS endpoints.
    pub use_fips: bool,
    /// The way to S3, and to the credentials for it.
    pub proxies_s3: Proxies,
    /// The way to GitHub.
    pub proxies_github: Proxies,
    /// `github_api_endpoint`: a URL instead of `https://api.github.com`; plain http only to a
    /// loopback address.
    pub github_api: Option<String>,
    /// What is trusted besides the system's certificates (`AWS_CA_BUNDLE` and others). Read when
    /// the first bundle comes over the network, because a local one needs none of it.
    pub trust: TrustPaths,
    /// Where AWS credentials come from.
    pub credentials: Credentials,
    /// How the instance metadata service is reached.
    pub imds: Imds,
    /// The product and version that servers are told.
    pub user_agent: String,
    /// How long things may take.
    pub timing: Timing,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            region: None,
            s3_endpoint: None,
            use_fips: false,
            proxies_s3: Proxies::none(),
            proxies_github: Proxies::none(),
            github_api: None,
            trust: TrustPaths::default(),
            credentials: Credentials::OrdinaryChain,
            imds: Imds::Ordinary,
            user_agent: concat!("codedeploy-host-agent/", env!("CARGO_PKG_VERSION")).to_owned(),
            timing: Timing::default(),
        }
    }
}

impl SourceSettings {
    /// An HTTPS client for the AWS SDK, with the way to S3, that trusts `trust`.
    ///
    /// # Errors
    /// When the library refuses the settings.
    pub fn https_client(&self, trust: &TrustRoots) -> Result<SharedHttpClient, FetchError> {
        http::sdk_client(&self.proxies_s3, http::Scheme::Https, trust)
    }
}

/// Where AWS credentials come from.
#[derive(Clone)]
pub enum Credentials {
    /// Environment, profile (with credential process), web identity, container, instance role.
    OrdinaryChain,
    /// This provider. It does its own caching: it is asked for each request.
    Provider(SharedCredentialsProvider),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrdinaryChain => "OrdinaryChain",
            Self::Provider(_) => "Provider(hidden)",
        })
    }
}

/// How the instance metadata service is reached. It is never asked through a proxy.
#[derive(Debug, Clone, Default)]
pub enum Imds {
    /// Where the AWS SDKs look for it.
    #[default]
    Ordinary,
    /// At this URL.
    At(String),
    /// Not at all.
    Disabled,
}

/// How long things may take. There is no limit on a whole download: only on silence.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a single byte, until a peer counts as gone.
    pub stall: Duration,
    /// Between the tries of a download from S3 that broke off; their number is the number of
    /// tries that bring nothing.
    pub s3_delays: Vec<Duration>,
    /// Between the tries of a download from GitHub after transient errors.
    pub github_delays: Vec<Duration>,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect();
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            s3_delays: seconds(&[1, 2, 4, 8, 16]),
            // Contract: deployment, DownloadBundle.
            github_delays: seconds(&[10, 30, 90]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProxyUri;

    #[test]
    fn no_secret_is_in_debug_output() {
        let keys = aws_credential_types::Credentials::new("AKID", "secret", None, None, "test");
        let proxy = ProxyUri::parse("http://user:secret@proxy:3128").unwrap();
        let proxies = Proxies::resolve(Some(&proxy), None, |_| None).unwrap();
        let settings = SourceSettings {
            proxies_s3: proxies.clone(),
            proxies_github: proxies,
            credentials: Credentials::Provider(SharedCredentialsProvider::new(keys)),
            ..SourceSettings::default()
        };
        let text = format!("{settings:?}");
        assert!(
            !text.contains("secret") && text.contains("proxy:3128"),
            "{text}"
        );
    }
}
