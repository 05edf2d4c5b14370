//! Times in records: milliseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The present time.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// The time of a record.
pub(crate) fn time(milliseconds: u64) -> SystemTime {
    // A time beyond what the system can express is nobody's; a damaged record has none.
    UNIX_EPOCH
        .checked_add(Duration::from_millis(milliseconds))
        .unwrap_or(UNIX_EPOCH)
}
