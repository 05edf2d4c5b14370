//! The instance metadata service.

use std::time::Duration;

use integration_tests::fakes::FakeImds;
use integration_tests::fakes::imds::{Mode, ROLE, Tokens};
use rstest::rstest;

use crate::client::alone;

const DOMAIN: &str = "meta-data/services/domain";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// The status and the text of an answer; None without one.
async fn send(request: reqwest::RequestBuilder) -> Option<(u16, String)> {
    let response = request.send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

async fn get(imds: &FakeImds, path: &str, token: &str) -> Option<(u16, String)> {
    let url = format!("{}/latest/{path}", imds.endpoint());
    let mut request = http().get(url).timeout(Duration::from_millis(500));
    if !token.is_empty() {
        request = request.header(TOKEN, token);
    }
    send(request).await
}

async fn put(imds: &FakeImds, ttl: &str) -> Option<(u16, String)> {
    let url = format!("{}/latest/api/token", imds.endpoint());
    let request = http().put(url).timeout(Duration::from_millis(500));
    send(request.header(TTL, ttl)).await
}

fn status(answer: Option<(u16, String)>) -> u16 {
    answer.unwrap().0
}

#[tokio::test]
async fn version_1_and_2_are_served() {
    let imds = FakeImds::start("eu-west-1");
    let domain = Some((200, "amazonaws.com".to_owned()));
    assert_eq!(get(&imds, DOMAIN, "").await, domain);
    let (_, token) = put(&imds, "21600").await.unwrap();
    assert_eq!(get(&imds, DOMAIN, &token).await, domain);
    assert_eq!(status(get(&imds, DOMAIN, "other").await), 401);
    imds.forget_tokens();
    assert_eq!(status(get(&imds, DOMAIN, &token).await), 401);
    assert_eq!(status(get(&imds, "meta-data/nothing", "").await), 404);
    let requests = imds.wait_for("all requests", |requests| requests.len() == 6);
    assert_eq!(requests[1].method, "PUT");
    assert_eq!(requests[2].token.as_deref(), Some(token.as_str()));
    assert_eq!(requests[3].status, Some(401));
}

#[rstest]
#[case("0")]
#[case("21601")]
#[case("")]
#[tokio::test]
async fn a_token_has_a_lifetime(#[case] ttl: &str) {
    assert_eq!(status(put(&FakeImds::start("eu-west-1"), ttl).await), 400);
}

#[tokio::test]
async fn tokens_can_be_required_and_refused() {
    let imds = FakeImds::start("eu-west-1");
    imds.tokens(Tokens::Required);
    assert_eq!(status(get(&imds, DOMAIN, "").await), 401);
    imds.tokens(Tokens::Refused(403));
    assert_eq!(status(put(&imds, "60").await), 403);
    assert_eq!(status(get(&imds, DOMAIN, "").await), 200);
}

#[test]
fn it_fails_on_demand() {
    let imds = FakeImds::start("eu-west-1");
    let answer = |mode| {
        imds.behave(mode);
        alone(get(&imds, DOMAIN, ""))
    };
    assert_eq!(answer(Mode::Absent), None);
    assert_eq!(answer(Mode::Silent), None);
    assert_eq!(answer(Mode::Slow(Duration::from_secs(30))), None);
    assert_eq!(status(answer(Mode::Slow(Duration::from_millis(1)))), 200);
    assert_eq!(status(answer(Mode::Status(503))), 503);
    assert_eq!(
        status(answer(Mode::Redirect("http://127.0.0.1:9/".to_owned()))),
        302
    );
    assert!(answer(Mode::Garbage).unwrap().1.contains("<html>"));
    imds.behave(Mode::Answering);
    imds.tokens(Tokens::Swallowed);
    assert_eq!(alone(put(&imds, "60")), None);
    assert_eq!(status(alone(get(&imds, DOMAIN, ""))), 200);
}

#[tokio::test]
async fn the_role_and_the_document_can_change() {
    let imds = FakeImds::start("eu-west-1");
    let list = "meta-data/iam/security-credentials/";
    assert_eq!(get(&imds, list, "").await.unwrap().1, ROLE);
    imds.set_credentials("ASIANEW", "s", "t");
    let document = get(&imds, &format!("{list}{ROLE}"), "").await.unwrap().1;
    assert!(document.contains("ASIANEW"), "{document}");
    imds.remove_role();
    assert_eq!(status(get(&imds, list, "").await), 404);
    let document = get(&imds, "dynamic/instance-identity/document", "")
        .await
        .unwrap()
        .1;
    assert!(document.contains("eu-west-1"), "{document}");
}
