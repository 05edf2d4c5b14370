//! An S3 that does not answer until a test wants it to.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use integration_tests::{DaemonHost, eventually};

/// Stands before a host's S3, and takes calls without passing them on at first.
pub(crate) struct HeldProxy {
    calls: Arc<AtomicUsize>,
    open: Arc<AtomicBool>,
}

impl HeldProxy {
    pub(crate) fn before(daemon: &DaemonHost) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let behind = daemon.s3.endpoint();
        let configuration = daemon.host.configuration();
        let text = fs_err::read_to_string(&configuration).unwrap();
        fs_err::write(&configuration, text.replace(&behind, &own)).unwrap();
        let address = behind.strip_prefix("http://").unwrap().to_owned();
        let proxy = Self {
            calls: Arc::default(),
            open: Arc::default(),
        };
        let (calls, open) = (Arc::clone(&proxy.calls), Arc::clone(&proxy.open));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (open, address) = (Arc::clone(&open), address.clone());
                calls.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || pass_on(client.unwrap(), &address, &open));
            }
        });
        proxy
    }

    pub(crate) fn wait_for_a_call(&self) {
        eventually("a call of S3", || self.calls.load(Ordering::SeqCst) > 0);
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

fn pass_on(client: TcpStream, address: &str, open: &AtomicBool) {
    while !open.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let server = TcpStream::connect(address).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        // Whoever hangs up ends it.
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (server, client);
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
