//! An HTTP proxy: forwards plain requests, tunnels others, and keeps who was asked for.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Lets everybody through.
    Open,
    /// Lets nobody through who does not name this user and password (`Basic`, in base64).
    Guarded(&'static str),
    /// Lets nobody through.
    Refusing,
}

/// One request, as the proxy saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The first line, such as `CONNECT host:443 HTTP/1.1`.
    pub line: String,
    /// `Proxy-Authorization`; empty without.
    pub authorization: String,
}

/// The proxy. Its threads end with the process, or with their connections.
#[derive(Debug)]
pub struct ForwardProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ForwardProxy {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let transcript = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let transcript = Arc::clone(&transcript);
                // A connection that breaks is no failure of the proxy's.
                std::thread::spawn(move || drop(serve(client, manner, &transcript)));
            }
        });
        Self { address, asked }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// All requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn serve(mut client: TcpStream, manner: Manner, asked: &Mutex<Vec<Asked>>) -> io::Result<()> {
    let (head, rest) = read_head(&mut client)?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let authorization = headers
        .iter()
        .find_map(|header| {
            let (name, value) = header.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization")
                .then(|| value.to_owned())
        })
        .unwrap_or_default();
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Asked {
            line: line.clone(),
            authorization: authorization.clone(),
        });
    match manner {
        Manner::Refusing => return answer(&mut client, "502 Bad Gateway"),
        Manner::Guarded(wanted) if authorization != format!("Basic {wanted}") => {
            return answer(&mut client, "407 Proxy Authentication Required");
        }
        Manner::Open | Manner::Guarded(_) => {}
    }
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if method == "CONNECT" {
        let server = TcpStream::connect(target)?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        return join(client, server, &rest);
    }
    let (host, path) = target
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_default();
    let server = TcpStream::connect(host)?;
    let mut request = format!("{method} /{path} HTTP/1.1\r\nconnection: close\r\n");
    for header in headers {
        let name = header.split(':').next().unwrap_or_default();
        if !["connection", "proxy-authorization", "proxy-connection"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
        {
            request.push_str(header);
            request.push_str("\r\n");
        }
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(&rest);
    join(client, server, &request)
}

/// The head of a request, and what came after it already.
fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut received = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = client.read(&mut part)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&part[..length]);
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = received.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&received).into_owned(), rest));
        }
    }
}

fn answer(client: &mut TcpStream, status: &str) -> io::Result<()> {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    client.write_all(answer.as_bytes())
}

/// Passes on both ways until one side ends.
fn join(mut client: TcpStream, mut server: TcpStream, first: &[u8]) -> io::Result<()> {
    server.write_all(first)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let upward = std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = upward.join();
    Ok(())
}
