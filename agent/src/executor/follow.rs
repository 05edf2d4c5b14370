//! Live output of a running script, read by following the log that the runner writes.

use std::path::Path;

use super::{Progress, Stream};
use crate::files::{FileFollower, PIECE};

/// Length of `YYYY-MM-DD HH:MM:SS ` before each entry.
const STAMP: usize = 20;

/// The most that is held of a line whose end has not been written yet.
const LONGEST_LINE: usize = 256 * 1024;

/// So many pieces are a script log and the one before it when they are full, 64 MiB each.
const LAST_PIECES: usize = 2 * 64 * 1024 * 1024 / PIECE;

/// Reads what is appended to a script log. Showing output is a comfort: whatever goes wrong here
/// is passed over, because the log itself is written by the runner and loses nothing.
#[derive(Debug)]
pub(super) struct LogFollower {
    log: FileFollower,
    unfinished: Vec<u8>,
    /// The runner's own warnings that were passed on.
    warnings: Vec<String>,
}

impl LogFollower {
    /// Follows `path` from its present end, or from its beginning when it is not there yet.
    pub(super) fn at_the_end_of(path: &Path) -> Self {
        Self {
            log: FileFollower::at_the_end_of(path),
            unfinished: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Passes on the whole lines in the next piece of what has been written; whether there may be
    /// more. A script can write faster than anybody reads: whoever waits for other things as well
    /// looks at them between two pieces.
    pub(super) fn pass_on(&mut self, progress: &mut dyn FnMut(Progress)) -> bool {
        let Self {
            log,
            unfinished,
            warnings,
        } = self;
        log.read_piece(&mut |mut new| {
            while let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                unfinished.extend_from_slice(&new[..end]);
                pass_on_entry(unfinished, warnings, progress);
                unfinished.clear();
                new = &new[end + 1..];
            }
            let room = LONGEST_LINE.saturating_sub(unfinished.len());
            unfinished.extend_from_slice(&new[..new.len().min(room)]);
        })
    }

    /// Whether a warning of the runner was passed on already, when its log had it.
    pub(super) fn has_told(&self, warning: &str) -> bool {
        self.warnings.contains(&hooks_runner::log_entry(warning))
    }

    /// Passes on what is left when the script has ended, as far as it goes: something that it left
    /// behind may go on writing.
    pub(super) async fn pass_on_rest(&mut self, progress: &mut (dyn FnMut(Progress) + Send)) {
        for _ in 0..LAST_PIECES {
            if !self.pass_on(progress) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn pass_on_entry(line: &[u8], warnings: &mut Vec<String>, progress: &mut dyn FnMut(Progress)) {
    let Some(entry) = line.get(STAMP..) else {
        return;
    };
    if let Some(text) = entry.strip_prefix(b"[warning]") {
        let text = String::from_utf8_lossy(text).into_owned();
        warnings.push(text.clone());
        progress(Progress::Warning(text));
    }
    for (mark, stream) in [("[stdout]", Stream::Stdout), ("[stderr]", Stream::Stderr)] {
        if let Some(text) = entry.strip_prefix(mark.as_bytes()) {
            progress(Progress::Output {
                stream,
                line: String::from_utf8_lossy(text).into_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use fs_err as fs;

    use super::*;

    fn new_lines(follower: &mut LogFollower) -> Vec<String> {
        let mut lines = Vec::new();
        let mut take = |progress| {
            if let Progress::Output { line, .. } = progress {
                lines.push(line);
            }
        };
        while follower.pass_on(&mut take) {}
        lines
    }

    fn append(path: &Path, text: &str) {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[test]
    fn only_new_whole_output_lines_are_passed_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scripts.log");
        append(&path, "2026-01-01 00:00:00 [stdout]old\n");
        let mut follower = LogFollower::at_the_end_of(&path);
        append(
            &path,
            "2026-01-01 00:00:00 Script - a\n2026-01-01 00:00:00 [stdout]one\n2026-",
        );
        assert_eq!(new_lines(&mut follower), ["one"]);
        append(&path, "01-01 00:00:00 [stderr]two\n");
        assert_eq!(new_lines(&mut follower), ["two"]);
    }

    #[test]
    fn a_warning_is_passed_on_when_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scripts.log");
        let mut follower = LogFollower::at_the_end_of(&path);
        append(
            &path,
            "2026-01-01 00:00:00 [warning]its output is held open\n",
        );
        let mut told = Vec::new();
        while follower.pass_on(&mut |progress| told.push(format!("{progress:?}"))) {}
        assert_eq!(told, [r#"Warning("its output is held open")"#]);
        assert!(follower.has_told("its output\nis held open"));
        assert!(!follower.has_told("something else"));
    }

    #[test]
    fn a_log_that_appears_later_or_is_rotated_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scripts.log");
        let mut follower = LogFollower::at_the_end_of(&path);
        assert!(new_lines(&mut follower).is_empty());
        append(&path, "2026-01-01 00:00:00 [stdout]one\n");
        assert_eq!(new_lines(&mut follower), ["one"]);
        append(&path, "2026-01-01 00:00:00 [stdout]two\n");
        fs::rename(&path, directory.path().join("scripts.log.1")).unwrap();
        append(&path, "2026-01-01 00:00:00 [stdout]three\n");
        assert_eq!(new_lines(&mut follower), ["two", "three"]);
    }
}
