//! The errors that the daemon wrote into its log: `agent start` shows the last one when it fails,
//! `agent status` while it runs.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::config::Config;

/// Of the log, the last so many bytes are looked at.
const LOOKED_AT: u64 = 64 * 1024;

/// The agent's log from a moment on.
#[derive(Debug)]
pub(super) struct LogErrors {
    path: PathBuf,
    from: u64,
}

impl LogErrors {
    pub(super) fn from_now(config: &Config) -> Self {
        let path = path(config);
        let from = fs_err::metadata(&path).map_or(0, |log| log.len());
        Self { path, from }
    }

    /// The last error in the log, if it was written at `since` or later.
    pub(super) fn last_since(config: &Config, since: SystemTime) -> Option<String> {
        let path = path(config);
        let line = Self { path, from: 0 }.last_line()?;
        // Times in the log are whole seconds.
        let is_old = time_of(&line).is_some_and(|time| time.as_second() < seconds(since));
        (!is_old).then_some(line)
    }

    /// The last error since then, on a line of its own with the log's name; empty when there is
    /// none.
    pub(super) fn last(&self) -> String {
        match self.last_line() {
            Some(line) => format!("\n{}: {line}", self.path.display()),
            None => String::new(),
        }
    }

    fn last_line(&self) -> Option<String> {
        let mut log = fs_err::File::open(&self.path).ok()?;
        let length = log.metadata().ok()?.len();
        // A shorter one is another file: the old one was set aside.
        let from = if length < self.from { 0 } else { self.from };
        let from = from.max(length.saturating_sub(LOOKED_AT));
        log.seek(SeekFrom::Start(from)).ok()?;
        let mut text = Vec::new();
        log.take(LOOKED_AT).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let is_error = |line: &&str| line.contains(" ERROR [") || line.contains("\"ERROR\"");
        text.lines().rfind(is_error).map(str::to_owned)
    }
}

fn path(config: &Config) -> PathBuf {
    config.log_dir.join(format!("{}.log", config.program_name))
}

/// When a line was written, text or JSON.
fn time_of(line: &str) -> Option<Timestamp> {
    if let Ok(object) = serde_json::from_str::<serde_json::Value>(line) {
        return object["timestamp"].as_str()?.parse().ok();
    }
    line.split_whitespace().next()?.parse().ok()
}

fn seconds(time: SystemTime) -> i64 {
    Timestamp::try_from(time).map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Purpose;

    #[test]
    fn errors_of_an_earlier_agent_are_old() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::defaults(Purpose::Service);
        config.log_dir = directory.path().to_owned();
        let since = SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_700);
        let last = |line: &str| {
            fs_err::write(path(&config), format!("{line}\n")).unwrap();
            LogErrors::last_since(&config, since)
        };
        let text = |time: &str| format!("{time} ERROR [codedeploy-agent(2)]: why");
        let json = |time: &str| format!(r#"{{"timestamp":"{time}","level":"ERROR"}}"#);
        assert_eq!(last(&text("2026-09-21T14:13:19+00:00")), None);
        assert_eq!(last(&json("2026-09-21T14:13:19.999999Z")), None);
        for line in [
            text("2026-09-21T14:13:20+00:00"),
            json("2026-09-21T14:13:20.800000Z"),
            text("sometime"),
        ] {
            assert_eq!(last(&line), Some(line));
        }
        assert_eq!(last("2026-09-21T14:13:20+00:00 INFO [x(1)]: fine"), None);
    }

    #[test]
    fn only_what_was_written_since_counts() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::defaults(Purpose::Service);
        config.log_dir = directory.path().to_owned();
        assert_eq!(LogErrors::from_now(&config).last(), "");
        let path = directory.path().join("codedeploy-agent.log");
        fs_err::write(&path, "t ERROR [codedeploy-agent(1)]: old\n").unwrap();
        let log = LogErrors::from_now(&config);
        assert_eq!(log.last(), "");
        let write = |more: &str| {
            let old = fs_err::read_to_string(&path).unwrap();
            fs_err::write(&path, format!("{old}{more}\n")).unwrap();
        };
        write("t INFO  [codedeploy-agent(2)]: ERROR is a word");
        assert_eq!(log.last(), "");
        write("t ERROR [codedeploy-agent(2)]: new");
        assert!(
            log.last()
                .ends_with(".log: t ERROR [codedeploy-agent(2)]: new")
        );
        write(r#"{"level":"ERROR","message":"json"}"#);
        assert!(log.last().contains("json"));
    }
}
