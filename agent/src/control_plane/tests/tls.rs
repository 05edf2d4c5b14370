use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rstest::rstest;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::control_plane::{ConnectFailure, ControlPlane as _, Error};
use crate::http::TrustPaths;

/// An authority that only this test trusts.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(super) fn certificate_for(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("Test")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(parameters, key),
        }
    }

    pub(super) fn acceptor(&self, certificate: &CertificateParams) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// As `AWS_CA_BUNDLE` would have it.
    pub(super) fn roots(&self) -> TrustRoots {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        fs_err::write(&file, &self.pem).unwrap();
        TrustRoots::load(&TrustPaths {
            files: vec![("AWS_CA_BUNDLE", file)],
            directory: None,
        })
        .unwrap()
    }
}

/// `other`: an authority that is trusted instead of the server's.
async fn poll(certificate: &CertificateParams, other: Option<&str>) -> Result<(), Error> {
    let authority = Authority::new();
    let tls = authority.acceptor(certificate);
    let fake = Fake::start_with(|_, _| Reply::json(200, "{}"), Some(tls)).await;
    let roots = match other {
        None => authority.roots(),
        Some(name) => Authority::named(name).roots(),
    };
    let url = format!("https://localhost:{}/", fake.address.port());
    let provider = SharedCredentialsProvider::new(credentials());
    let client = Client::new(settings(&url), &roots, provider).unwrap();
    let result = client.poll_host_command(HOST).await;
    assert_eq!(fake.received().is_empty(), result.is_err());
    result.map(|_| ())
}

#[tokio::test]
async fn an_authority_of_aws_ca_bundle_is_trusted() {
    poll(&certificate_for("localhost"), None).await.unwrap();
}

fn expired() -> CertificateParams {
    let mut certificate = certificate_for("localhost");
    certificate.not_before = rcgen::date_time_ymd(2001, 1, 1);
    certificate.not_after = rcgen::date_time_ymd(2002, 1, 1);
    certificate
}

#[rstest]
#[case::unknown_authority(
    certificate_for("localhost"),
    Some("Other"),
    ConnectFailure::UnknownAuthority,
    "name its CA certificate in AWS_CA_BUNDLE"
)]
#[case::authority_with_a_new_key(
    certificate_for("localhost"),
    Some("Test"),
    ConnectFailure::UnknownAuthority,
    "name its CA certificate in AWS_CA_BUNDLE"
)]
#[case::expired(
    expired(),
    None,
    ConnectFailure::CertificateDates,
    "check this host's clock"
)]
#[case::other_name(
    certificate_for("other.example"),
    None,
    ConnectFailure::CertificateName,
    "the certificate is for another name"
)]
#[tokio::test]
async fn a_server_that_is_not_trusted_gets_no_request(
    #[case] certificate: CertificateParams,
    #[case] other: Option<&str>,
    #[case] expected: ConnectFailure,
    #[case] remedy: &str,
) {
    let error = poll(&certificate, other).await.unwrap_err();
    let Error::Connect { failure, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*failure, expected);
    assert!(shown(&error).contains(remedy), "{}", shown(&error));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_server_without_tls() {
    let fake = Fake::replying(Reply::json(200, "{}")).await;
    // Answers a handshake with something else; the fake closes when it cannot read a request.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 x\r\n\r\n").await;
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024]).await;
    });
    let client = client(&format!("https://localhost:{port}/"));
    let error = client.poll_host_command(HOST).await.unwrap_err();
    let Error::Connect { failure, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*failure, ConnectFailure::Tls);
    assert!(fake.received().is_empty());
}
