//! The way to a service: its address, the proxy on it, and whom to trust.

use std::ffi::OsString;

use reqwest::Url;

use super::identity::Identity;
use crate::config::{Config, ProxyUri};
use crate::control_plane::{EndpointError, EndpointQuestion, endpoint};
use crate::http::{Proxies, ProxyError};

/// The way to one service.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) url: Url,
    pub(super) proxies: Proxies,
}

impl Way {
    /// The proxy that is on it.
    pub(super) fn proxy(&self) -> Option<&ProxyUri> {
        self.proxies.for_url(&self.url)
    }

    /// The first host on it, and the port there: the proxy's, if there is one.
    pub(super) fn first_hop(&self) -> Option<(String, u16)> {
        let url = self.proxy().map_or(&self.url, ProxyUri::expose_url);
        let host = url.host_str()?.trim_matches(['[', ']']);
        Some((host.to_owned(), url.port_or_known_default()?))
    }
}

/// The proxies of a service that `proxy_for` names or not.
///
/// # Errors
/// When a variable of the environment is no proxy's address.
pub(super) fn proxies(
    config: &Config,
    is_for: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Proxies, ProxyError> {
    match is_for {
        true => Proxies::resolve(
            config.proxy_uri.as_ref(),
            config.no_proxy.as_deref(),
            variable,
        ),
        false => Ok(Proxies::none()),
    }
}

/// The command service's address. None: the region would have to be known.
///
/// # Errors
/// When the domain is not one that may become part of a host name.
pub(super) fn command_service(
    config: &Config,
    identity: Option<&Identity>,
) -> Result<Option<Url>, EndpointError> {
    if let Some(configured) = &config.deploy_control_endpoint {
        return Ok(Some(configured.url().clone()));
    }
    let Some(identity) = identity else {
        return Ok(None);
    };
    endpoint(&EndpointQuestion {
        configured: None,
        region: &identity.host.region,
        domain: Some(identity.host.domain.as_str()),
        on_premises: identity.on_premises.is_some(),
        secure: config.enable_auth_policy,
        fips: config.use_fips_mode,
    })
    .map(Some)
}

/// The address of S3. None: the region would have to be known, or it makes no address.
pub(super) fn s3(config: &Config, identity: Option<&Identity>) -> Option<Url> {
    if let Some(configured) = &config.s3_endpoint_override {
        return Some(configured.url().clone());
    }
    let host = &identity?.host;
    let fips = if config.use_fips_mode { "-fips" } else { "" };
    Url::parse(&format!(
        "https://s3{fips}.{}.{}/",
        host.region, host.domain
    ))
    .ok()
}
