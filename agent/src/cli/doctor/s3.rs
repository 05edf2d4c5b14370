//! S3 answers. Whether a bundle may be read, only its bucket can tell.

use reqwest::Url;

use super::finding::Finding;
use super::time_limit::NETWORK;
use crate::control_plane::reach;
use crate::error::chain;
use crate::http::{Proxies, TrustRoots};

/// Asks S3 for any answer.
pub(super) async fn check(url: &Url, proxies: &Proxies, trust: &TrustRoots) -> Finding {
    match reach(url, proxies, trust, NETWORK).await {
        Ok(reached) => Finding::ok(format!("{} answers", reached.route)),
        Err(error) => Finding::failed(
            chain(&error),
            format!(
                "{} (s3_endpoint_override, proxy_for, and the VPC endpoint of S3 count here)",
                error.remedy()
            ),
        ),
    }
}
