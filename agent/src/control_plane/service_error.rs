//! What the service, or a gateway before it, says when it does not do what it was asked for.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::clock::{ClockSkew, http_date};
use super::hygiene::{Secrets, one_line};
use super::operations::Operation;

/// An answer that is no success. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// What was asked for.
    pub operation: Operation,
    /// The HTTP status.
    pub status: u16,
    /// `__type` without its namespace; none when there is no JSON body.
    pub code: Option<String>,
    /// The message, as one short line.
    pub message: String,
    /// The public part of the key that the call was signed with.
    pub access_key_id: String,
    /// What AWS's support asks for.
    pub request_id: Option<String>,
    /// How long not to ask again.
    pub retry_after: Option<Duration>,
    /// The clocks' difference, when the answer has a date.
    pub clock_skew: Option<ClockSkew>,
}

/// What follows from a [`ServiceError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceErrorKind {
    /// Too many requests.
    Throttling,
    /// The credentials were good once.
    ExpiredCredentials,
    /// The credentials mean nothing to AWS.
    UnknownCredentials,
    /// The credentials are good but not for this.
    AccessDenied,
    /// The signature is wrong, or too old or too young because of the clock.
    Signature,
    /// The service understood the request and does not accept it, now or ever.
    Refused,
    /// The service's own trouble.
    Server,
    /// Anything else: perhaps not even the service has answered.
    Other,
}

/// Contract: protocol, throttling.
const THROTTLING: [&str; 5] = [
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestThrottledException",
];
const EXPIRED: [&str; 3] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
];
const UNKNOWN: [&str; 6] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
];
const DENIED: [&str; 4] = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "OptInRequired",
];
const SIGNATURE: [&str; 9] = [
    "InvalidSignatureException",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "RequestTimeTooSkewed",
    "RequestExpired",
    "RequestInTheFuture",
    "AuthFailure",
];
const REFUSED: [&str; 4] = [
    "ClientException",
    "ValidationException",
    "ValidationError",
    "SerializationException",
];

impl ServiceError {
    /// Reads an answer. `received` is this host's time when it came.
    pub(super) fn read(
        operation: Operation,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        received: SystemTime,
        credentials: &Credentials,
    ) -> Self {
        let secrets = Secrets::of(credentials);
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let json = serde_json::from_slice::<serde_json::Value>(body).ok();
        let member = |names: [&str; 2]| {
            let json = json.as_ref()?;
            names.iter().find_map(|name| json.get(name)?.as_str())
        };
        let code = member(["__type", "code"]).or_else(|| text("x-amzn-errortype"));
        let message = match &json {
            Some(_) => member(["message", "Message"])
                .unwrap_or_default()
                .to_owned(),
            // A gateway's page: its beginning tells whose.
            None => String::from_utf8_lossy(body).into_owned(),
        };
        let date = text(DATE.as_str()).and_then(http_date);
        let retry_after = text(RETRY_AFTER.as_str()).and_then(|value| {
            let value = value.trim();
            let seconds = value.parse().ok().map(Duration::from_secs);
            // A date counts from the service's clock, as ours may be off.
            let until = || {
                http_date(value)?
                    .duration_since(date.unwrap_or(received))
                    .ok()
            };
            seconds.or_else(until)
        });
        Self {
            operation,
            status: status.as_u16(),
            code: code.and_then(short_code),
            message: secrets.message(&message),
            access_key_id: credentials.access_key_id().to_owned(),
            request_id: ["x-amzn-requestid", "x-amz-request-id"]
                .iter()
                .find_map(|name| text(name))
                .map(|id| one_line(&secrets.hide(id), 100)),
            retry_after,
            clock_skew: date.map(|date| ClockSkew::between(received, date)),
        }
    }

    /// What it means.
    #[must_use]
    pub fn kind(&self) -> ServiceErrorKind {
        let code = self.code.as_deref().unwrap_or_default();
        if self.status == 429
            || THROTTLING.contains(&code)
            || self.message.contains("Rate exceeded")
        {
            return ServiceErrorKind::Throttling;
        }
        let is_server = self.status >= 500 || code == "ServerException";
        match code {
            code if EXPIRED.contains(&code) => ServiceErrorKind::ExpiredCredentials,
            code if UNKNOWN.contains(&code) => ServiceErrorKind::UnknownCredentials,
            code if DENIED.contains(&code) => ServiceErrorKind::AccessDenied,
            code if SIGNATURE.contains(&code) => ServiceErrorKind::Signature,
            _ if is_server => ServiceErrorKind::Server,
            code if REFUSED.contains(&code) => ServiceErrorKind::Refused,
            _ => ServiceErrorKind::Other,
        }
    }

    /// What the operator can do, for the errors where that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self.kind() {
            ServiceErrorKind::ExpiredCredentials => Some(
                "the credentials have expired: on premises, whatever renews the session must \
                 rewrite the credentials file before that; on EC2, check the instance profile"
                    .to_owned(),
            ),
            ServiceErrorKind::UnknownCredentials => Some(
                "AWS does not know these credentials: check the on-premises file or the instance \
                 profile, and that the region belongs to the same partition"
                    .to_owned(),
            ),
            ServiceErrorKind::AccessDenied => Some(format!(
                "allow the host's role or user to call it (with enable_auth_policy: the action \
                 codedeploy-commands-secure:{}), and check a VPC endpoint's policy",
                self.operation
            )),
            ServiceErrorKind::Signature => Some(match self.clock_skew {
                Some(skew) if skew.is_considerable() => format!(
                    "this host's clock is {skew}: set it, and keep it right with chrony or \
                     another time service"
                ),
                _ => "check that the secret key belongs to the access key, and that no proxy \
                      changes requests"
                    .to_owned(),
            }),
            ServiceErrorKind::Throttling
            | ServiceErrorKind::Refused
            | ServiceErrorKind::Server
            | ServiceErrorKind::Other => None,
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was answered with HTTP {}",
            self.operation, self.status
        )?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, " ({})", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request id {id}")?;
        }
        match self.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ServiceError {}

/// `com.amazonaws.codedeploy#ClientException` and `ClientException:http://...` are
/// `ClientException`.
fn short_code(text: &str) -> Option<String> {
    let text = text.rsplit_once('#').map_or(text, |(_, code)| code);
    let code: String = text
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        .take(100)
        .collect();
    (!code.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests;
