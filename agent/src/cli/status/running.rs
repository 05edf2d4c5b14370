//! Whether the daemon of this configuration runs.

use std::time::Duration;

use crate::config::Config;
use crate::daemon::{PidFile, PidFileError};

/// Between two looks at what is about to change.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// At its start and end a daemon holds the lock for a moment without a pid file.
const NAMED_WITHIN: Duration = Duration::from_secs(1);

/// The process id of the daemon that runs.
pub(in crate::cli) fn running(config: &Config) -> Result<Option<i32>, PidFileError> {
    let look = || PidFile::running(&config.pid_dir, config.program_name.as_str());
    let mut seen = look();
    let _ = within(NAMED_WITHIN, || {
        seen = look();
        !matches!(seen, Err(PidFileError::Unnamed { .. }))
    });
    seen
}

/// Looks until `condition` holds; whether it did in time.
pub(in crate::cli) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = std::time::Instant::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
