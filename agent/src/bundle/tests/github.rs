//! Bundles from GitHub (contract: deployment, DownloadBundle, "GitHub").

use std::time::{Duration, Instant};

use super::fetch;
use super::server::{Answer, Server, closed_port, header};
use crate::bundle::{FetchError, Fetched, GitHubRefusal, SourceSettings, Sources, Timing};
use crate::config::ProxyUri;
use crate::deployment::{BundleType, GitHubToken, Revision};
use crate::error::chain;
use crate::http::Proxies;

const TOKEN: &str = "ghp_0123456789secret";

async fn download(api: &str, token: bool) -> (Result<Fetched, FetchError>, tempfile::TempDir) {
    let delay = Duration::from_millis(1);
    let sources = Sources::new(SourceSettings {
        github_api: Some(api.to_owned()),
        timing: Timing {
            github_delays: vec![delay; 3],
            stall: Duration::from_millis(300),
            ..Timing::default()
        },
        ..SourceSettings::default()
    });
    let revision = Revision::GitHub {
        account: "owner".into(),
        repository: "repo".into(),
        commit: "feature/x".into(),
        bundle_type: BundleType::Tar,
        token: token.then(|| GitHubToken::new(TOKEN.into()).unwrap()),
    };
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle.tar");
    let result = fetch(&sources, &revision, &bundle).await;
    assert!(!place.path().join("bundle.tar.partial").exists());
    match &result {
        Ok(fetched) => assert_eq!(fs_err::metadata(&bundle).unwrap().len(), fetched.bytes),
        Err(error) => {
            assert!(!bundle.exists());
            assert!(!format!("{error:?} {}", chain(error)).contains(TOKEN));
        }
    }
    (result, place)
}

fn ok(body: &str) -> Answer {
    Answer::new("200 OK", &[], body)
}

#[tokio::test]
async fn the_redirect_is_followed_and_the_token_is_not_forwarded() {
    let storage = Server::start(|_, _| ok("archive"));
    let to = format!("{}/tarball?token=of-its-own", storage.url());
    let api = Server::start(move |number, _| match number {
        // First within the API, as for a repository that was renamed.
        0 => Answer::new("301 Moved", &[("Location", "/repositories/1/tarball")], ""),
        _ => Answer::new("302 Found", &[("Location", &to)], ""),
    });
    let (result, place) = download(&api.url(), true).await;
    assert_eq!(result.unwrap().bytes, 7);
    assert_eq!(
        fs_err::read(place.path().join("bundle.tar")).unwrap(),
        b"archive"
    );
    let requests = api.requests();
    assert!(
        requests[0].starts_with("GET /repos/owner/repo/tarball/feature/x "),
        "{requests:?}"
    );
    assert!(
        requests[1].starts_with("GET /repositories/1/tarball "),
        "{requests:?}"
    );
    for request in &requests {
        assert_eq!(
            header(request, "authorization"),
            Some(&*format!("token {TOKEN}"))
        );
        assert!(
            header(request, "user-agent")
                .unwrap()
                .starts_with("codedeploy-host-agent/")
        );
    }
    let requests = storage.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(header(&requests[0], "authorization"), None);
}

#[tokio::test]
async fn anonymously_no_token_is_sent() {
    let api = Server::start(|_, _| ok("archive"));
    download(&api.url(), false).await.0.unwrap();
    assert_eq!(header(&api.requests()[0], "authorization"), None);
}

#[rstest::rstest]
#[case("500 Internal Server Error", &[])]
#[case("502 Bad Gateway", &[])]
#[case("429 Too Many Requests", &[("Retry-After", "0")])]
#[case("403 Forbidden", &[("Retry-After", "0")])]
#[case("403 Forbidden", &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1")])]
#[tokio::test]
async fn transient_errors_are_retried(
    #[case] status: &'static str,
    #[case] headers: &'static [(&'static str, &'static str)],
) {
    let api = Server::start(move |number, _| match number {
        0..=2 => Answer::new(status, headers, r#"{"message":"wait"}"#),
        _ => ok("archive"),
    });
    download(&api.url(), true).await.0.unwrap();
    assert_eq!(api.requests().len(), 4);
}

#[tokio::test]
async fn the_tries_are_bounded() {
    let api = Server::start(|_, _| Answer::new("503 Service Unavailable", &[], ""));
    let error = download(&api.url(), true).await.0.unwrap_err();
    assert_eq!(api.requests().len(), 4);
    assert!(chain(&error).contains("503"), "{}", chain(&error));
}

#[rstest::rstest]
#[case("401 Unauthorized", true, GitHubRefusal::Unauthorized)]
#[case("403 Forbidden", true, GitHubRefusal::Forbidden)]
#[case("404 Not Found", true, GitHubRefusal::NotFound)]
#[case("404 Not Found", false, GitHubRefusal::NotFoundAnonymously)]
#[case("409 Conflict", true, GitHubRefusal::Status(409))]
#[tokio::test]
async fn refusals_fail_at_once(
    #[case] status: &'static str,
    #[case] token: bool,
    #[case] expected: GitHubRefusal,
) {
    let api =
        Server::start(move |_, _| Answer::new(status, &[], r#"{"message":"Bad\u0007 things"}"#));
    let error = download(&api.url(), token).await.0.unwrap_err();
    assert_eq!(api.requests().len(), 1);
    assert!(chain(&error).ends_with("Bad things"), "{}", chain(&error));
    let FetchError::GitHub { reason, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(reason, expected);
}

#[tokio::test]
async fn a_wait_of_an_hour_is_told_instead_of_waited() {
    let api =
        Server::start(|_, _| Answer::new("429 Too Many Requests", &[("Retry-After", "3600")], ""));
    let error = download(&api.url(), true).await.0.unwrap_err();
    assert_eq!(api.requests().len(), 1);
    assert!(chain(&error).contains("3600 s"), "{}", chain(&error));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_fetched_anew() {
    let api = Server::start(|number, _| match number {
        0 => Answer::new("200 OK", &[("Content-Length", "100")], "a part"),
        1 => Answer {
            bytes: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\na part\r\n".to_vec(),
            hold: false,
        },
        _ => ok("the whole"),
    });
    let (result, place) = download(&api.url(), true).await;
    assert_eq!(result.unwrap().bytes, 9);
    assert_eq!(
        fs_err::read(place.path().join("bundle.tar")).unwrap(),
        b"the whole"
    );
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let began = Instant::now();
    let api = Server::start(|_, _| Answer {
        hold: true,
        ..Answer::new("200 OK", &[("Content-Length", "100")], "a part")
    });
    let error = download(&api.url(), true).await.0.unwrap_err();
    assert!(
        chain(&error).contains("no answer in time"),
        "{}",
        chain(&error)
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn nobody_listening_is_told() {
    let error = download(&format!("http://{}", closed_port()), true)
        .await
        .0
        .unwrap_err();
    assert!(
        chain(&error).contains("connection was refused"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn redirects_to_plain_http_elsewhere_and_without_end_are_refused() {
    for to in [
        "http://example.invalid/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
    ] {
        let api = Server::start(move |_, _| Answer::new("302 Found", &[("Location", to)], ""));
        let error = download(&api.url(), true).await.0.unwrap_err();
        assert!(chain(&error).contains("not https"), "{}", chain(&error));
        assert_eq!(api.requests().len(), 1);
    }
    let api = Server::start(|_, _| Answer::new("302 Found", &[("Location", "/again")], ""));
    let error = download(&api.url(), true).await.0.unwrap_err();
    assert!(
        chain(&error).contains("too many redirects"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_proxy_is_used_where_it_is_meant() {
    let proxy = Server::start(|_, _| ok("through the proxy"));
    let api = Server::start(|_, _| ok("direct"));
    let uri = format!("http://user:p%40ss@{}", proxy.address);
    for (github, no_proxy, through) in [
        (true, None, true),
        (false, None, false),
        (true, Some("127.0.0.1"), false),
    ] {
        let no_proxy = no_proxy.map(|host| vec![host.to_owned()]);
        let proxies = Proxies::resolve(ProxyUri::parse(&uri).as_ref(), no_proxy.as_deref(), |_| {
            None
        });
        let sources = Sources::new(SourceSettings {
            github_api: Some(api.url()),
            proxies_github: match github {
                true => proxies.unwrap(),
                false => Proxies::none(),
            },
            ..SourceSettings::default()
        });
        let place = tempfile::tempdir().unwrap();
        let revision = Revision::GitHub {
            account: "o".into(),
            repository: "r".into(),
            commit: "c".into(),
            bundle_type: BundleType::Zip,
            token: None,
        };
        fetch(&sources, &revision, &place.path().join("b"))
            .await
            .unwrap();
        let content = fs_err::read_to_string(place.path().join("b")).unwrap();
        assert_eq!(content == "through the proxy", through);
    }
    // "user:p@ss" in base 64.
    let credentials = header(&proxy.requests()[0], "proxy-authorization").map(str::to_owned);
    assert_eq!(credentials.as_deref(), Some("Basic dXNlcjpwQHNz"));
}
