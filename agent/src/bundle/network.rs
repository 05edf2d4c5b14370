//! What kept two hosts from talking, said in the operator's words.

use std::error::Error;
use std::fmt;
use std::io;

/// What went wrong between the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkProblem {
    /// The name has no address.
    Dns,
    /// Nobody listens there.
    Refused,
    /// No route.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The certificate is not trusted, or TLS failed otherwise.
    Tls,
    /// The connection broke.
    Broken,
    /// Something else.
    Other,
}

impl fmt::Display for NetworkProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => {
                "the host name could not be resolved; check the name, the region and this host's DNS"
            }
            Self::Refused => {
                "the connection was refused; check the endpoint, proxy_uri and firewalls"
            }
            Self::Unreachable => {
                "there is no route; check routes, the VPC endpoint or gateway, and proxy_uri"
            }
            Self::TimedOut => {
                "no answer in time; check security groups, routes to the endpoint, and proxy_uri"
            }
            Self::Tls => {
                "the TLS connection failed; if a proxy or private endpoint presents its own \
                 certificate, name its CA in AWS_CA_BUNDLE; check this host's clock"
            }
            Self::Broken => "the connection broke",
            Self::Other => "the request could not be sent",
        })
    }
}

/// The address that a URL has for a host; none when it has a name.
pub(super) fn address(url: &reqwest::Url) -> Option<std::net::IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// The error and its causes. An `io::Error` hides what it carries from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            Some(inner) => inner.map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// The first cause of type `E`.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref::<E>())
}

/// What `error` says about the network.
pub(super) fn problem(error: &(dyn Error + 'static)) -> NetworkProblem {
    for cause in causes(error) {
        let text = cause.to_string();
        if text.contains("dns error") || text.contains("failed to lookup address") {
            return NetworkProblem::Dns;
        }
        if text.contains("certificate") || text.contains("TLS handshake failed") {
            return NetworkProblem::Tls;
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return NetworkProblem::Refused,
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable => return NetworkProblem::Unreachable,
                io::ErrorKind::TimedOut => return NetworkProblem::TimedOut,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => return NetworkProblem::Broken,
                _ => {}
            }
        }
    }
    NetworkProblem::Other
}

/// The causes of an error as text, each said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause(pub(super) String);

impl Cause {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut text = String::new();
        for cause in causes(error) {
            let said = cause.to_string();
            if !said.is_empty() && !text.contains(&said) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&said);
            }
        }
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}
