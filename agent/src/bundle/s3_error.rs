//! What S3's errors mean.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::operation::RequestId as _;
use aws_sdk_s3::operation::get_object::GetObjectError;

use super::fetch_error::S3Refusal;
use super::network::{Cause, NetworkProblem, find, problem};

/// A failed request for an object.
pub(super) type GetError = SdkError<GetObjectError, HttpResponse>;

/// What a failed request means, and what was answered.
pub(super) fn explain(error: &GetError) -> (S3Refusal, Cause) {
    if let Some(error) = find::<CredentialsError>(error) {
        let reason = match error {
            CredentialsError::ProviderError(_) | CredentialsError::Unhandled(_)
                if problem(error) != NetworkProblem::Other =>
            {
                S3Refusal::Network(problem(error))
            }
            _ => S3Refusal::NoCredentials,
        };
        return (reason, Cause::of(error));
    }
    let Some(response) = error.raw_response() else {
        let timed_out = match error {
            SdkError::TimeoutError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_timeout(),
            _ => false,
        };
        let problem = if timed_out {
            NetworkProblem::TimedOut
        } else {
            problem(error)
        };
        return (S3Refusal::Network(problem), Cause::of(error));
    };
    let status = response.status().as_u16();
    let code = error.code().unwrap_or_default();
    let message = error.message().unwrap_or_default();
    let mut said = format!("HTTP status {status}");
    for part in [code, message] {
        if !part.is_empty() {
            said.push_str(": ");
            said.push_str(part);
        }
    }
    if let Some(id) = error.request_id() {
        said.push_str(&format!(" (request {id})"));
    }
    (refusal(status, code, message), Cause(said))
}

fn refusal(status: u16, code: &str, message: &str) -> S3Refusal {
    let about_kms = code.starts_with("KMS.") || message.contains("kms:") || message.contains("KMS");
    match code {
        "NoSuchKey" => S3Refusal::NoSuchKey,
        "NoSuchBucket" => S3Refusal::NoSuchBucket,
        "NoSuchVersion" => S3Refusal::NoSuchVersion,
        "InvalidArgument" if message.contains("version") => S3Refusal::NoSuchVersion,
        "MethodNotAllowed" => S3Refusal::Deleted,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => S3Refusal::Expired,
        "InvalidAccessKeyId" | "InvalidToken" | "SignatureDoesNotMatch" => {
            S3Refusal::BadCredentials
        }
        "RequestTimeTooSkewed" | "RequestExpired" => S3Refusal::ClockSkew,
        "InvalidObjectState" => S3Refusal::Archived,
        // Where a part should be, there is none: the object has become shorter.
        "PreconditionFailed" | "InvalidRange" => S3Refusal::Changed,
        _ if about_kms && matches!(status, 400 | 403) => S3Refusal::KeyDenied,
        "SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" => S3Refusal::Busy,
        _ => match status {
            403 => S3Refusal::AccessDenied,
            404 => S3Refusal::NoSuchKey,
            405 => S3Refusal::Deleted,
            412 | 416 => S3Refusal::Changed,
            500..=599 | 429 => S3Refusal::Busy,
            _ => S3Refusal::Other,
        },
    }
}

/// The region in which S3 says the bucket is, when that is another than `asked`.
pub(super) fn other_region(error: &GetError, asked: &str) -> Option<String> {
    let response = error.raw_response()?;
    let wrong_region = matches!(response.status().as_u16(), 301 | 307)
        || matches!(
            error.code(),
            Some(
                "PermanentRedirect"
                    | "AuthorizationHeaderMalformed"
                    | "TemporaryRedirect"
                    | "IllegalLocationConstraintException"
            )
        );
    if !wrong_region {
        return None;
    }
    let in_header = response
        .headers()
        .get("x-amz-bucket-region")
        .map(str::to_owned);
    let in_body = || {
        let body = std::str::from_utf8(response.body().bytes()?).ok()?;
        let (_, rest) = body.split_once("<Region>")?;
        Some(rest.split_once("</Region>")?.0.to_owned())
    };
    in_header
        .or_else(in_body)
        .filter(|region| region != asked && is_region(region))
}

/// A region becomes a part of a host name.
fn is_region(region: &str) -> bool {
    !region.is_empty()
        && region.len() <= 40
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(404, "NoSuchKey", "", S3Refusal::NoSuchKey)]
    #[case(404, "NoSuchBucket", "", S3Refusal::NoSuchBucket)]
    #[case(404, "NoSuchVersion", "", S3Refusal::NoSuchVersion)]
    #[case(
        400,
        "InvalidArgument",
        "Invalid version id specified",
        S3Refusal::NoSuchVersion
    )]
    #[case(405, "MethodNotAllowed", "", S3Refusal::Deleted)]
    #[case(403, "AccessDenied", "Access Denied", S3Refusal::AccessDenied)]
    #[case(
        403,
        "AccessDenied",
        "User x is not authorized to perform: kms:Decrypt",
        S3Refusal::KeyDenied
    )]
    #[case(400, "KMS.DisabledException", "", S3Refusal::KeyDenied)]
    #[case(400, "ExpiredToken", "", S3Refusal::Expired)]
    #[case(403, "InvalidAccessKeyId", "", S3Refusal::BadCredentials)]
    #[case(403, "SignatureDoesNotMatch", "", S3Refusal::BadCredentials)]
    #[case(403, "RequestTimeTooSkewed", "", S3Refusal::ClockSkew)]
    #[case(403, "InvalidObjectState", "", S3Refusal::Archived)]
    #[case(416, "InvalidRange", "", S3Refusal::Changed)]
    #[case(503, "SlowDown", "", S3Refusal::Busy)]
    #[case(500, "", "", S3Refusal::Busy)]
    #[case(418, "Teapot", "", S3Refusal::Other)]
    fn codes_become_reasons(
        #[case] status: u16,
        #[case] code: &str,
        #[case] message: &str,
        #[case] reason: S3Refusal,
    ) {
        assert_eq!(refusal(status, code, message), reason);
    }
}
