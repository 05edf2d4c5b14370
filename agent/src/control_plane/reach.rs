//! Whether an address answers at all: a request without credentials, which nobody can act upon.
//!
//! For `agent doctor`, of the command service and of S3 alike. The way is the client's own: the
//! same proxy, the same trusted certificates, no redirection followed.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderValue, USER_AGENT};
use reqwest::{StatusCode, Url};

use super::client::{ClientError, OWN_NAME, http_client};
use super::clock::{ClockSkew, http_date};
use super::failure::{ConnectFailure, Diagnosis, Route};
use crate::http::{Proxies, TrustRoots};

/// What is known once somebody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The way.
    pub route: Route,
    /// The HTTP status. Any will do: without credentials it is a refusal.
    pub status: u16,
    /// The clocks' difference, when the answer has a date.
    pub clock_skew: Option<ClockSkew>,
}

/// Why nobody has.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// There is no client.
    #[error("cannot set up the client")]
    Client(#[source] ClientError),
    /// No connection.
    #[error("cannot connect to {route}")]
    Connect {
        /// The way.
        route: Route,
        /// In one word.
        failure: ConnectFailure,
        /// In full.
        #[source]
        source: reqwest::Error,
    },
    /// The proxy wants to know who we are.
    #[error("the proxy does not accept the user and password for {route}, or there are none")]
    ProxyAuthentication {
        /// The way.
        route: Route,
    },
    /// The connection stood and brought no answer.
    #[error("{route} took the connection and did not answer")]
    Broken {
        /// The way.
        route: Route,
        /// How.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing within the time.
    #[error("no answer from {route} within {} s", after.as_secs())]
    Timeout {
        /// The way.
        route: Route,
        /// How long it was waited.
        after: Duration,
    },
}

impl ReachError {
    /// Whether it is the proxy that is in the way.
    #[must_use]
    pub fn is_proxy(&self) -> bool {
        matches!(
            self,
            Self::ProxyAuthentication { .. }
                | Self::Connect {
                    failure: ConnectFailure::Tunnel,
                    ..
                }
        )
    }

    /// What the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Client(_) => "correct the settings that it names",
            Self::Connect { failure, route, .. } => failure.remedy(route),
            Self::ProxyAuthentication { .. } => {
                "put user and password into proxy_uri (http://user:password@host:port)"
            }
            Self::Broken { .. } => {
                "check that the address and its scheme are right, and what is on the way: a \
                 firewall, a proxy, a load balancer"
            }
            Self::Timeout { .. } => {
                "check firewalls, security groups and routes, and that the network leads to the \
                 internet, a proxy or a VPC endpoint"
            }
        }
    }
}

/// Asks `url` for any answer, within `limit`.
///
/// # Errors
/// When none comes.
pub async fn reach(
    url: &Url,
    proxies: &Proxies,
    trust: &TrustRoots,
    limit: Duration,
) -> Result<Reached, ReachError> {
    let proxy = proxies.for_url(url);
    let route = Route::new(url, proxy);
    let http = http_client(trust, proxy, limit).map_err(ReachError::Client)?;
    let call = http
        .get(url.clone())
        .header(USER_AGENT, HeaderValue::from_static(OWN_NAME))
        .send();
    let response = match tokio::time::timeout(limit, call).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(failed(error.without_url(), route)),
        Err(_) => {
            return Err(ReachError::Timeout {
                route,
                after: limit,
            });
        }
    };
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED && proxy.is_some() {
        return Err(ReachError::ProxyAuthentication { route });
    }
    let received = SystemTime::now();
    let date = response.headers().get(DATE);
    let date = date.and_then(|date| http_date(date.to_str().ok()?));
    Ok(Reached {
        route,
        status: response.status().as_u16(),
        clock_skew: date.map(|date| ClockSkew::between(received, date)),
    })
}

fn failed(source: reqwest::Error, route: Route) -> ReachError {
    if !source.is_connect() {
        return ReachError::Broken { route, source };
    }
    match Diagnosis::of(&source) {
        Diagnosis::ProxyAuthentication => ReachError::ProxyAuthentication { route },
        Diagnosis::Failure(failure) => ReachError::Connect {
            route,
            failure,
            source,
        },
    }
}
