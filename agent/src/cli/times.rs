//! Times and durations, for people and for programs.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-11-21 18:43:13`, in local time.
pub(super) fn local(time: SystemTime) -> String {
    written(time, "%Y-%m-%d %H:%M:%S")
}

/// `18:43:13`, in local time.
pub(super) fn clock(time: SystemTime) -> String {
    written(time, "%H:%M:%S")
}

fn written(time: SystemTime, format: &str) -> String {
    // One that is not to be expressed is nobody's.
    let Ok(timestamp) = Timestamp::try_from(time) else {
        return "-".to_owned();
    };
    let zoned = timestamp.to_zoned(TimeZone::system());
    zoned.strftime(format).to_string()
}

/// `2026-11-21T18:43:13.120Z`: RFC 3339 in UTC.
pub(super) fn rfc3339(time: SystemTime) -> Option<String> {
    let timestamp = Timestamp::try_from(time).ok()?;
    Some(timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// `0.04 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`, `3 d 04 h`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = duration.as_secs();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if whole < 60 * 60 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else if whole < 24 * 60 * 60 {
        format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
    } else {
        format!("{} d {:02} h", whole / 86_400, whole / 3600 % 24)
    }
}

/// In milliseconds, for programs.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_to_read() {
        let text = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(text(41), "0.04 s");
        assert_eq!(text(12_340), "12.3 s");
        assert_eq!(text(245_000), "4 min 05 s");
        assert_eq!(text(2 * 3_600_000 + 185_000), "2 h 03 min");
        assert_eq!(text(76 * 3_600_000), "3 d 04 h");
    }

    #[test]
    fn programs_read_utc() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_120);
        assert_eq!(rfc3339(time).unwrap(), "2026-09-21T14:13:20.120Z");
    }
}
