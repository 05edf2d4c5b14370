//! TLS in front of a fake: with a certificate of an authority that nobody trusts unasked.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// The front; stops when dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    authority: String,
    _stop: oneshot::Sender<()>,
}

impl TlsFront {
    /// Takes TLS connections for the name `localhost` and passes what is in them on to
    /// `endpoint`, the `http://` URL of a fake.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn before(endpoint: &str) -> Self {
        let inner: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        let (acceptor, authority) = certified();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(TcpListener::from_std(listener).unwrap(), acceptor, inner) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            authority,
            _stop: stop,
        }
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The authority's certificate, in PEM: for `AWS_CA_BUNDLE`.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority
    }
}

fn certified() -> (TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "Of this test");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = parameters.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), pem)
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, inner: SocketAddr) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that hangs up, or does not trust us, is no failure of the front's.
            if let (Ok(mut outer), Ok(mut inner)) = (
                acceptor.accept(socket).await,
                TcpStream::connect(inner).await,
            ) {
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            }
        });
    }
}
