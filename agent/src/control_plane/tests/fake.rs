//! A server that reads requests and does with each what the test says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) first_line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// What to do with a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Bytes of an answer, and then the next request.
    Bytes(Vec<u8>),
    /// Close the connection.
    Close,
    /// The bytes, then close the connection.
    Part(Vec<u8>),
    /// The bytes, then nothing until the client goes.
    Stall(Vec<u8>),
    /// The bytes, then a byte now and then until the client goes.
    Drip(Vec<u8>),
    /// The head of an answer, then this many bytes of body or until the client goes.
    Flood(Vec<u8>, u64),
    /// As a proxy: connect to this address and pass everything on.
    Tunnel(SocketAddr),
}

impl Reply {
    pub(super) fn new(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::Bytes(format!("{text}\r\n{body}").into_bytes())
    }

    pub(super) fn json(status: u16, body: &str) -> Self {
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amzn-requestid", "0123-request"),
        ];
        Self::new(status, &headers, body)
    }
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    pub(super) sent: Arc<AtomicU64>,
    /// Connections that the client has closed.
    closed: watch::Receiver<u64>,
}

type Script = Arc<dyn Fn(usize, &Received) -> Reply + Send + Sync>;

#[derive(Clone)]
struct Server {
    script: Script,
    received: Arc<Mutex<Vec<Received>>>,
    sent: Arc<AtomicU64>,
    closed: Arc<watch::Sender<u64>>,
    tls: Option<TlsAcceptor>,
}

impl Fake {
    /// `script` gets the request and how many came before.
    pub(super) async fn start(
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(script, None).await
    }

    pub(super) async fn start_with(
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sender, closed) = watch::channel(0);
        let server = Server {
            script: Arc::new(script),
            received: Arc::default(),
            sent: Arc::default(),
            closed: Arc::new(sender),
            tls,
        };
        let fake = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::clone(&server.received),
            sent: Arc::clone(&server.sent),
            closed,
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().connection(stream));
            }
        });
        fake
    }

    pub(super) async fn replying(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(super) async fn wait_for_closed(&mut self) {
        let closed = self.closed.wait_for(|closed| *closed > 0);
        let result = tokio::time::timeout(Duration::from_secs(20), closed).await;
        assert!(result.unwrap().is_ok());
    }
}

impl Server {
    async fn connection(self, stream: TcpStream) {
        match self.tls.clone() {
            // A client that does not trust us ends the handshake.
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.serve(stream).await;
                }
            }
            None => self.serve(stream).await,
        }
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        while let Some(request) = read(&mut stream).await {
            let reply = {
                let mut received = self.received.lock().unwrap();
                received.push(request.clone());
                (self.script)(received.len() - 1, &request)
            };
            match reply {
                Reply::Bytes(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Reply::Close => return,
                Reply::Part(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Reply::Stall(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.read(&mut [0]).await;
                    break;
                }
                Reply::Drip(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    while stream.write_all(b" ").await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    break;
                }
                Reply::Flood(head, length) => {
                    let _ = stream.write_all(&head).await;
                    let block = [b'x'; 1 << 16];
                    while self.sent.load(Ordering::Relaxed) < length
                        && stream.write_all(&block).await.is_ok()
                    {
                        self.sent.fetch_add(block.len() as u64, Ordering::Relaxed);
                    }
                    break;
                }
                Reply::Tunnel(address) => {
                    let mut target = TcpStream::connect(address).await.unwrap();
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
                    return;
                }
            }
        }
        self.closed.send_modify(|closed| *closed += 1);
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let first_line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let mut received = Received {
        first_line,
        headers,
        body: Vec::new(),
    };
    let length = received
        .header("content-length")
        .map_or(0, |l| l.parse().unwrap());
    received.body = vec![0; length];
    stream.read_exact(&mut received.body).await.ok()?;
    Some(received)
}
