//! Why there was no connection, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use reqwest::Url;
use rustls::CertificateError;

use crate::config::ProxyUri;

/// The way to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Host and port.
    pub host: String,
    /// The proxy, without its credentials; none: directly.
    pub proxy: Option<String>,
}

impl Route {
    pub(super) fn new(url: &Url, proxy: Option<&ProxyUri>) -> Self {
        let host = url.host_str().unwrap_or_default();
        Self {
            host: match url.port_or_known_default() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            },
            proxy: proxy.map(ToString::to_string),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proxy {
            Some(proxy) => write!(f, "{} through the proxy {proxy}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// Why there was no connection. With a proxy, the first four are about the way to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailure {
    /// DNS has no address for the name.
    UnknownHost,
    /// Nothing listens there, or a firewall says so.
    Refused,
    /// No route.
    Unreachable,
    /// Nobody answered.
    TimedOut,
    /// The server's certificate leads to no authority that is trusted here.
    UnknownAuthority,
    /// The server's certificate is not valid now.
    CertificateDates,
    /// The server's certificate is for another name.
    CertificateName,
    /// Any other disagreement about TLS.
    Tls,
    /// The proxy would not connect to the service.
    Tunnel,
    /// Anything else.
    Other,
}

/// What a failed attempt to connect was.
pub(super) enum Diagnosis {
    Failure(ConnectFailure),
    /// The proxy wants credentials, or others.
    ProxyAuthentication,
}

impl Diagnosis {
    /// Reads the causes of an error of the HTTP library.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_dns() {
            return Self::Failure(ConnectFailure::UnknownHost);
        }
        let mut cause: Option<&(dyn StdError + 'static)> = error.source();
        let mut failure = ConnectFailure::Other;
        while let Some(error) = cause {
            // The library's type for this is private; its text is part of its tests.
            let text = error.to_string();
            if text == "tunnel error: proxy authorization required" {
                return Self::ProxyAuthentication;
            }
            if text == "tunnel error: unsuccessful" {
                return Self::Failure(ConnectFailure::Tunnel);
            }
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Self::Failure(of_tls(tls));
            }
            let io = error.downcast_ref::<io::Error>();
            failure = io.and_then(|io| of_io(io.kind())).unwrap_or(failure);
            // An I/O error that wraps another error is not that error's successor in the chain,
            // but takes its place.
            cause = match io.and_then(io::Error::get_ref) {
                Some(wrapped) => Some(wrapped),
                None => error.source(),
            };
        }
        if failure == ConnectFailure::Other && error.is_timeout() {
            failure = ConnectFailure::TimedOut;
        }
        Self::Failure(failure)
    }
}

fn of_io(kind: io::ErrorKind) -> Option<ConnectFailure> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some(ConnectFailure::Refused),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some(ConnectFailure::Unreachable)
        }
        io::ErrorKind::TimedOut => Some(ConnectFailure::TimedOut),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> ConnectFailure {
    let rustls::Error::InvalidCertificate(error) = error else {
        return ConnectFailure::Tls;
    };
    match error {
        // A bad signature: an authority of the same name with another key, as when a private one
        // was made anew.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ConnectFailure::UnknownAuthority
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => ConnectFailure::CertificateDates,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ConnectFailure::CertificateName
        }
        _ => ConnectFailure::Tls,
    }
}

impl ConnectFailure {
    /// What the operator can do.
    pub(super) fn remedy(self, route: &Route) -> &'static str {
        let has_proxy = route.proxy.is_some();
        match self {
            Self::UnknownHost if has_proxy => {
                "the proxy's name is unknown; check DNS and proxy_uri"
            }
            Self::UnknownHost => {
                "the name is unknown; check DNS, the region and deploy_control_endpoint"
            }
            Self::Refused if has_proxy => {
                "the proxy refuses connections; check proxy_uri and that the proxy runs"
            }
            Self::Refused => "the connection was refused; check firewalls and the address",
            Self::Unreachable => "there is no route; check the network",
            Self::TimedOut => {
                "nobody answered; check firewalls, security groups, and that the network leads to \
                 the internet, a proxy or a VPC endpoint"
            }
            Self::UnknownAuthority => {
                "the certificate is from an authority that is not trusted here; if something on \
                 the way inspects TLS, name its CA certificate in AWS_CA_BUNDLE"
            }
            Self::CertificateDates => {
                "the certificate is not valid at this time; check this host's clock"
            }
            Self::CertificateName => {
                "the certificate is for another name; check deploy_control_endpoint and DNS"
            }
            Self::Tls => {
                "TLS failed; check that nothing on the way interferes, and that the address is a \
                 server with TLS 1.2 or later"
            }
            Self::Tunnel => {
                "the proxy would not connect to it; allow the host and port at the proxy"
            }
            Self::Other => "check the network between this host and the service",
        }
    }
}
