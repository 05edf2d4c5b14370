//! The client against a service that works and fails as real ones do.

use std::time::{Duration, Instant};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use integration_tests::fakes::FakeImds;
use integration_tests::fakes::imds::{ImdsRequest, Mode, Tokens};
use rstest::rstest;

use super::client::Patience;
use super::*;
use crate::error::chain;

const REGION: &str = "eu-west-1";

fn settings(imds: &FakeImds, disable_v1: bool) -> ImdsSettings {
    let variable =
        |name: &str| (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| imds.endpoint());
    ImdsSettings::new(variable, disable_v1).unwrap()
}

fn client(imds: &FakeImds, disable_v1: bool) -> Imds {
    Imds::new(settings(imds, disable_v1)).unwrap()
}

/// One that does not wait long.
fn hasty(imds: &FakeImds, disable_v1: bool) -> Imds {
    let patience = Patience {
        connect: Duration::from_secs(1),
        token: Duration::from_secs(1),
        request: Duration::from_secs(1),
    };
    Imds::with_patience(settings(imds, disable_v1), patience).unwrap()
}

/// What was asked, in order: method, path, token.
fn asked(imds: &FakeImds) -> Vec<(String, String, Option<String>)> {
    let short = |request: ImdsRequest| {
        let path = request.path.strip_prefix("/latest/").unwrap().to_owned();
        (request.method, path, request.token)
    };
    imds.requests().into_iter().map(short).collect()
}

fn put() -> (String, String, Option<String>) {
    ("PUT".to_owned(), "api/token".to_owned(), None)
}

fn get(path: &str, token: Option<&str>) -> (String, String, Option<String>) {
    ("GET".to_owned(), path.to_owned(), token.map(str::to_owned))
}

const DOMAIN: &str = "meta-data/services/domain";
const PARTITION: &str = "meta-data/services/partition";
const DOCUMENT: &str = "dynamic/instance-identity/document";

#[rstest]
#[case(Tokens::Optional)]
#[case(Tokens::Required)]
#[tokio::test]
async fn version_2_takes_one_token_for_all(#[case] tokens: Tokens) {
    let imds = FakeImds::start(REGION);
    imds.tokens(tokens);
    let client = client(&imds, true);
    let instance = client.instance_identity().await.unwrap();
    let partition = client.partition().await.unwrap().unwrap();
    assert_eq!(
        instance.arn(&partition),
        "arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0"
    );
    assert_eq!(
        client.clone().domain().await.unwrap().unwrap().as_str(),
        "amazonaws.com"
    );
    let token = Some("TOKEN-1==");
    assert_eq!(
        asked(&imds),
        [
            put(),
            get(DOCUMENT, token),
            get(PARTITION, token),
            get(DOMAIN, token)
        ]
    );
}

#[tokio::test]
async fn many_at_once_share_one_token() {
    let imds = FakeImds::start(REGION);
    let client = client(&imds, false);
    let (a, b, c) = tokio::join!(
        client.domain(),
        client.partition(),
        client.instance_identity()
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let tokens = asked(&imds)
        .into_iter()
        .filter(|request| *request == put())
        .count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn a_token_is_renewed_on_401() {
    let imds = FakeImds::start(REGION);
    imds.tokens(Tokens::Required);
    let client = client(&imds, false);
    client.domain().await.unwrap().unwrap();
    imds.forget_tokens();
    client.domain().await.unwrap().unwrap();
    client.domain().await.unwrap().unwrap();
    let (one, two) = (Some("TOKEN-1=="), Some("TOKEN-2=="));
    assert_eq!(
        asked(&imds),
        [
            put(),
            get(DOMAIN, one),
            get(DOMAIN, one),
            put(),
            get(DOMAIN, two),
            get(DOMAIN, two)
        ]
    );
}

#[tokio::test]
async fn a_service_that_knows_no_token_is_not_asked_for_ever() {
    let imds = FakeImds::start(REGION);
    imds.tokens(Tokens::Required);
    imds.behave(Mode::Answering);
    let client = client(&imds, false);
    client.domain().await.unwrap();
    imds.behave(Mode::Status(401));
    let error = client.domain().await.unwrap_err();
    assert_eq!(
        chain(&error),
        "instance metadata answered HTTP 401 for api/token"
    );
    assert_eq!(imds.requests().len(), 4);
}

#[rstest]
#[case::not_found(Tokens::Refused(404))]
#[case::forbidden(Tokens::Refused(403))]
#[case::not_allowed(Tokens::Refused(405))]
#[case::swallowed(Tokens::Swallowed)]
#[tokio::test]
async fn without_tokens_version_1_is_used(#[case] tokens: Tokens) {
    let imds = FakeImds::start(REGION);
    imds.tokens(tokens);
    let client = match tokens {
        Tokens::Swallowed => hasty(&imds, false),
        _ => client(&imds, false),
    };
    client.domain().await.unwrap().unwrap();
    client.partition().await.unwrap().unwrap();
    assert_eq!(
        asked(&imds),
        [put(), get(DOMAIN, None), get(PARTITION, None)]
    );
}

#[rstest]
#[case::not_found(
    Tokens::Refused(404),
    "instance metadata gave no session token (HTTP 404) and disable_imds_v1 forbids to go on without"
)]
#[case::swallowed(Tokens::Swallowed, "instance metadata at http://127.0.0.1:")]
#[tokio::test]
async fn disable_imds_v1(#[case] tokens: Tokens, #[case] expected: &str) {
    let imds = FakeImds::start(REGION);
    imds.tokens(tokens);
    let error = hasty(&imds, true).domain().await.unwrap_err();
    assert!(chain(&error).starts_with(expected), "{}", chain(&error));
    assert_eq!(asked(&imds), [put()]);
}

#[tokio::test]
async fn version_1_that_is_switched_off_leads_back_to_a_token() {
    let imds = FakeImds::start(REGION);
    imds.tokens(Tokens::Refused(404));
    let client = client(&imds, false);
    client.domain().await.unwrap();
    imds.tokens(Tokens::Required);
    client.domain().await.unwrap().unwrap();
    let expected = [
        put(),
        get(DOMAIN, None),
        get(DOMAIN, None),
        put(),
        get(DOMAIN, Some("TOKEN-1==")),
    ];
    assert_eq!(asked(&imds), expected);
}

#[rstest]
#[case::token_error(
    Tokens::Refused(500),
    "instance metadata answered HTTP 500 for api/token"
)]
#[case::bad_request(
    Tokens::Refused(400),
    "instance metadata answered HTTP 400 for api/token"
)]
#[tokio::test]
async fn an_error_is_no_reason_for_version_1(#[case] tokens: Tokens, #[case] expected: &str) {
    let imds = FakeImds::start(REGION);
    imds.tokens(tokens);
    let error = client(&imds, false).domain().await.unwrap_err();
    assert_eq!(chain(&error), expected);
}

#[rstest]
#[case::absent(Mode::Absent, "did not answer")]
#[case::silent(Mode::Silent, "did not answer")]
#[case::slow(Mode::Slow(Duration::from_secs(30)), "did not answer")]
#[case::garbage(Mode::Garbage, "is not text for api/token")]
#[case::enormous(Mode::Enormous, "answered more than 65536 bytes for api/token")]
#[case::redirect(
    Mode::Redirect("http://127.0.0.1:9/".to_owned()),
    "answered HTTP 302 for api/token"
)]
#[case::status(Mode::Status(503), "answered HTTP 503 for api/token")]
#[tokio::test]
async fn a_service_that_fails_is_an_error_and_soon(#[case] mode: Mode, #[case] expected: &str) {
    let imds = FakeImds::start(REGION);
    imds.behave(mode);
    let started = Instant::now();
    let error = hasty(&imds, true).domain().await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[rstest]
#[case::garbage(Mode::Garbage, "is not text for meta-data/services/domain")]
#[case::enormous(Mode::Enormous, "more than 65536 bytes for meta-data/services/domain")]
#[case::redirect(Mode::Redirect("http://127.0.0.1:9/".to_owned()), "HTTP 302")]
#[case::silent(Mode::Silent, "did not answer")]
#[tokio::test]
async fn an_answer_that_is_none_is_an_error(#[case] mode: Mode, #[case] expected: &str) {
    let imds = FakeImds::start(REGION);
    let client = hasty(&imds, true);
    client.domain().await.unwrap();
    imds.behave(mode);
    let error = client.domain().await.unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(imds.requests().len(), 3);
}

#[tokio::test]
async fn nobody_there_is_an_error_with_a_remedy() {
    // The port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let variable = |name: &str| {
        (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| format!("http://127.0.0.1:{port}/"))
    };
    let imds = Imds::new(ImdsSettings::new(variable, false).unwrap()).unwrap();
    let text = chain(&imds.instance_identity().await.unwrap_err());
    let expected = format!("instance metadata at http://127.0.0.1:{port} did not answer; ");
    assert!(text.starts_with(&expected), "{text}");
    assert!(
        text.contains("on-premises file") && text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_none_but_the_document() {
    let imds = FakeImds::start(REGION);
    for path in [DOMAIN, PARTITION, DOCUMENT] {
        imds.remove(path);
    }
    let client = client(&imds, false);
    assert_eq!(client.domain().await.unwrap(), None);
    assert_eq!(client.partition().await.unwrap(), None);
    let error = client.instance_identity().await.unwrap_err();
    assert!(matches!(error, ImdsError::Absent { .. }), "{error:?}");
}

#[rstest]
#[case(DOMAIN, "evil.example/x")]
#[case(DOMAIN, "<html>")]
#[case(PARTITION, "aws:evil")]
#[tokio::test]
async fn names_of_another_form_are_errors(#[case] path: &str, #[case] text: &str) {
    let imds = FakeImds::start(REGION);
    imds.set(path, text);
    let client = client(&imds, false);
    let errors = [client.domain().await.err(), client.partition().await.err()];
    let error = errors.into_iter().flatten().next().unwrap();
    assert!(chain(&error).contains(text), "{}", chain(&error));
}

#[tokio::test]
async fn switched_off_nothing_is_asked() {
    let imds = FakeImds::start(REGION);
    let variable = |name: &str| match name {
        "AWS_EC2_METADATA_DISABLED" => Some("true".to_owned()),
        "AWS_EC2_METADATA_SERVICE_ENDPOINT" => Some(imds.endpoint()),
        _ => None,
    };
    let client = Imds::new(ImdsSettings::new(variable, false).unwrap()).unwrap();
    assert!(matches!(client.domain().await, Err(ImdsError::Disabled)));
    assert!(imds.requests().is_empty());
}

#[tokio::test]
async fn the_role_has_credentials() {
    let imds = FakeImds::start(REGION);
    let provider = InstanceProfile::new(client(&imds, false));
    let credentials = provider.provide_credentials().await.unwrap();
    assert_eq!(credentials.access_key_id(), "ASIAINSTANCE");
    assert_eq!(credentials.session_token(), Some("instance-token"));
    // Rotated without a restart.
    imds.set_credentials("ASIANEW", "new-secret", "new-token");
    let credentials = provider.provide_credentials().await.unwrap();
    assert_eq!(credentials.access_key_id(), "ASIANEW");
}

#[rstest]
#[case::none(None, "the instance has no IAM role; attach an instance profile to it")]
#[case::empty(
    Some(""),
    "the instance has no IAM role; attach an instance profile to it"
)]
#[case::path(Some("../../x"), "instance metadata has a wrong name of the IAM role")]
#[tokio::test]
async fn without_a_role_there_are_none(#[case] role: Option<&str>, #[case] expected: &str) {
    let imds = FakeImds::start(REGION);
    imds.remove_role();
    if let Some(role) = role {
        imds.set("meta-data/iam/security-credentials/", role);
    }
    let provider = InstanceProfile::new(client(&imds, false));
    let error = provider.provide_credentials().await.unwrap_err();
    assert!(chain(&error).ends_with(expected), "{}", chain(&error));
    let not_loaded = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    assert_eq!(not_loaded, expected.contains("no IAM role"));
}

#[test]
fn nothing_that_is_shown_has_a_token() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let imds = FakeImds::start(REGION);
    let client = client(&imds, false);
    runtime.block_on(client.domain()).unwrap();
    let shown = format!("{client:?}");
    assert!(
        shown.contains("Sensitive") && !shown.contains("TOKEN-1"),
        "{shown}"
    );
}
