//! An HTTP server on the loopback address, in a thread of its own, that can misbehave.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// Above any request of the agent's.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;

/// A whole request.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    /// A header as text; empty when absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// What is done about a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// It is answered.
    Answer(Response<Script>),
    /// The connection is closed without an answer.
    HangUp,
}

impl Reply {
    /// An answer with a body.
    pub(super) fn new(status: u16, content_type: &str, body: Script) -> Self {
        let response = Response::builder()
            .status(status)
            .header("content-type", content_type);
        Self::Answer(response.body(body).unwrap())
    }

    /// Adds a header, when it is an answer.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer(response) = &mut self {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        self
    }
}

/// A body that is sent as a script says.
#[derive(Debug)]
pub(super) struct Script {
    chunk: Bytes,
    /// How often the chunk is sent.
    times: u64,
    /// Before each chunk.
    pause: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The length that is announced although less comes.
    announced: Option<u64>,
}

impl Script {
    /// `body`, at once.
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self {
            chunk: body.into(),
            times: 1,
            pause: None,
            sleep: None,
            announced: None,
        }
    }

    /// 64 KiB of nothing, `times`.
    pub(super) fn enormous(times: u64) -> Self {
        Self {
            times,
            ..Self::whole(vec![b' '; 64 * 1024])
        }
    }

    /// `body` after a pause.
    pub(super) fn late(body: impl Into<Bytes>, pause: Duration) -> Self {
        Self {
            pause: Some(pause),
            ..Self::whole(body)
        }
    }

    /// `body`, but its length is announced as one byte more, and then the connection ends.
    pub(super) fn truncated(body: impl Into<Bytes>) -> Self {
        let whole = Self::whole(body);
        Self {
            announced: Some(whole.chunk.len() as u64 + 1),
            ..whole
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.times == 0 {
            let early = self
                .announced
                .take()
                .map(|_| Err(std::io::Error::other("cut off")));
            return Poll::Ready(early);
        }
        if let Some(pause) = self.pause {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        self.times -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(
            self.announced
                .unwrap_or(self.chunk.len() as u64 * self.times),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.times == 0 && self.announced.is_none()
    }
}

/// The server; stops when dropped, with all its connections.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server at `address` that asks `handler`. A handler whose client hangs up is
    /// dropped.
    pub(super) fn start<H, F>(address: SocketAddr, handler: H) -> Self
    where
        H: Fn(Received) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(TcpListener::from_std(listener).unwrap(), handler) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The server's URL, without a slash at the end.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It fails only when a handler has panicked, which its test has seen.
            let _ = thread.join();
        }
    }
}

async fn accept<H, F>(listener: TcpListener, handler: H)
where
    H: Fn(Received) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &handler));
            // A client that hangs up is no failure of the server's.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

async fn answer<H, F>(
    request: Request<Incoming>,
    handler: &H,
) -> Result<Response<Script>, std::io::Error>
where
    H: Fn(Received) -> F,
    F: Future<Output = Reply>,
{
    let (head, body) = request.into_parts();
    let body = to_bytes(axum::body::Body::new(body), REQUEST_LIMIT).await;
    let body = body.map_err(std::io::Error::other)?;
    let received = Received {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body,
    };
    match handler(received).await {
        Reply::Answer(response) => Ok(response),
        Reply::HangUp => Err(std::io::Error::other("hung up on purpose")),
    }
}
