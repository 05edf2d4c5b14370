//! Which errors of a completion end the retrying (contract: protocol).
//!
//! A result that the service has not got is never given up for a reason that may pass: that
//! includes credentials and rights, which somebody may repair. Only the service's own refusal
//! ends it. How long retrying goes on is the caller's.

use super::error::Error;
use super::service_error::{ServiceError, ServiceErrorKind};

/// What follows from a failed attempt to send a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Try again later.
    Retry,
    /// The service names a reason that this agent does not know. Try again later, but not for long:
    /// it may well be that it does not want it.
    PerhapsRefused,
    /// An earlier attempt, whose answer was lost, has been accepted: done.
    AcceptedAlready,
    /// The service does not want it, now or ever.
    RefusedForGood,
}

/// Judges an attempt. `may_have_been_accepted`: whether [`Error::may_have_been_accepted`] was true
/// of any earlier attempt of the same completion, also by an agent before this one.
#[must_use]
pub fn disposition(error: &Error, may_have_been_accepted: bool) -> Disposition {
    match error {
        // Ours; it was never sent and never will be.
        Error::Limit { .. } => Disposition::RefusedForGood,
        Error::Service(error) => of_service(error, may_have_been_accepted),
        Error::Credentials { .. }
        | Error::CredentialsTimeout { .. }
        | Error::Sign { .. }
        | Error::Connect { .. }
        | Error::ProxyAuthentication { .. }
        | Error::Broken { .. }
        | Error::Timeout { .. }
        | Error::TooLong { .. }
        | Error::NameTooLong { .. }
        | Error::Redirect { .. }
        | Error::ContentType { .. }
        | Error::Malformed { .. } => Disposition::Retry,
    }
}

fn of_service(error: &ServiceError, may_have_been_accepted: bool) -> Disposition {
    match error.kind() {
        ServiceErrorKind::Refused if may_have_been_accepted => Disposition::AcceptedAlready,
        ServiceErrorKind::Refused => Disposition::RefusedForGood,
        ServiceErrorKind::Throttling
        | ServiceErrorKind::ExpiredCredentials
        | ServiceErrorKind::UnknownCredentials
        | ServiceErrorKind::AccessDenied
        | ServiceErrorKind::Signature
        | ServiceErrorKind::Server => Disposition::Retry,
        ServiceErrorKind::Other if error.code.is_some() && is_client_error(error.status) => {
            Disposition::PerhapsRefused
        }
        // Perhaps a gateway's, or a misdirected endpoint's.
        ServiceErrorKind::Other => Disposition::Retry,
    }
}

/// Whether the request is at fault. 408 is a gateway's own time-out.
fn is_client_error(status: u16) -> bool {
    (400..500).contains(&status) && status != 408
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_credential_types::provider::error::CredentialsError;
    use rstest::rstest;

    use super::*;
    use crate::control_plane::{Operation, Route};

    const OPERATION: Operation = Operation::PutHostCommandComplete;

    fn service(status: u16, code: &str, message: &str) -> Error {
        Error::Service(Box::new(ServiceError {
            operation: OPERATION,
            status,
            code: Some(code.to_owned()),
            message: message.to_owned(),
            access_key_id: String::new(),
            request_id: None,
            retry_after: None,
            clock_skew: None,
        }))
    }

    fn nameless(status: u16) -> Error {
        match service(status, "", "<html>") {
            Error::Service(mut error) => {
                error.code = None;
                Error::Service(error)
            }
            error => error,
        }
    }

    fn route() -> Route {
        Route {
            host: "h:443".to_owned(),
            proxy: None,
        }
    }

    fn timeout() -> Error {
        Error::Timeout {
            operation: OPERATION,
            route: route(),
            after: Duration::from_secs(80),
            has_begun: false,
        }
    }

    fn redirect() -> Error {
        Error::Redirect {
            operation: OPERATION,
            status: 302,
            to: "https://portal".to_owned(),
        }
    }

    fn malformed() -> Error {
        Error::Malformed {
            operation: OPERATION,
            is_json: false,
            line: 1,
            column: 1,
        }
    }

    fn page() -> Error {
        Error::ContentType {
            operation: OPERATION,
            content_type: "text/html".to_owned(),
        }
    }

    fn too_long() -> Error {
        Error::TooLong {
            operation: OPERATION,
            limit: 1,
        }
    }

    fn no_credentials() -> Error {
        Error::Credentials {
            operation: OPERATION,
            source: CredentialsError::not_loaded_no_source(),
        }
    }

    fn proxy_authentication() -> Error {
        Error::ProxyAuthentication {
            operation: OPERATION,
            route: route(),
        }
    }

    /// Each row: the error, whether it leaves a doubt, and what follows without and with an
    /// earlier doubt.
    #[rstest]
    #[case::client_exception(
        service(400, "ClientException", ""),
        false,
        Disposition::RefusedForGood,
        Disposition::AcceptedAlready
    )]
    #[case::validation(
        service(400, "ValidationException", ""),
        false,
        Disposition::RefusedForGood,
        Disposition::AcceptedAlready
    )]
    #[case::serialization(
        service(400, "SerializationException", ""),
        false,
        Disposition::RefusedForGood,
        Disposition::AcceptedAlready
    )]
    #[case::throttling(
        service(400, "ThrottlingException", ""),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::http_429(
        service(429, "ClientException", ""),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::rate_exceeded(
        service(400, "ClientException", "Rate exceeded"),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::server_exception(
        service(500, "ServerException", ""),
        true,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::bad_gateway(
        service(502, "", "<html>"),
        true,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::unavailable(service(503, "", ""), true, Disposition::Retry, Disposition::Retry)]
    #[case::request_timeout(service(408, "", ""), true, Disposition::Retry, Disposition::Retry)]
    #[case::expired_token(
        service(400, "ExpiredTokenException", ""),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::clock_skew(
        service(400, "InvalidSignatureException", "Signature expired"),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::access_denied(
        service(400, "AccessDeniedException", ""),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::unknown_credentials(
        service(403, "UnrecognizedClientException", ""),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::unknown_operation(
        service(404, "UnknownOperationException", ""),
        false,
        Disposition::PerhapsRefused,
        Disposition::PerhapsRefused
    )]
    #[case::unknown_command(
        service(400, "HostCommandDoesNotExistException", ""),
        false,
        Disposition::PerhapsRefused,
        Disposition::PerhapsRefused
    )]
    #[case::gateways_page(nameless(404), false, Disposition::Retry, Disposition::Retry)]
    #[case::timeout(timeout(), true, Disposition::Retry, Disposition::Retry)]
    #[case::garbage(malformed(), true, Disposition::Retry, Disposition::Retry)]
    #[case::portal_page(page(), true, Disposition::Retry, Disposition::Retry)]
    #[case::enormous(too_long(), true, Disposition::Retry, Disposition::Retry)]
    #[case::redirect(redirect(), false, Disposition::Retry, Disposition::Retry)]
    #[case::no_credentials(no_credentials(), false, Disposition::Retry, Disposition::Retry)]
    #[case::proxy_authentication(
        proxy_authentication(),
        false,
        Disposition::Retry,
        Disposition::Retry
    )]
    #[case::over_our_limit(Error::Limit { operation: OPERATION, member: "m", limit: 1 }, false, Disposition::RefusedForGood, Disposition::RefusedForGood)]
    fn row(
        #[case] error: Error,
        #[case] leaves_a_doubt: bool,
        #[case] without: Disposition,
        #[case] with: Disposition,
    ) {
        assert_eq!(error.may_have_been_accepted(), leaves_a_doubt);
        assert_eq!(disposition(&error, false), without);
        assert_eq!(disposition(&error, true), with);
    }
}
