//! Whom S3 and GitHub must be to be trusted (contract: host, trust roots).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::fetch;
use super::server::Answer;
use crate::bundle::{
    Credentials, FetchError, GitHubRefusal, Imds, NetworkProblem, S3Refusal, SourceSettings,
    Sources,
};
use crate::deployment::{BundleType, Revision};
use crate::http::TrustPaths;

/// A server at a loopback address whose certificate leads to an authority of its own, which it
/// writes to `ca.pem` in `place`.
async fn serve(place: &Path) -> (SocketAddr, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = place.join("ca.pem");
    fs_err::write(&pem, authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = Answer::new("200 OK", &[("ETag", "\"e\"")], "body");
            stream.write_all(&answer.bytes).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, pem)
}

fn settings(address: SocketAddr, files: Vec<(&'static str, PathBuf)>) -> SourceSettings {
    let keys = aws_credential_types::Credentials::new("AKIDTEST", "secret", None, None, "test");
    let mut settings = SourceSettings {
        region: Some("eu-west-1".into()),
        s3_endpoint: Some(format!("https://{address}")),
        github_api: Some(format!("https://{address}")),
        credentials: Credentials::Provider(SharedCredentialsProvider::new(keys)),
        imds: Imds::Disabled,
        trust: TrustPaths {
            files,
            directory: None,
        },
        ..SourceSettings::default()
    };
    settings.timing.s3_delays = vec![Duration::from_millis(1)];
    settings.timing.github_delays = vec![];
    settings
}

fn s3() -> Revision {
    Revision::S3 {
        bucket: "bucket".into(),
        key: "key".into(),
        bundle_type: BundleType::Tgz,
        version: None,
        etag: None,
    }
}

fn github() -> Revision {
    Revision::GitHub {
        account: "o".into(),
        repository: "r".into(),
        commit: "c".into(),
        bundle_type: BundleType::Zip,
        token: None,
    }
}

#[tokio::test]
async fn named_certificates_are_trusted_and_others_are_not() {
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle");
    let (address, pem) = serve(place.path()).await;

    let trusting = Sources::new(settings(address, vec![("AWS_CA_BUNDLE", pem)]));
    for revision in [s3(), github()] {
        fetch(&trusting, &revision, &bundle).await.unwrap();
        assert_eq!(fs_err::read_to_string(&bundle).unwrap(), "body");
    }

    let strange = Sources::new(settings(address, vec![]));
    let error = fetch(&strange, &s3(), &bundle).await.unwrap_err();
    let tls = S3Refusal::Network(NetworkProblem::Tls);
    assert!(
        matches!(&error, FetchError::S3 { reason, .. } if *reason == tls),
        "{error:?}"
    );
    let error = fetch(&strange, &github(), &bundle).await.unwrap_err();
    let tls = GitHubRefusal::Network(NetworkProblem::Tls);
    assert!(
        matches!(&error, FetchError::GitHub { reason, .. } if *reason == tls),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_local_bundle_needs_no_certificates() {
    let place = tempfile::tempdir().unwrap();
    let (archive, bundle) = (place.path().join("a.zip"), place.path().join("bundle"));
    fs_err::write(&archive, "body").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    let absent = vec![("AWS_CA_BUNDLE", place.path().join("absent.pem"))];
    let sources = Sources::new(settings(address, absent));
    let local = Revision::LocalFile {
        location: archive,
        bundle_type: BundleType::Zip,
    };
    fetch(&sources, &local, &bundle).await.unwrap();
    for revision in [s3(), github()] {
        let error = fetch(&sources, &revision, &bundle).await.unwrap_err();
        assert!(matches!(error, FetchError::Trust(_)), "{error:?}");
    }
}
