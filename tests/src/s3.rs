//! An S3 server in this process, for the agent to fetch bundles from.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::fakes::ANY_PORT;
use crate::fakes::imds::ROLE_CREDENTIALS;

/// The key that the server knows.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// Its secret.
pub const SECRET_KEY: &str = "a-secret-for-tests-only";

/// The server; stops when dropped, and its objects go.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    buckets: TempDir,
    _stop: oneshot::Sender<()>,
}

impl Default for S3Server {
    fn default() -> Self {
        Self::start()
    }
}

impl S3Server {
    /// Starts the server on the loopback address.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_at(ANY_PORT)
    }

    /// Starts the server at an address.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_at(address: SocketAddr) -> Self {
        let wanted = address;
        let buckets = tempfile::tempdir().unwrap();
        let (address_sender, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let directory = buckets.path().to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(wanted).await.unwrap();
                address_sender.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, &directory) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().unwrap(),
            buckets,
            _stop: stop,
        }
    }

    /// The server's URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts an object.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) {
        let path = self.buckets.path().join(bucket).join(key);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }
}

/// A zip of a directory's files, with their modes.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn zipped(directory: &Path) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, entry) in crate::snapshot(directory) {
        if let crate::Kind::File(content) = entry.kind {
            let options = zip::write::SimpleFileOptions::default().unix_permissions(entry.mode);
            writer.start_file(name.to_str().unwrap(), options).unwrap();
            writer.write_all(&content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

async fn serve(listener: TcpListener, root: &Path) {
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    let mut keys = SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY);
    let [access_key, secret, _] = ROLE_CREDENTIALS;
    keys.register(access_key.to_owned(), secret.into());
    service.set_auth(keys);
    let service = service.build();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let service = service.clone();
        tokio::spawn(async move {
            // A client that hangs up is no failure of the server's.
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}
