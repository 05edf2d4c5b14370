//! The proxy lets the agent through to the command service.

use super::finding::Finding;
use super::tls::Reach;
use super::way::Way;
use crate::error::chain;

/// Judges what became of the request that went through it.
pub(super) fn check(way: &Way, reach: &Reach) -> Finding {
    let Some(proxy) = way.proxy() else {
        return Finding::ok("none on the way to the command service");
    };
    match reach {
        Ok(_) => Finding::ok(format!("{proxy} lets the agent through")),
        Err(error) if error.is_proxy() => Finding::failed(chain(error), error.remedy()),
        Err(_) => Finding::ok(format!("{proxy} was not what failed")),
    }
}
