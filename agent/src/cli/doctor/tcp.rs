//! The first host on the way to the command service takes connections.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::finding::Finding;
use super::time_limit::NETWORK;
use super::way::Way;

/// Connects to the addresses, one after the other, until one takes it.
pub(super) async fn check(way: &Way, addresses: &[SocketAddr]) -> Finding {
    let what = match way.proxy() {
        Some(proxy) => format!("the proxy {proxy}"),
        None => way.first_hop().map_or_else(
            || way.url.to_string(),
            |(host, port)| format!("{host}:{port}"),
        ),
    };
    let connect = async {
        let mut last = Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(*address),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let error = match tokio::time::timeout(NETWORK, connect).await {
        Ok(Ok(address)) => return Finding::ok(format!("{what} takes connections ({address})")),
        Ok(Err(error)) => error,
        Err(_) => Error::from(ErrorKind::TimedOut),
    };
    let remedy = match (error.kind(), way.proxy()) {
        (ErrorKind::ConnectionRefused, Some(_)) => "check proxy_uri and that the proxy runs",
        (ErrorKind::ConnectionRefused, None) => {
            "check the address, deploy_control_endpoint, and firewalls"
        }
        (_, Some(_)) => "check proxy_uri, firewalls and routes to the proxy",
        (_, None) => {
            "check firewalls, security groups and routes: port 443 to the internet, a VPC \
             endpoint, or set proxy_uri"
        }
    };
    Finding::failed(format!("cannot connect to {what}: {error}"), remedy)
}
