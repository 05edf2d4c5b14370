//! A server of one object over plain HTTP, byte by byte as a test wants it: slow, lying, cut off.
//!
//! It answers as S3 does (ranges, If-Match, ETag, parts of a multipart upload) and checks no
//! signatures; [`crate::s3::S3Server`] does.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is written between two looks at the clock.
const CHUNK: usize = 64 * 1024;

/// An object as the server has it.
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// Its bytes.
    pub content: Arc<Vec<u8>>,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Headers that answers have besides.
    pub headers: Vec<(String, String)>,
    /// The sizes of the parts that it was uploaded in; none: in one.
    pub parts: Vec<usize>,
}

/// A request, as far as it matters.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its number on this server, from 0.
    pub number: usize,
    /// All of its head.
    pub head: String,
    /// The first byte that it asks for, and the one after the last.
    pub range: Option<Range<usize>>,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// What a request gets; the server's own answer, to be changed by a test.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status line without the protocol.
    pub status: String,
    /// Headers, `Content-Length` included.
    pub headers: Vec<(String, String)>,
    /// Where the body's bytes are.
    pub content: Arc<Vec<u8>>,
    /// Which of them are the body.
    pub body: Range<usize>,
    /// After so many bytes of the body the connection breaks.
    pub cut_after: Option<usize>,
}

impl Reply {
    /// S3's refusal with this code.
    #[must_use]
    pub fn refusal(status: &str, code: &str) -> Self {
        let text = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>said</Message></Error>"
        );
        Self::new(
            status,
            Vec::new(),
            Arc::new(text.clone().into()),
            0..text.len(),
        )
    }

    fn new(
        status: &str,
        mut headers: Vec<(String, String)>,
        content: Arc<Vec<u8>>,
        body: Range<usize>,
    ) -> Self {
        headers.push(("Content-Length".into(), body.len().to_string()));
        Self {
            status: status.to_owned(),
            headers,
            content,
            body,
            cut_after: None,
        }
    }

    /// Replaces a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// How an object is answered for a request, as S3 does.
#[must_use]
pub fn answer(object: &Object, request: &Request) -> Reply {
    let quoted = format!("\"{}\"", object.etag);
    if request
        .header("if-match")
        .is_some_and(|etag| etag != quoted)
    {
        return Reply::refusal("412 Precondition Failed", "PreconditionFailed");
    }
    let mut headers = object.headers.clone();
    headers.push(("ETag".into(), quoted));
    let length = object.content.len();
    let part = request
        .head
        .split_once("partNumber=")
        .and_then(|(_, rest)| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
        .map(|number: usize| {
            let before: usize = object.parts.iter().take(number - 1).sum();
            before..before + object.parts.get(number - 1).copied().unwrap_or(length)
        });
    let range = part.or_else(|| request.range.clone());
    let Some(range) = range else {
        return Reply::new("200 OK", headers, Arc::clone(&object.content), 0..length);
    };
    if range.start >= length {
        return Reply::refusal("416 Requested Range Not Satisfiable", "InvalidRange");
    }
    // S3 states checksums of the whole only with the whole.
    headers.retain(|(name, _)| !name.starts_with("x-amz-checksum-"));
    let body = range.start..range.end.min(length);
    let said = format!("bytes {}-{}/{length}", body.start, body.end - 1);
    headers.push(("Content-Range".into(), said));
    Reply::new(
        "206 Partial Content",
        headers,
        Arc::clone(&object.content),
        body,
    )
}

/// The same of a bucket in `region`: who has signed for another is sent there.
#[must_use]
pub fn answer_in(region: &str, object: &Object, request: &Request) -> Reply {
    let signed = request.header("authorization").unwrap_or_default();
    if signed.contains(&format!("/{region}/s3/")) {
        return answer(object, request);
    }
    Reply::refusal("301 Moved Permanently", "PermanentRedirect").with("x-amz-bucket-region", region)
}

/// A revision of six parts as a tar, of which two arrive and the others when a test wants it; in a
/// bucket in another region than the hosts of tests.
#[derive(Debug)]
pub struct HeldRevision {
    server: ObjectServer,
    open: Arc<AtomicBool>,
}

impl Default for HeldRevision {
    fn default() -> Self {
        Self::start()
    }
}

impl HeldRevision {
    /// How many bytes arrive, in two parts.
    pub const ARRIVE: usize = 16 << 20;

    /// Serves it under every name.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start() -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in [
            ("appspec.yml", b"version: 0.0\nos: linux\n".to_vec()),
            ("large", vec![0; 45 << 20]),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, &content[..]).unwrap();
        }
        let object = Object {
            content: Arc::new(tar.into_inner().unwrap()),
            etag: "of-no-md5".into(),
            ..Object::default()
        };
        let open = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&open);
        let server = ObjectServer::behaving(Pace::default(), move |request| {
            let reply = answer_in("ap-south-1", &object, request);
            // The first part is the beginning of the answer to a request for the whole.
            let is_held = request
                .range
                .as_ref()
                .is_some_and(|range| range.start >= Self::ARRIVE);
            while is_held && !opened.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            reply
        });
        Self { server, open }
    }

    /// The server of it.
    #[must_use]
    pub fn server(&self) -> &ObjectServer {
        &self.server
    }

    /// Waits until a deployment has as many parts as arrive.
    ///
    /// # Panics
    /// When they do not come.
    pub fn wait_for_parts(&self, deployment: &Path) {
        // A line for the object and one for each part.
        crate::eventually("two parts", || {
            fs_err::read_to_string(deployment.join("bundle.tar.parts"))
                .is_ok_and(|record| record.lines().count() >= 3)
        });
    }

    /// Lets all of it arrive.
    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

impl Drop for HeldRevision {
    fn drop(&mut self) {
        self.open();
    }
}

/// How fast the server sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Bytes a second on one connection.
    pub connection: Option<u64>,
    /// Bytes a second on all.
    pub all: Option<u64>,
}

type Behaviour = dyn Fn(&Request) -> Reply + Send + Sync;

struct Shared {
    behaviour: Box<Behaviour>,
    pace: Pace,
    /// When the next byte on any connection may go.
    due: Mutex<Instant>,
    requests: Mutex<Vec<Request>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    stopped: AtomicBool,
}

/// The server; accepts nothing more when dropped.
pub struct ObjectServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for ObjectServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ObjectServer({})", self.address)
    }
}

impl ObjectServer {
    /// Serves `object` under every name.
    #[must_use]
    pub fn start(object: Object, pace: Pace) -> Self {
        Self::behaving(pace, move |request| answer(&object, request))
    }

    /// Answers as `behaviour` says.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn behaving(
        pace: Pace,
        behaviour: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Box::new(behaviour),
            pace,
            due: Mutex::new(Instant::now()),
            requests: Mutex::default(),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if serving.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || {
                    let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
                    shared.most_open.fetch_max(open, Ordering::SeqCst);
                    // A client that hangs up is no failure of the server's.
                    let _ = shared.serve(stream);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// The server's URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The most connections that were open at a time.
    #[must_use]
    pub fn most_connections(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        while let Some(head) = head(&mut stream)? {
            let request = {
                let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
                let request = Request {
                    number: requests.len(),
                    range: range(&head),
                    head,
                };
                requests.push(request.clone());
                request
            };
            let reply = (self.behaviour)(&request);
            let mut text = format!("HTTP/1.1 {}\r\n", reply.status);
            for (name, value) in &reply.headers {
                let _ = write!(text, "{name}: {value}\r\n");
            }
            text.push_str("\r\n");
            stream.write_all(text.as_bytes())?;
            if request.head.starts_with("HEAD ") {
                continue;
            }
            let body = &reply.content[reply.body.clone()];
            self.send(
                &mut stream,
                &body[..reply.cut_after.unwrap_or(body.len()).min(body.len())],
            )?;
            if reply.cut_after.is_some() {
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
        Ok(())
    }

    fn send(&self, stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
        let began = Instant::now();
        let mut sent = 0;
        for chunk in body.chunks(CHUNK) {
            if let Some(rate) = self.pace.connection {
                wait_until(began + time(sent, rate));
            }
            if let Some(rate) = self.pace.all {
                let due = {
                    let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
                    let now = (*due).max(Instant::now());
                    *due = now + time(chunk.len() as u64, rate);
                    now
                };
                wait_until(due);
            }
            stream.write_all(chunk)?;
            sent += chunk.len() as u64;
        }
        Ok(())
    }
}

fn time(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate as f64)
}

fn wait_until(due: Instant) {
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// The head of the next request; none when the client has hung up.
fn head(stream: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

fn range(head: &str) -> Option<Range<usize>> {
    let line = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("range:"))?;
    let (first, last) = line.split_once("bytes=")?.1.trim().split_once('-')?;
    let end = last.parse().map_or(usize::MAX, |last: usize| last + 1);
    Some(first.parse().ok()?..end)
}
