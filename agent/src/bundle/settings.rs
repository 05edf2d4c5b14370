//! How S3 and GitHub are reached: plain data, filled from the configuration. No secret shows in
//! `Debug`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::SharedHttpClient;

use super::fetch_error::FetchError;
use super::http;

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
    /// The proxy, and what goes through it.
    pub proxy: ProxySettings,
    /// `github_api_endpoint`: a URL instead of `https://api.github.com`; plain http only to a
    /// loopback address.
    pub github_api: Option<String>,
    /// PEM files whose certificates are trusted besides the system's (`AWS_CA_BUNDLE` and
    /// others).
    pub trust: Vec<PathBuf>,
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
            proxy: ProxySettings::default(),
            github_api: None,
            trust: Vec::new(),
            credentials: Credentials::OrdinaryChain,
            imds: Imds::Ordinary,
            user_agent: concat!("codedeploy-host-agent/", env!("CARGO_PKG_VERSION")).to_owned(),
            timing: Timing::default(),
        }
    }
}

impl SourceSettings {
    /// An HTTPS client for the AWS SDK, with this proxy and these trusted certificates.
    ///
    /// # Errors
    /// When a file of certificates cannot be used, or the library refuses the settings.
    pub fn https_client(&self) -> Result<SharedHttpClient, FetchError> {
        http::sdk_client(
            &self.proxy,
            http::Scheme::Https,
            &http::trusted(&self.trust)?,
        )
    }
}

/// Where AWS credentials come from.
#[derive(Clone)]
pub enum Credentials {
    /// Environment, profile (with credential process), web identity, container, instance role.
    OrdinaryChain,
    /// This provider.
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

/// The proxy, for each kind of target, and what goes through it (`proxy_uri`, `no_proxy`,
/// `proxy_for`).
#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// For `http://` targets.
    pub http: Option<ProxyUri>,
    /// For `https://` targets.
    pub https: Option<ProxyUri>,
    /// Hosts, domains and networks that are reached directly, separated by commas.
    pub no_proxy: Option<String>,
    /// S3 (and the credentials for it) goes through the proxy.
    pub s3: bool,
    /// GitHub goes through the proxy.
    pub github: bool,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            http: None,
            https: None,
            no_proxy: None,
            s3: true,
            github: true,
        }
    }
}

impl ProxySettings {
    /// `proxy_uri` of the configuration: for all targets but `no_proxy`.
    ///
    /// # Errors
    /// When `uri` is no http or https URL with a host.
    pub fn explicit(uri: &str, no_proxy: Option<String>) -> Result<Self, InvalidProxy> {
        let uri = ProxyUri::new(uri)?;
        Ok(Self {
            http: Some(uri.clone()),
            https: Some(uri),
            no_proxy,
            ..Self::default()
        })
    }

    /// `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` as `lookup` gives them, lower case
    /// before upper case.
    ///
    /// # Errors
    /// When one of them is no http or https URL with a host.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidProxy> {
        let value = |name: &str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .or_else(|| lookup(&name.to_uppercase()))
                .filter(|value| !value.is_empty())
        };
        let proxy = |name: &str| {
            value(name)
                .or_else(|| value("all_proxy"))
                .map(|uri| ProxyUri::new(&uri))
                .transpose()
        };
        Ok(Self {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            no_proxy: value("no_proxy"),
            ..Self::default()
        })
    }
}

/// The URL of a proxy, perhaps with user and password, which `Debug` hides.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUri(String);

/// A proxy that cannot be used. The URL is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy URL cannot be used: {0}; write http://host:port or http://user:password@host:port"
)]
pub struct InvalidProxy(&'static str);

impl ProxyUri {
    /// Checks `uri`; without a scheme it is http, as other programs take it.
    ///
    /// # Errors
    /// When it is no http or https URL with a host.
    pub fn new(uri: &str) -> Result<Self, InvalidProxy> {
        let uri = if uri.contains("://") {
            uri.to_owned()
        } else {
            format!("http://{uri}")
        };
        let parsed = reqwest::Url::parse(&uri).map_err(|_| InvalidProxy("it is no URL"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(InvalidProxy("only http and https proxies are supported"));
        }
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(InvalidProxy("it has no host"));
        }
        Ok(Self(uri))
    }

    /// The URL with user and password, for the HTTP clients only.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProxyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once('@') {
            Some((_, host)) => write!(f, "ProxyUri(hidden@{host})"),
            None => write!(f, "ProxyUri({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_in_debug_output() {
        let keys = aws_credential_types::Credentials::new("AKID", "secret", None, None, "test");
        let settings = SourceSettings {
            proxy: ProxySettings::explicit("http://user:secret@proxy:3128", None).unwrap(),
            credentials: Credentials::Provider(SharedCredentialsProvider::new(keys)),
            ..SourceSettings::default()
        };
        let text = format!("{settings:?}");
        assert!(
            !text.contains("secret") && text.contains("proxy:3128"),
            "{text}"
        );
    }

    #[rstest::rstest]
    #[case("http://proxy.example:3128", true)]
    #[case("proxy.example:3128", true)]
    #[case("https://user:p%40ss@proxy.example", true)]
    #[case("socks5://proxy.example", false)]
    #[case("http://", false)]
    #[case("", false)]
    fn proxies_are_checked(#[case] uri: &str, #[case] good: bool) {
        assert_eq!(ProxyUri::new(uri).is_ok(), good);
    }

    #[test]
    fn the_environment_counts_in_either_case() {
        let lookup = |name: &str| match name {
            "https_proxy" => Some("one:1".to_owned()),
            "HTTPS_PROXY" => Some("two:2".to_owned()),
            "HTTP_PROXY" => Some("three:3".to_owned()),
            "NO_PROXY" => Some(".internal".to_owned()),
            "no_proxy" => Some(String::new()),
            _ => None,
        };
        let settings = ProxySettings::from_environment(lookup).unwrap();
        assert_eq!(settings.https.unwrap().reveal(), "http://one:1");
        assert_eq!(settings.http.unwrap().reveal(), "http://three:3");
        assert_eq!(settings.no_proxy.unwrap(), ".internal");
        assert!(
            ProxySettings::from_environment(|_| None)
                .unwrap()
                .http
                .is_none()
        );
    }
}
