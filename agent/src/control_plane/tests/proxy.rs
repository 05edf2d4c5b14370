use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::signature::assert_signed;
use super::tls::{Authority, certificate_for};
use super::*;
use crate::config::ProxyUri;
use crate::control_plane::{ConnectFailure, ControlPlane as _, Error};

fn through(proxy: &Fake, url: &str, no_proxy: &[&str]) -> Settings {
    let text = format!("http://us%40er:proxy-password@{}", proxy.address);
    let proxy = ProxyUri::parse(&text).unwrap();
    let no_proxy: Vec<String> = no_proxy.iter().map(|host| (*host).to_owned()).collect();
    Settings {
        proxies: Proxies::resolve(Some(&proxy), Some(&no_proxy), |_| None).unwrap(),
        ..settings(url)
    }
}

fn authorization() -> String {
    format!("Basic {}", STANDARD.encode("us@er:proxy-password"))
}

#[tokio::test]
async fn plain_http_goes_through_the_proxy_with_its_credentials() {
    let proxy = Fake::replying(Reply::json(200, "{}")).await;
    let settings = through(&proxy, "http://service.invalid/", &[]);
    client_with(settings).poll_host_command(HOST).await.unwrap();
    let received = proxy.received();
    assert_eq!(
        received[0].first_line,
        "POST http://service.invalid/ HTTP/1.1"
    );
    let sent = received[0].header("proxy-authorization");
    assert_eq!(sent, Some(authorization().as_str()));
    assert_signed(&received[0], SECRET_KEY, "codedeploy-commands");
}

#[tokio::test]
async fn no_proxy_goes_directly() {
    let proxy = Fake::replying(Reply::json(200, "{}")).await;
    let service = Fake::replying(Reply::json(200, "{}")).await;
    let settings = through(&proxy, &service.url(), &["127.0.0.0/8"]);
    client_with(settings).poll_host_command(HOST).await.unwrap();
    assert!(proxy.received().is_empty());
    assert_eq!(service.received()[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_the_service_sees_no_proxy_credentials() {
    let authority = Authority::new();
    let tls = authority.acceptor(&certificate_for("localhost"));
    let service = Fake::start_with(|_, _| Reply::json(200, "{}"), Some(tls)).await;
    let address = service.address;
    let proxy = Fake::start(move |_, _| Reply::Tunnel(address)).await;
    let settings = through(&proxy, "https://localhost:4433/", &[]);
    let provider = SharedCredentialsProvider::new(credentials());
    let client = Client::new(settings, &authority.roots(), provider).unwrap();
    client.poll_host_command(HOST).await.unwrap();
    let asked = proxy.received();
    assert_eq!(asked[0].first_line, "CONNECT localhost:4433 HTTP/1.1");
    let sent = asked[0].header("proxy-authorization");
    assert_eq!(sent, Some(authorization().as_str()));
    let received = service.received();
    assert_eq!(received[0].header("proxy-authorization"), None);
    assert_signed(&received[0], SECRET_KEY, "codedeploy-commands");
}

async fn error_through(reply: Reply, url: &str) -> Error {
    let proxy = Fake::replying(reply).await;
    let client = client_with(through(&proxy, url, &[]));
    client.poll_host_command(HOST).await.unwrap_err()
}

#[rstest::rstest]
#[case::tunnel("https://localhost:4433/")]
#[case::plain("http://service.invalid/")]
#[tokio::test]
async fn a_proxy_that_wants_other_credentials(#[case] url: &str) {
    let error = error_through(Reply::new(407, &[], "log in"), url).await;
    assert!(
        matches!(error, Error::ProxyAuthentication { .. }),
        "{error:?}"
    );
    let shown = shown(&error);
    assert!(
        shown.contains("through the proxy http://(hidden)@127.0.0.1:"),
        "{shown}"
    );
    assert!(shown.contains("put them into proxy_uri"), "{shown}");
    assert!(!error.may_have_been_accepted());
}

#[tokio::test]
async fn a_proxy_that_does_not_connect() {
    let error = error_through(Reply::new(403, &[], ""), "https://localhost:4433/").await;
    let failure = match &error {
        Error::Connect { failure, .. } => *failure,
        _ => panic!("{error:?}"),
    };
    assert_eq!(failure, ConnectFailure::Tunnel);
    assert!(shown(&error).contains("allow the host and port at the proxy"));
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let proxy = ProxyUri::parse(&format!("http://u:proxy-password@{closed}")).unwrap();
    let settings = Settings {
        proxies: Proxies::resolve(Some(&proxy), None, |_| None).unwrap(),
        ..settings("https://localhost:4433/")
    };
    let error = client_with(settings)
        .poll_host_command(HOST)
        .await
        .unwrap_err();
    let shown = shown(&error);
    assert!(
        shown.contains("the proxy refuses connections; check proxy_uri"),
        "{shown}"
    );
}
