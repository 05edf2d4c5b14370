use std::sync::atomic::Ordering;

use rstest::rstest;
use tokio::net::TcpListener;

use super::*;
use crate::control_plane::{
    CompletionStatus, ConnectFailure, ControlPlane as _, Disposition, Envelope, Error, disposition,
};

/// The error of a completion that is answered so, and what follows from it.
async fn completion(reply: Reply) -> (Error, Disposition) {
    // Short only where it is waited for.
    let read_timeout = match reply {
        Reply::Stall(_) | Reply::Drip(_) => Duration::from_secs(1),
        _ => Duration::from_secs(20),
    };
    let fake = Fake::replying(reply).await;
    let settings = Settings {
        read_timeout,
        ..settings(&fake.url())
    };
    let client = client_with(settings);
    let diagnostics = Envelope::json("{}".to_owned());
    let result = client
        .put_host_command_complete("c", CompletionStatus::Failed, &diagnostics)
        .await;
    let error = result.unwrap_err();
    let _ = shown(&error);
    let disposition = disposition(&error, false);
    (error, disposition)
}

fn error_body(code: &str, message: &str) -> String {
    serde_json::json!({ "__type": format!("com.amazonaws#{code}"), "message": message }).to_string()
}

fn head(rest: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\n{rest}\r\n")
        .into_bytes()
}

/// Each fault, the error's text, what it counts as, and whether trying again makes sense.
#[rstest]
#[case::http_429(Reply::json(429, "{}"), "HTTP 429", "throttling", true)]
#[case::throttling_exception(
    Reply::json(400, &error_body("ThrottlingException", "slow down")),
    "HTTP 400 ThrottlingException (slow down), request id 0123-request",
    "throttling",
    true
)]
#[case::http_500(Reply::json(500, &error_body("ServerException", "oops")), "HTTP 500 ServerException", "transient doubt", true)]
#[case::gateway_page(Reply::new(502, &[("content-type", "text/html")], "<h1>Bad</h1>"), "HTTP 502 (<h1>Bad</h1>)", "transient doubt", true)]
#[case::expired_token(Reply::json(400, &error_body("ExpiredTokenException", "The security token included in the request is expired")), "the credentials have expired", "credentials", true)]
#[case::access_denied(Reply::json(400, &error_body("AccessDeniedException", "no")), "allow the host's role or user", "credentials", true)]
#[case::client_exception(Reply::json(400, &error_body("ClientException", "unknown command")), "HTTP 400 ClientException (unknown command)", "", false)]
#[case::echoed_token(Reply::json(403, &error_body("InvalidSignatureException", &format!("no {TOKEN} {SECRET_KEY}"))), "no (hidden) (hidden)", "credentials", true)]
#[case::clock(Reply::new(403, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("content-type", "application/x-amz-json-1.1")], &error_body("InvalidSignatureException", "Signature expired")), "s ahead of the service's: set it", "credentials", true)]
#[case::enormous_429(
    Reply::Flood(b"HTTP/1.1 429 x\r\n\r\n".to_vec(), 64 << 20),
    "answered with HTTP 429",
    "throttling",
    true
)]
#[case::damaged_500(
    Reply::Part(b"HTTP/1.1 500 x\r\ncontent-length: 10\r\n\r\nx".to_vec()),
    "answered with HTTP 500",
    "transient doubt",
    true
)]
#[case::dropped(
    Reply::Close,
    "broke during PutHostCommandComplete",
    "transient doubt",
    true
)]
#[case::dropped_in_the_head(Reply::Part(b"HTTP/1.1 200 OK\r\nconte".to_vec()), "broke during PutHostCommandComplete", "transient doubt", true)]
#[case::dropped_in_the_body(
    Reply::Part(head("content-length: 10\r\n")),
    "broke during PutHostCommandComplete",
    "transient doubt",
    true
)]
#[case::silent(
    Reply::Stall(Vec::new()),
    "within 1 s (http_read_timeout)",
    "transient doubt",
    true
)]
#[case::silent_body(
    Reply::Stall(head("content-length: 10\r\n")),
    "no whole answer to PutHostCommandComplete",
    "transient doubt",
    true
)]
#[case::dripping_body(
    Reply::Drip(head("content-length: 100000\r\n")),
    "no whole answer to PutHostCommandComplete",
    "transient doubt",
    true
)]
#[case::not_http(Reply::Part(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), "broke during PutHostCommandComplete", "transient doubt", true)]
#[case::garbage(
    Reply::json(200, "\u{1}garbage"),
    "is not JSON (line 1, column 1)",
    "doubt",
    true
)]
#[case::truncated(Reply::json(200, r#"{"a":"#), "is not JSON", "doubt", true)]
#[case::other_json(Reply::json(200, "[]"), "is JSON of another form", "doubt", true)]
#[case::deep(Reply::json(200, &format!("{{\"a\":{}", "[".repeat(100_000))), "is not JSON", "doubt", true)]
#[case::portal(Reply::new(200, &[("content-type", "text/html; charset=utf-8")], "<html>log in</html>"), "answered with \"text/html; charset=utf-8\" instead of JSON", "doubt", true)]
#[case::redirect(Reply::new(302, &[("location", "https://portal.example/path?token=t")], ""), "a redirection to https://portal.example, which is not followed", "", true)]
#[case::relative_redirect(Reply::new(307, &[("location", "/elsewhere")], ""), "a redirection to another path", "", true)]
#[case::strange_status(Reply::json(304, ""), "HTTP 304", "", true)]
#[tokio::test]
async fn fault(
    #[case] reply: Reply,
    #[case] text: &str,
    #[case] counts_as: &str,
    #[case] is_retried: bool,
) {
    let (error, disposition) = completion(reply).await;
    let shown = shown(&error);
    assert!(shown.contains(text), "{shown}");
    let is = |word| counts_as.contains(word);
    assert_eq!(error.is_throttling(), is("throttling"), "{error:?}");
    assert_eq!(
        error.is_transient(),
        is("transient") || is("throttling"),
        "{error:?}"
    );
    assert_eq!(error.is_credentials(), is("credentials"), "{error:?}");
    assert_eq!(error.may_have_been_accepted(), is("doubt"), "{error:?}");
    assert_eq!(disposition == Disposition::Retry, is_retried);
}

#[rstest]
#[case::announced("content-length: 67108864\r\n")]
#[case::until_the_end("")]
#[tokio::test]
async fn a_body_of_64_mb_is_not_read(#[case] rest: &str) {
    let mut fake = Fake::replying(Reply::Flood(head(rest), 64 << 20)).await;
    let error = client(&fake.url())
        .poll_host_command(HOST)
        .await
        .unwrap_err();
    assert_eq!(
        shown(&error),
        "the answer to PollHostCommand was refused: it has more than 4194304 bytes"
    );
    fake.wait_for_closed().await;
    // What the sockets' buffers took besides.
    assert!(fake.sent.load(Ordering::Relaxed) < 32 << 20);
}

#[tokio::test]
async fn a_redirection_takes_no_request_elsewhere() {
    let other = Fake::replying(Reply::json(200, "{}")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = other.url();
        let fake = Fake::replying(Reply::new(status, &[("location", &location)], "")).await;
        let error = client(&fake.url())
            .poll_host_command(HOST)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{error:?}");
        assert_eq!(fake.received().len(), 1);
    }
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn the_clocks_difference_is_noted_from_any_answer() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let json = ("content-type", "application/x-amz-json-1.1");
    let fake = Fake::replying(Reply::new(200, &[date, json], "{}")).await;
    let client = client(&fake.url());
    assert_eq!(client.clock_skew(), None);
    client.poll_host_command(HOST).await.unwrap();
    let skew = client.clock_skew().unwrap();
    assert!(!skew.is_behind && skew.is_considerable(), "{skew}");
}

#[tokio::test]
async fn an_error_does_not_spoil_the_next_attempt() {
    let fake = Fake::start(|before, _| match before {
        0 => Reply::Close,
        1 => Reply::json(500, "{}"),
        _ => Reply::json(200, "{}"),
    })
    .await;
    let client = client(&fake.url());
    assert!(client.poll_host_command(HOST).await.is_err());
    assert!(client.poll_host_command(HOST).await.is_err());
    assert_eq!(client.poll_host_command(HOST).await.unwrap(), None);
    // A call that may have arrived is never repeated behind the caller's back.
    assert_eq!(fake.received().len(), 3);
}

#[tokio::test]
async fn connection_refused() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let client = client(&format!("http://{address}/"));
    let error = client.poll_host_command(HOST).await.unwrap_err();
    let Error::Connect { failure, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*failure, ConnectFailure::Refused);
    let shown = shown(&error);
    let start = format!(
        "cannot connect to {address} for PollHostCommand: the connection was refused; check \
         firewalls and the address: "
    );
    assert!(shown.starts_with(&start), "{shown}");
    assert!(
        shown.contains("Connection refused (os error 111)"),
        "{shown}"
    );
    assert!(error.is_transient() && !error.may_have_been_accepted());
}

#[tokio::test]
async fn an_unknown_host() {
    // A label that is too long is refused by the resolver itself; nothing is asked outside.
    let host = format!("{}.invalid", "x".repeat(64));
    let client = client(&format!("http://{host}/"));
    let error = client.poll_host_command(HOST).await.unwrap_err();
    let Error::Connect { failure, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*failure, ConnectFailure::UnknownHost);
    assert!(
        shown(&error).contains("check DNS, the region"),
        "{}",
        shown(&error)
    );
}
