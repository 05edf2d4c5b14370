//! What a client is made from.

use std::ffi::OsString;
use std::time::Duration;

use reqwest::Url;

use super::endpoint::{EndpointError, EndpointQuestion, endpoint};
use super::wire_log::{WireLog, WireLogError};
use crate::config::Config;
use crate::http::{Proxies, ProxyError};
use crate::identity::Region;

/// Everything about a client but the credentials and the trust roots.
#[derive(Debug)]
pub struct Settings {
    /// Where calls are posted to.
    pub url: Url,
    /// The region that signatures are for.
    pub region: Region,
    /// `enable_auth_policy`: the other target and signing name.
    pub secure: bool,
    /// Sent as `x-amz-codedeploy-agent-version`.
    pub compatible_version: String,
    /// The longest wait for an answer to begin, and again for it to be whole.
    pub read_timeout: Duration,
    /// The proxies; only the one for `url` is used.
    pub proxies: Proxies,
    /// Where to write what goes over the wire.
    pub wire_log: Option<WireLog>,
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address.
    #[error("cannot tell the command service's address")]
    Endpoint(#[source] EndpointError),
    /// The proxy.
    #[error("cannot tell the proxy of the command service")]
    Proxy(#[source] ProxyError),
    /// `log_aws_wire`.
    #[error("cannot write the log that log_aws_wire asks for; correct log_dir, or turn it off")]
    WireLog(#[source] WireLogError),
}

impl Settings {
    /// The settings as the configuration, the host's identity and the environment have them.
    /// `domain` is what the metadata service says, see [`EndpointQuestion`]. Opens the wire log
    /// when it is asked for.
    ///
    /// # Errors
    /// When no address follows, a proxy is no proxy, or the wire log cannot be opened.
    pub fn new(
        config: &Config,
        region: &Region,
        domain: Option<&str>,
        on_premises: bool,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let question = EndpointQuestion {
            configured: config.deploy_control_endpoint.as_ref(),
            region,
            domain,
            on_premises,
            secure: config.enable_auth_policy,
            fips: config.use_fips_mode,
        };
        let proxies = match config.proxy_for.control {
            true => Proxies::resolve(
                config.proxy_uri.as_ref(),
                config.no_proxy.as_deref(),
                environment,
            )
            .map_err(SettingsError::Proxy)?,
            false => Proxies::none(),
        };
        let wire_log = config
            .log_aws_wire
            .then(|| WireLog::open(&config.log_dir, config.program_name.as_str()))
            .transpose()
            .map_err(SettingsError::WireLog)?;
        Ok(Self {
            url: endpoint(&question).map_err(SettingsError::Endpoint)?,
            region: region.clone(),
            secure: config.enable_auth_policy,
            compatible_version: config.compatible_version.clone(),
            read_timeout: config.http_read_timeout,
            proxies,
            wire_log,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ProxyFor, ProxyUri, Purpose};

    fn settings(config: &Config) -> Result<Settings, SettingsError> {
        let region = Region::new("us-east-1").unwrap();
        Settings::new(config, &region, None, false, |name| {
            (name == "https_proxy").then(|| "http://environment:1".into())
        })
    }

    #[test]
    fn the_configuration_counts() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::defaults(Purpose::Service);
        config.enable_auth_policy = true;
        config.use_fips_mode = true;
        config.log_aws_wire = true;
        config.log_dir = directory.path().to_owned();
        config.proxy_uri = ProxyUri::parse("http://configured:2");
        let made = settings(&config).unwrap();
        assert_eq!(
            made.url.as_str(),
            "https://codedeploy-commands-secure-fips.us-east-1.amazonaws.com/"
        );
        assert!(made.secure && made.wire_log.is_some());
        assert_eq!(made.read_timeout, Duration::from_secs(80));
        assert_eq!(made.compatible_version, "2.1.0");
        let proxy = made.proxies.for_url(&made.url).map(ToString::to_string);
        assert_eq!(proxy.as_deref(), Some("http://configured:2"));
        assert!(
            directory
                .path()
                .join("codedeploy-agent.aws_wire.log")
                .exists()
        );
    }

    #[test]
    fn proxy_for_counts_for_the_environments_proxy_too() {
        let mut config = Config::defaults(Purpose::Service);
        let made = settings(&config).unwrap();
        assert!(made.proxies.for_url(&made.url).is_some());
        assert!(made.wire_log.is_none());
        config.proxy_for = ProxyFor {
            control: false,
            ..ProxyFor::ALL
        };
        assert_eq!(settings(&config).unwrap().proxies, Proxies::none());
    }

    #[test]
    fn a_wire_log_that_cannot_be_written_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::defaults(Purpose::Service);
        config.log_aws_wire = true;
        config.log_dir = directory.path().join("file/below");
        fs_err::write(directory.path().join("file"), "").unwrap();
        let shown = crate::error::chain(&settings(&config).unwrap_err());
        assert!(
            shown.starts_with("cannot write the log that log_aws_wire asks for"),
            "{shown}"
        );
    }
}
