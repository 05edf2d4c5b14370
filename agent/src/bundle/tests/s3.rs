//! Bundles from S3, with the real SDK against an S3 server in this process (contract:
//! deployment, DownloadBundle, "S3").

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::fetch;
use super::server::{Answer, Server, closed_port, header};
use crate::bundle::{
    Credentials, FetchError, Fetched, Imds, S3Refusal, SourceSettings, Sources, Timing,
};
use crate::config::ProxyUri;
use crate::deployment::{BundleType, Revision};
use crate::error::chain;
use crate::http::{Proxies, TrustPaths};

const SECRET: &str = "a-secret-access-key";

pub(super) fn settings(endpoint: &str) -> SourceSettings {
    let keys = aws_credential_types::Credentials::new("AKIDTEST", SECRET, None, None, "test");
    SourceSettings {
        region: Some("eu-west-1".into()),
        s3_endpoint: Some(endpoint.to_owned()),
        credentials: Credentials::Provider(SharedCredentialsProvider::new(keys)),
        imds: Imds::Disabled,
        timing: Timing {
            s3_delays: vec![Duration::from_millis(1); 3],
            stall: Duration::from_millis(500),
            ..Timing::default()
        },
        ..SourceSettings::default()
    }
}

pub(super) fn revision(key: &str, version: Option<&str>, etag: Option<&str>) -> Revision {
    Revision::S3 {
        bucket: "bucket".into(),
        key: key.into(),
        bundle_type: BundleType::Tgz,
        version: version.map(str::to_owned),
        etag: etag.map(str::to_owned),
    }
}

async fn get(
    settings: SourceSettings,
    revision: &Revision,
    bundle: &Path,
) -> Result<Fetched, FetchError> {
    let result = fetch(&Sources::new(settings), revision, bundle).await;
    let mut partial = bundle.as_os_str().to_owned();
    partial.push(".partial");
    assert!(!Path::new(&partial).exists());
    if let Err(error) = &result {
        assert!(!bundle.exists());
        assert!(!format!("{error:?}{}", chain(error)).contains(SECRET));
    }
    result
}

/// Serves the buckets below `root`, each a directory.
async fn serve(root: &Path) -> SocketAddr {
    let mut service = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    service.set_auth(s3s::auth::SimpleAuth::from_single("AKIDTEST", SECRET));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Passes on to `server`, and cuts every connection after `limit` bytes of answers.
fn cutting(server: SocketAddr, limit: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let connections = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else {
                return;
            };
            connections.fetch_add(1, Ordering::SeqCst);
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || {
                let (mut server, mut client) = (server, client);
                let mut left = limit;
                let mut buffer = [0; 8192];
                while left > 0 {
                    let room = left.min(buffer.len());
                    let Ok(count @ 1..) = server.read(&mut buffer[..room]) else {
                        break;
                    };
                    if client.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                    left -= count;
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, count)
}

fn content() -> Vec<u8> {
    (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

struct Store {
    place: tempfile::TempDir,
    address: SocketAddr,
}

impl Store {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(place.path().join("store/bucket/dir")).unwrap();
        fs_err::write(place.path().join("store/bucket/dir/app.tgz"), content()).unwrap();
        let address = serve(&place.path().join("store")).await;
        Self { place, address }
    }

    fn bundle(&self) -> std::path::PathBuf {
        self.place.path().join("bundle.tar")
    }

    fn settings(&self) -> SourceSettings {
        settings(&format!("http://{}", self.address))
    }
}

#[tokio::test]
async fn an_object_arrives_with_its_etag() {
    let store = Store::new().await;
    let fetched = get(
        store.settings(),
        &revision("dir/app.tgz", None, None),
        &store.bundle(),
    )
    .await
    .unwrap();
    assert_eq!(fetched.bytes, 4_000_000);
    assert!(fs_err::read(store.bundle()).unwrap() == content());
    let etag = fetched.etag.unwrap();
    assert!(etag.len() == 32 && !etag.contains('"'), "{etag}");
    // The same with the ETag named, with and without quotes.
    for named in [etag.clone(), format!("\"{etag}\"")] {
        let revision = revision("dir/app.tgz", None, Some(&named));
        get(store.settings(), &revision, &store.bundle())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn another_etag_fails_and_nothing_is_left() {
    let store = Store::new().await;
    let revision = revision("dir/app.tgz", None, Some("0123"));
    let error = get(store.settings(), &revision, &store.bundle())
        .await
        .unwrap_err();
    assert!(
        matches!(error, FetchError::ETag { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_missing_object_is_told() {
    let store = Store::new().await;
    let error = get(
        store.settings(),
        &revision("nothing", None, None),
        &store.bundle(),
    )
    .await
    .unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains("s3://bucket/nothing") && text.contains("no such object"),
        "{text}"
    );
}

#[tokio::test]
async fn a_download_that_breaks_off_is_resumed() {
    let store = Store::new().await;
    let (address, connections) = cutting(store.address, 1_300_000);
    let settings = settings(&format!("http://{address}"));
    let fetched = get(
        settings,
        &revision("dir/app.tgz", None, None),
        &store.bundle(),
    )
    .await
    .unwrap();
    assert_eq!(fetched.bytes, 4_000_000);
    assert!(fs_err::read(store.bundle()).unwrap() == content());
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_download_that_never_advances_is_given_up() {
    let store = Store::new().await;
    let (address, connections) = cutting(store.address, 2000);
    let settings = settings(&format!("http://{address}"));
    let error = get(
        settings,
        &revision("dir/app.tgz", None, None),
        &store.bundle(),
    )
    .await
    .unwrap_err();
    assert!(
        chain(&error).contains("connection broke"),
        "{}",
        chain(&error)
    );
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

/// A whole object as S3 answers.
fn object(etag: &str, body: &str) -> Answer {
    Answer::new(
        "200 OK",
        &[("ETag", etag), ("x-amz-version-id", "v7")],
        body,
    )
}

fn refusal(status: &str, code: &str, headers: &[(&str, &str)]) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said</Message>\
         <Region>ap-south-1</Region><RequestId>R1</RequestId></Error>"
    );
    Answer::new(status, headers, body)
}

async fn from(server: &Server, revision: &Revision) -> (Result<Fetched, FetchError>, Vec<u8>) {
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle.tar");
    let result = get(settings(&server.url()), revision, &bundle).await;
    (result, fs_err::read(bundle).unwrap_or_default())
}

#[tokio::test]
async fn the_version_is_asked_for_and_path_style_is_used_for_addresses() {
    let server = Server::start(|_, _| object("\"e\"", "body"));
    let (result, body) = from(&server, &revision("k e/y+", Some("v7"), Some("e"))).await;
    assert_eq!(result.unwrap().version.as_deref(), Some("v7"));
    assert_eq!(body, b"body");
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /bucket/k%20e/y%2B?"), "{request}");
    assert!(request.contains("versionId=v7"), "{request}");
    assert!(
        header(request, "authorization")
            .unwrap()
            .contains("/eu-west-1/s3/"),
        "{request}"
    );
    assert!(
        header(request, "user-agent")
            .unwrap()
            .contains("codedeploy-host-agent"),
        "{request}"
    );
}

#[rstest::rstest]
#[case("404 Not Found", "NoSuchBucket", S3Refusal::NoSuchBucket)]
#[case("404 Not Found", "NoSuchKey", S3Refusal::NoSuchKey)]
#[case("404 Not Found", "NoSuchVersion", S3Refusal::NoSuchVersion)]
#[case("403 Forbidden", "AccessDenied", S3Refusal::AccessDenied)]
#[case("400 Bad Request", "ExpiredToken", S3Refusal::Expired)]
#[case("403 Forbidden", "InvalidAccessKeyId", S3Refusal::BadCredentials)]
#[tokio::test]
async fn refusals_are_told_at_once(
    #[case] status: &'static str,
    #[case] code: &'static str,
    #[case] expected: S3Refusal,
) {
    let server = Server::start(move |_, _| refusal(status, code, &[]));
    let error = from(&server, &revision("key", None, None))
        .await
        .0
        .unwrap_err();
    assert_eq!(server.requests().len(), 1);
    assert!(
        chain(&error).contains(&format!("{code}: said")),
        "{}",
        chain(&error)
    );
    let FetchError::S3 { reason, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(reason, expected);
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let server = Server::start(|number, _| match number {
        0..=2 => refusal("503 Slow Down", "SlowDown", &[]),
        _ => object("\"e\"", "body"),
    });
    from(&server, &revision("key", None, None)).await.0.unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[rstest::rstest]
#[case("301 Moved Permanently", "PermanentRedirect", &[("x-amz-bucket-region", "ap-south-1")])]
#[case("400 Bad Request", "AuthorizationHeaderMalformed", &[])]
#[tokio::test]
async fn a_bucket_in_another_region_is_followed_there(
    #[case] status: &'static str,
    #[case] code: &'static str,
    #[case] headers: &'static [(&'static str, &'static str)],
) {
    let server = Server::start(move |_, head| {
        if header(head, "authorization")
            .unwrap()
            .contains("/ap-south-1/s3/")
        {
            object("\"e\"", "body")
        } else {
            refusal(status, code, headers)
        }
    });
    from(&server, &revision("key", None, None)).await.0.unwrap();
    assert_eq!(server.requests().len(), 2);
    // Once only.
    let server = Server::start(|number, _| {
        let region = ["ap-south-1", "eu-west-1"][number % 2];
        refusal(
            "301 Moved",
            "PermanentRedirect",
            &[("x-amz-bucket-region", region)],
        )
    });
    from(&server, &revision("key", None, None))
        .await
        .0
        .unwrap_err();
    assert_eq!(server.requests().len(), 2);
}

/// The first answer breaks off after 4 of 8 bytes; the rest is as `second` says.
fn broken(second: impl Fn(&str) -> Answer + Send + 'static) -> Server {
    Server::start(move |number, head| match number {
        0 => Answer::new(
            "200 OK",
            &[("ETag", "\"one\""), ("Content-Length", "8")],
            "one1",
        ),
        _ => second(head),
    })
}

#[tokio::test]
async fn the_rest_is_pinned_to_the_same_object() {
    let server = broken(|head| {
        assert_eq!(header(head, "range"), Some("bytes=4-7"));
        assert_eq!(header(head, "if-match"), Some("\"one\""));
        let headers = [("ETag", "\"one\""), ("Content-Range", "bytes 4-7/8")];
        Answer::new("206 Partial Content", &headers, "one2")
    });
    let (result, body) = from(&server, &revision("key", None, None)).await;
    assert_eq!(result.unwrap().bytes, 8);
    assert_eq!(body, b"one1one2");
}

#[rstest::rstest]
#[case::refused(true)]
#[case::if_match_and_range_ignored(false)]
#[tokio::test]
async fn an_object_that_changes_in_the_middle_begins_anew(#[case] refuses: bool) {
    let server = broken(move |head| match header(head, "if-match") {
        Some(_) if refuses => refusal("412 Precondition Failed", "PreconditionFailed", &[]),
        _ => object("\"two\"", "two1two2"),
    });
    let (result, body) = from(&server, &revision("key", None, None)).await;
    assert_eq!(result.unwrap().etag.as_deref(), Some("two"));
    assert_eq!(body, b"two1two2");
    // With the ETag named, it is an error instead.
    let server = broken(|_| object("\"two\"", "two1two2"));
    let error = from(&server, &revision("key", None, Some("one")))
        .await
        .0
        .unwrap_err();
    assert!(
        matches!(error, FetchError::ETag { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_wrong_checksum_is_an_error_after_all_tries() {
    let server = Server::start(|_, _| {
        let headers = [("ETag", "\"e\""), ("x-amz-checksum-crc32", "AAAAAA==")];
        Answer::new("200 OK", &headers, "body")
    });
    let error = from(&server, &revision("key", None, None))
        .await
        .0
        .unwrap_err();
    assert_eq!(server.requests().len(), 4);
    assert!(chain(&error).contains("checksum"), "{}", chain(&error));
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let server = Server::start(|number, _| {
        let length = ("Content-Length", "4");
        let rest = [("ETag", "\"e\""), length, ("Content-Range", "bytes 4-7/8")];
        let mut answer = match number {
            0 => Answer::new(
                "200 OK",
                &[("ETag", "\"e\""), ("Content-Length", "8")],
                "half",
            ),
            _ => Answer::new("206 Partial Content", &rest, ""),
        };
        answer.hold = true;
        answer
    });
    let error = from(&server, &revision("key", None, None))
        .await
        .0
        .unwrap_err();
    assert!(
        chain(&error).contains("no answer in time"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn nobody_listening_is_told() {
    let place = tempfile::tempdir().unwrap();
    let settings = settings(&format!("http://{}", closed_port()));
    let error = get(
        settings,
        &revision("key", None, None),
        &place.path().join("b"),
    )
    .await
    .unwrap_err();
    assert!(
        chain(&error).contains("connection was refused"),
        "{}",
        chain(&error)
    );
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none here")))
    }
}

#[tokio::test]
async fn missing_credentials_are_told_with_what_to_do() {
    let server = Server::start(|_, _| object("\"e\"", "body"));
    let place = tempfile::tempdir().unwrap();
    let settings = SourceSettings {
        credentials: Credentials::Provider(SharedCredentialsProvider::new(NoCredentials)),
        ..settings(&server.url())
    };
    let error = get(
        settings,
        &revision("key", None, None),
        &place.path().join("b"),
    )
    .await
    .unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains("no AWS credentials") && text.contains("instance role"),
        "{text}"
    );
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_missing_region_is_told_or_taken_from_the_instance() {
    let server = Server::start(|_, _| object("\"e\"", "body"));
    let place = tempfile::tempdir().unwrap();
    let without = SourceSettings {
        region: None,
        ..settings(&server.url())
    };
    let bundle = place.path().join("b");
    let error = get(without.clone(), &revision("key", None, None), &bundle)
        .await
        .unwrap_err();
    assert!(chain(&error).contains("AWS_REGION"), "{}", chain(&error));

    let imds = Server::start(|_, head| {
        let body = if head.starts_with("PUT ") {
            "a-token"
        } else {
            "sa-east-1"
        };
        Answer::new(
            "200 OK",
            &[("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
            body,
        )
    });
    let settings = SourceSettings {
        imds: Imds::At(imds.url()),
        // The metadata service is never asked through a proxy.
        proxies_s3: Proxies::resolve(None, None, |name| {
            (name == "https_proxy").then(|| closed_port().to_string().into())
        })
        .unwrap(),
        ..without
    };
    get(settings, &revision("key", None, None), &bundle)
        .await
        .unwrap();
    let authorization = header(&server.requests()[0], "authorization").map(str::to_owned);
    assert!(authorization.unwrap().contains("/sa-east-1/s3/"));
}

#[tokio::test]
async fn trusted_certificates_that_are_none_are_an_error() {
    let place = tempfile::tempdir().unwrap();
    let pem = place.path().join("ca.pem");
    fs_err::write(
        &pem,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let settings = SourceSettings {
        trust: TrustPaths {
            files: vec![("AWS_CA_BUNDLE", pem)],
            directory: None,
        },
        ..settings("http://127.0.0.1:9")
    };
    let error = get(
        settings,
        &revision("key", None, None),
        &place.path().join("b"),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(error, FetchError::Trust { .. }),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_proxy_is_used_unless_s3_is_left_out() {
    let proxy = Server::start(|_, _| object("\"e\"", "through the proxy"));
    let server = Server::start(|_, _| object("\"e\"", "direct"));
    for (s3, through) in [(true, true), (false, false)] {
        let proxies = Proxies::resolve(ProxyUri::parse(&proxy.url()).as_ref(), None, |_| None);
        let settings = SourceSettings {
            proxies_s3: match s3 {
                true => proxies.unwrap(),
                false => Proxies::none(),
            },
            ..settings(&server.url())
        };
        let place = tempfile::tempdir().unwrap();
        get(
            settings,
            &revision("key", None, None),
            &place.path().join("b"),
        )
        .await
        .unwrap();
        let content = fs_err::read_to_string(place.path().join("b")).unwrap();
        assert_eq!(content == "through the proxy", through);
    }
}
