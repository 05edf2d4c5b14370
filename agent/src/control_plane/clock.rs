//! How far this host's clock is from the service's.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Signatures are refused when the clocks are five minutes apart; a difference from here on is
/// worth telling. Below is the answer's own travel.
const WORTH_TELLING: Duration = Duration::from_secs(60);

/// The difference between this host's clock and the `Date` of an answer. Seconds are exact to
/// about one plus the time that the answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    /// How far.
    pub by: Duration,
    /// Whether this host's clock is behind the service's; else ahead.
    pub is_behind: bool,
}

impl ClockSkew {
    /// The difference at the moment when an answer arrived.
    #[must_use]
    pub fn between(local: SystemTime, service: SystemTime) -> Self {
        match service.duration_since(local) {
            Ok(by) => Self {
                by,
                is_behind: true,
            },
            Err(error) => Self {
                by: error.duration(),
                is_behind: false,
            },
        }
    }

    /// Whether it is more than the way of an answer explains.
    #[must_use]
    pub fn is_considerable(self) -> bool {
        self.by >= WORTH_TELLING
    }
}

impl fmt::Display for ClockSkew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.is_behind { "behind" } else { "ahead of" };
        write!(f, "{} s {direction} the service's", self.by.as_secs())
    }
}

/// The time of a `Date` or `Retry-After` header (RFC 9110 gives three forms; only the one that is
/// still generated is understood).
pub(super) fn http_date(text: &str) -> Option<SystemTime> {
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Some(timestamp.into())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn dates_of_answers() {
        let time = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(time, UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn both_directions() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let hour = Duration::from_secs(3600);
        let behind = ClockSkew::between(now, now + hour);
        assert_eq!(behind.to_string(), "3600 s behind the service's");
        assert!(behind.is_considerable());
        let ahead = ClockSkew::between(now, now - hour);
        assert_eq!(ahead.to_string(), "3600 s ahead of the service's");
        assert!(!ClockSkew::between(now, now).is_considerable());
    }
}
