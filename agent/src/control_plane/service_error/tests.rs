use std::time::UNIX_EPOCH;

use rstest::rstest;

use super::*;

fn read(status: u16, headers: &[(&'static str, &str)], body: &str) -> ServiceError {
    let token = Some("session-token".to_owned());
    let credentials = Credentials::new("AKID", "secret-key", token, None, "test");
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    ServiceError::read(
        Operation::PutHostCommandComplete,
        StatusCode::from_u16(status).unwrap(),
        &headers,
        body.as_bytes(),
        // 1994-11-06T08:49:37Z
        UNIX_EPOCH + Duration::from_secs(784_111_777),
        &credentials,
    )
}

fn with_code(status: u16, code: &str) -> ServiceError {
    read(
        status,
        &[],
        &format!(r#"{{"__type":"{code}","message":"m"}}"#),
    )
}

#[rstest]
#[case::plain("ClientException")]
#[case::namespace("com.amazonaws.codedeploycommandservice.v20141006#ClientException")]
#[case::suffix("ClientException:http://internal.amazon.com/")]
fn the_type_loses_its_namespace(#[case] code: &str) {
    assert_eq!(
        with_code(400, code).code.as_deref(),
        Some("ClientException")
    );
}

#[test]
fn a_type_in_the_header_only() {
    let error = read(403, &[("x-amzn-errortype", "AccessDeniedException:")], "");
    assert_eq!(error.kind(), ServiceErrorKind::AccessDenied);
}

#[rstest]
fn throttling_by_type(
    #[values(
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestThrottled",
        "RequestThrottledException"
    )]
    code: &str,
    #[values(400, 403, 500, 503)] status: u16,
) {
    assert_eq!(with_code(status, code).kind(), ServiceErrorKind::Throttling);
}

#[rstest]
#[case::http_429(429, "")]
#[case::http_429_with_another_type(429, r#"{"__type":"ClientException"}"#)]
#[case::rate_exceeded(400, r#"{"__type":"ClientException","message":"Rate exceeded"}"#)]
#[case::rate_exceeded_5xx(503, r#"{"Message":"Rate exceeded for h"}"#)]
#[case::rate_exceeded_without_json(503, "<Error>Rate exceeded</Error>")]
fn throttling_otherwise(#[case] status: u16, #[case] body: &str) {
    assert_eq!(read(status, &[], body).kind(), ServiceErrorKind::Throttling);
}

#[rstest]
#[case(400, "ExpiredTokenException", ServiceErrorKind::ExpiredCredentials)]
#[case(403, "ExpiredToken", ServiceErrorKind::ExpiredCredentials)]
#[case(
    400,
    "UnrecognizedClientException",
    ServiceErrorKind::UnknownCredentials
)]
#[case(403, "InvalidClientTokenId", ServiceErrorKind::UnknownCredentials)]
#[case(400, "AccessDeniedException", ServiceErrorKind::AccessDenied)]
#[case(400, "InvalidSignatureException", ServiceErrorKind::Signature)]
#[case(403, "RequestTimeTooSkewed", ServiceErrorKind::Signature)]
#[case(400, "ClientException", ServiceErrorKind::Refused)]
#[case(400, "ValidationException", ServiceErrorKind::Refused)]
#[case(500, "ServerException", ServiceErrorKind::Server)]
#[case(400, "ServerException", ServiceErrorKind::Server)]
#[case(500, "ClientException", ServiceErrorKind::Server)]
#[case(404, "UnknownOperationException", ServiceErrorKind::Other)]
fn kinds(#[case] status: u16, #[case] code: &str, #[case] expected: ServiceErrorKind) {
    assert_eq!(with_code(status, code).kind(), expected);
}

#[rstest]
#[case("120", Some(120))]
#[case(" 5 ", Some(5))]
#[case("Sun, 06 Nov 1994 08:50:37 GMT", Some(60))]
#[case("Sun, 06 Nov 1994 08:40:37 GMT", None)]
#[case("soon", None)]
#[case("-1", None)]
fn retry_after(#[case] value: &str, #[case] seconds: Option<u64>) {
    let error = read(503, &[("retry-after", value)], "");
    assert_eq!(error.retry_after, seconds.map(Duration::from_secs));
}

#[test]
fn everything_is_told_on_one_line() {
    let error = read(
        400,
        &[("x-amzn-requestid", "1-2-3")],
        "{\"__type\":\"a#ClientException\",\"message\":\"no\\nsuch command\"}",
    );
    assert_eq!(
        error.to_string(),
        "PutHostCommandComplete was answered with HTTP 400 ClientException (no such command), \
         request id 1-2-3"
    );
}

#[test]
fn a_wrong_clock_is_told() {
    let error = read(
        403,
        &[("date", "Sun, 06 Nov 1994 09:49:37 GMT")],
        r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#,
    );
    let shown = error.to_string();
    assert!(
        shown.contains("this host's clock is 3600 s behind the service's: set it"),
        "{shown}"
    );
}

#[test]
fn a_wrong_signature_with_a_right_clock() {
    let error = read(
        403,
        &[("date", "Sun, 06 Nov 1994 08:49:39 GMT")],
        r#"{"__type":"InvalidSignatureException","message":"It does not match. The Canonical String for this request should have been 'x-amz-security-token:session-token'"}"#,
    );
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("secret key belongs to the access key"),
        "{shown}"
    );
    assert!(!shown.contains("session-token"), "{shown}");
}

#[test]
fn a_gateways_page_is_quoted_shortly() {
    let page = format!(
        "<html>\n<h1>Bad Gateway</h1>{}secret-key",
        "x ".repeat(10_000)
    );
    let error = read(502, &[], &page);
    assert_eq!(error.kind(), ServiceErrorKind::Server);
    assert!(
        error.message.starts_with("<html> <h1>Bad Gateway</h1>"),
        "{error}"
    );
    assert!(error.message.len() < 700);
}

#[test]
fn remedies_name_the_operation_and_the_file() {
    let shown = with_code(400, "AccessDeniedException").to_string();
    assert!(
        shown.contains("codedeploy-commands-secure:PutHostCommandComplete"),
        "{shown}"
    );
    let shown = with_code(400, "ExpiredTokenException").to_string();
    assert!(shown.contains("credentials file"), "{shown}");
}
