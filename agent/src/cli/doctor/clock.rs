//! The host's clock agrees with the service's: signatures are refused when it does not.

use std::time::Duration;

use super::finding::Finding;
use super::tls::Reach;

/// Signatures that are older or younger are refused.
const REFUSED_FROM: Duration = Duration::from_secs(300);

const REMEDY: &str = "set the clock, and keep it right with chrony or another time service";

/// Judges the `Date` of the service's answer.
pub(super) fn check(reach: &Reach) -> Finding {
    let Ok(reached) = reach else {
        return Finding::skipped("needs an answer of the service, whose clock counts");
    };
    match reached.clock_skew {
        None => Finding::skipped("the service's answer has no date"),
        Some(skew) if skew.by >= REFUSED_FROM => Finding::failed(
            format!("this host's clock is {skew}; signatures are refused from 300 s on"),
            REMEDY,
        ),
        Some(skew) if skew.is_considerable() => {
            Finding::warning(format!("this host's clock is {skew}"), REMEDY)
        }
        Some(_) => Finding::ok("agrees with the service's"),
    }
}
