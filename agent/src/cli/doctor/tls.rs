//! The command service answers, over TLS, with a certificate that is trusted here.

use super::finding::Finding;
use super::time_limit::NETWORK;
use super::way::Way;
use crate::control_plane::{ReachError, Reached, reach};
use crate::error::chain;
use crate::http::{TrustError, TrustRoots};

/// What became of the request.
pub(super) type Reach = Result<Reached, ReachError>;

/// Asks the service for any answer.
pub(super) async fn ask(way: &Way, trust: &TrustRoots) -> Reach {
    reach(&way.url, &way.proxies, trust, NETWORK).await
}

/// There are no trusted certificates to check with.
pub(super) fn untrusting(error: &TrustError) -> Finding {
    Finding::failed(
        chain(error),
        "correct AWS_CA_BUNDLE, AWS_SSL_CA_BUNDLE, AWS_SSL_CA_DIRECTORY or SSL_CERT_FILE in the \
         agent's environment, or unset it",
    )
}

/// Judges what became of the request.
pub(super) fn check(way: &Way, trust: &TrustRoots, reach: &Reach) -> Finding {
    let is_plain = way.url.scheme() == "http";
    match reach {
        Ok(reached) if is_plain => Finding::warning(
            format!("{} answers, without TLS", reached.route),
            "use an https:// address unless this is a test",
        ),
        Ok(reached) => Finding::ok(format!(
            "{} answers, with a certificate that is trusted",
            reached.route
        )),
        Err(error) if error.is_proxy() => {
            Finding::skipped("the proxy does not let the agent through")
        }
        Err(error) if trust.is_empty() && !is_plain => Finding::failed(
            format!(
                "{}; no certificate authority is trusted on this system",
                chain(error)
            ),
            "install the package ca-certificates, or name a PEM file in AWS_CA_BUNDLE",
        ),
        Err(error) => Finding::failed(chain(error), error.remedy()),
    }
}
