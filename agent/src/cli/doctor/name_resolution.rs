//! DNS knows the first host on the way to the command service.

use std::net::SocketAddr;

use super::finding::Finding;
use super::time_limit::NETWORK;
use super::way::Way;

/// The finding, and the addresses.
pub(super) async fn check(way: &Way) -> (Finding, Vec<SocketAddr>) {
    let Some((host, port)) = way.first_hop() else {
        let detail = format!("{} names no host", way.url);
        return (
            Finding::failed(detail, "correct deploy_control_endpoint"),
            Vec::new(),
        );
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let what = match way.proxy() {
        Some(_) => format!("the proxy {host}"),
        None => host.clone(),
    };
    let looked_up = tokio::net::lookup_host((host.as_str(), port));
    let addresses: Vec<SocketAddr> = match tokio::time::timeout(NETWORK, looked_up).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return (unknown(&what, &error.to_string(), way), Vec::new()),
        Err(_) => {
            let why = format!("no answer within {} s", NETWORK.as_secs());
            return (unknown(&what, &why, way), Vec::new());
        }
    };
    let mut shown: Vec<String> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    shown.dedup();
    let finding = if shown.is_empty() {
        unknown(&what, "no address", way)
    } else if is_address {
        Finding::ok(format!("{what} needs no name resolution"))
    } else {
        Finding::ok(format!("{what} is {}", shown.join(", ")))
    };
    (finding, addresses)
}

fn unknown(what: &str, why: &str, way: &Way) -> Finding {
    let remedy = match way.proxy() {
        Some(_) => "check proxy_uri and /etc/resolv.conf",
        None => {
            "check /etc/resolv.conf and, in a VPC, its DNS settings; then the region and \
             deploy_control_endpoint"
        }
    };
    Finding::failed(format!("{what} has no address: {why}"), remedy)
}
