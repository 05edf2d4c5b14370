//! What can go wrong with one attempt of a call.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;

use super::failure::{ConnectFailure, Route};
use super::operations::Operation;
use super::service_error::{ServiceError, ServiceErrorKind};

/// Why a call has no answer, or not the one that was wanted. No variant holds a credential, a
/// token or a payload.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to sign with.
    #[error("no credentials to call {operation} with")]
    Credentials {
        /// What was to be called.
        operation: Operation,
        /// Why.
        #[source]
        source: CredentialsError,
    },
    /// The provider of credentials does not come back.
    #[error("no credentials to call {operation} with: nothing came for {} s", after.as_secs())]
    CredentialsTimeout {
        /// What was to be called.
        operation: Operation,
        /// How long it was waited.
        after: Duration,
    },
    /// The credentials cannot be put into a request.
    #[error("cannot sign {operation}; check the credentials for stray characters")]
    Sign {
        /// What was to be called.
        operation: Operation,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// We would have sent more than the service takes.
    #[error("{operation} was not sent: {member} must have at most {limit} characters")]
    Limit {
        /// What was to be called.
        operation: Operation,
        /// Which part.
        member: &'static str,
        /// In characters.
        limit: usize,
    },
    /// No connection. Nothing was sent.
    #[error("cannot connect to {route} for {operation}: {}", failure.remedy(route))]
    Connect {
        /// What was to be called.
        operation: Operation,
        /// Where.
        route: Route,
        /// In one word.
        failure: ConnectFailure,
        /// In full.
        #[source]
        source: reqwest::Error,
    },
    /// The proxy wants to know who we are.
    #[error(
        "cannot connect to {route} for {operation}: the proxy does not accept the user and \
         password, or there are none; put them into proxy_uri (http://user:password@host:port)"
    )]
    ProxyAuthentication {
        /// What was to be called.
        operation: Operation,
        /// Where.
        route: Route,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {route} broke during {operation}")]
    Broken {
        /// What was called.
        operation: Operation,
        /// Where.
        route: Route,
        /// How.
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not begin, or not end, in time.
    #[error(
        "no {} to {operation} from {route} within {} s (http_read_timeout)",
        if *has_begun { "whole answer" } else { "answer" },
        after.as_secs()
    )]
    Timeout {
        /// What was called.
        operation: Operation,
        /// Where.
        route: Route,
        /// How long it was waited.
        after: Duration,
        /// Whether the answer's head had come.
        has_begun: bool,
    },
    /// The answer is longer than any that the service gives.
    #[error("the answer to {operation} was refused: it has more than {limit} bytes")]
    TooLong {
        /// What was called.
        operation: Operation,
        /// In bytes.
        limit: usize,
    },
    /// A name in the answer is longer than any that the service gives.
    #[error("the answer to {operation} was refused: {member} has more than {limit} bytes")]
    NameTooLong {
        /// What was called.
        operation: Operation,
        /// Which.
        member: &'static str,
        /// In bytes.
        limit: usize,
    },
    /// Somebody else wants the request. Credentials do not go there.
    #[error(
        "{operation} was answered with HTTP {status}, a redirection to {to}, which is not \
         followed; check deploy_control_endpoint, and whether a proxy or a portal is in the way"
    )]
    Redirect {
        /// What was called.
        operation: Operation,
        /// The HTTP status.
        status: u16,
        /// Scheme and host only.
        to: String,
    },
    /// The answer says of itself that it is not the service's.
    #[error(
        "{operation} was answered with {content_type:?} instead of JSON; check \
         deploy_control_endpoint, and whether a proxy or a portal is in the way"
    )]
    ContentType {
        /// What was called.
        operation: Operation,
        /// Cut.
        content_type: String,
    },
    /// The answer is not what the protocol has.
    #[error(
        "the answer to {operation} {} (line {line}, column {column})",
        if *is_json { "is JSON of another form" } else { "is not JSON" }
    )]
    Malformed {
        /// What was called.
        operation: Operation,
        /// Whether it is JSON at all.
        is_json: bool,
        /// Where, from 1; 0 at the very beginning.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// The service, or a gateway, refuses.
    #[error("{0}")]
    Service(Box<ServiceError>),
}

impl Error {
    /// What was called.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Credentials { operation, .. }
            | Self::CredentialsTimeout { operation, .. }
            | Self::Sign { operation, .. }
            | Self::Limit { operation, .. }
            | Self::Connect { operation, .. }
            | Self::ProxyAuthentication { operation, .. }
            | Self::Broken { operation, .. }
            | Self::Timeout { operation, .. }
            | Self::TooLong { operation, .. }
            | Self::NameTooLong { operation, .. }
            | Self::Redirect { operation, .. }
            | Self::ContentType { operation, .. }
            | Self::Malformed { operation, .. } => *operation,
            Self::Service(error) => error.operation,
        }
    }

    /// The service's own error, when it answered.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }

    fn kind(&self) -> Option<ServiceErrorKind> {
        self.service().map(ServiceError::kind)
    }

    /// Too many requests (contract: protocol).
    #[must_use]
    pub fn is_throttling(&self) -> bool {
        self.kind() == Some(ServiceErrorKind::Throttling)
    }

    /// The credentials or the rights that go with them: the operator must act, unless something
    /// that renews credentials is late.
    #[must_use]
    pub fn is_credentials(&self) -> bool {
        match self {
            Self::Credentials { .. } | Self::CredentialsTimeout { .. } | Self::Sign { .. } => true,
            _ => matches!(
                self.kind(),
                Some(
                    ServiceErrorKind::ExpiredCredentials
                        | ServiceErrorKind::UnknownCredentials
                        | ServiceErrorKind::AccessDenied
                        | ServiceErrorKind::Signature
                )
            ),
        }
    }

    /// The network's or the service's trouble, which passes without anybody acting.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { failure, .. } => match failure {
                ConnectFailure::UnknownHost
                | ConnectFailure::Refused
                | ConnectFailure::Unreachable
                | ConnectFailure::TimedOut
                | ConnectFailure::Other => true,
                ConnectFailure::UnknownAuthority
                | ConnectFailure::CertificateDates
                | ConnectFailure::CertificateName
                | ConnectFailure::Tls
                | ConnectFailure::Tunnel => false,
            },
            Self::CredentialsTimeout { .. } | Self::Broken { .. } | Self::Timeout { .. } => true,
            _ => matches!(
                self.kind(),
                Some(ServiceErrorKind::Throttling | ServiceErrorKind::Server)
            ),
        }
    }

    /// Whether the service may have done what it was asked for although no answer says so. When
    /// this was true of an earlier attempt, a refusal of a later one is no news; see
    /// [`super::disposition`].
    #[must_use]
    pub fn may_have_been_accepted(&self) -> bool {
        match self {
            Self::Credentials { .. }
            | Self::CredentialsTimeout { .. }
            | Self::Sign { .. }
            | Self::Limit { .. }
            | Self::Connect { .. }
            | Self::ProxyAuthentication { .. }
            | Self::Redirect { .. } => false,
            Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::TooLong { .. }
            | Self::NameTooLong { .. }
            | Self::ContentType { .. }
            | Self::Malformed { .. } => true,
            Self::Service(error) => match error.kind() {
                ServiceErrorKind::Server => true,
                // A gateway's own time-out.
                ServiceErrorKind::Other => error.status == 408,
                ServiceErrorKind::Throttling
                | ServiceErrorKind::ExpiredCredentials
                | ServiceErrorKind::UnknownCredentials
                | ServiceErrorKind::AccessDenied
                | ServiceErrorKind::Signature
                | ServiceErrorKind::Refused => false,
            },
        }
    }

    /// How long the service does not want to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.service()?.retry_after
    }
}
