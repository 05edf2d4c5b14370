//! Failpoints as the tests see them: two environment variables say what happens where.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Failpoint, Program};

/// `PLACE@COUNT=ACTION`: at the `COUNT`th time (from 1) that `PLACE` is passed, a name, or `Agent`
/// or `Runner` for any of that program's, the process does `ACTION`: `kill` (as `kill -9`), `stop`
/// (as `kill -STOP`), `panic`, `hold:PATH` (this thread waits for as long as the file `PATH` is there),
/// or an error number that the step fails with. An error is repeated from then on when the count is
/// followed by `+`. Counted is what this process passes, or with a trace all
/// that is in it: so that one of many runners can be chosen.
const ARM: &str = "CODEDEPLOY_FAILPOINT";

/// A file to which a line is appended each time that a place is passed: its name and the process
/// id.
const TRACE: &str = "CODEDEPLOY_FAILPOINT_TRACE";

enum Action {
    Signal(Signal),
    Hold(PathBuf),
    Panic,
    Fail(i32),
}

struct Armed {
    place: String,
    count: u64,
    repeated: bool,
    action: Action,
}

/// How often places were passed, the present one included.
#[derive(Default)]
struct Passed {
    by_name: u64,
    by_program: u64,
}

impl Passed {
    /// Counts what is in `names` for `point`.
    fn count<'a>(names: impl Iterator<Item = &'a str>, point: Failpoint) -> Self {
        let mut passed = Self::default();
        for name in names {
            let other = Failpoint::ALL.iter().find(|other| other.name() == name);
            if other.is_some_and(|other| other.program() == point.program()) {
                passed.by_program += 1;
            }
            passed.by_name += u64::from(name == point.name());
        }
        passed
    }

    /// Of this process; an Install passes one place many thousand times.
    fn here(point: Failpoint) -> Self {
        static COUNTS: Mutex<[u64; Failpoint::ALL.len()]> = Mutex::new([0; Failpoint::ALL.len()]);
        let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut passed = Self::default();
        for (other, count) in Failpoint::ALL.iter().zip(counts.iter_mut()) {
            *count += u64::from(*other == point);
            if *other == point {
                passed.by_name = *count;
            }
            if other.program() == point.program() {
                passed.by_program += *count;
            }
        }
        passed
    }

    /// Of all processes that write the trace, up to the line that is written here.
    fn traced(path: &Path, point: Failpoint) -> io::Result<Self> {
        let mut trace = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)?;
        let line = format!("{} {}\n", point.name(), std::process::id());
        trace.write_all(line.as_bytes())?;
        let end = trace.stream_position()?;
        trace.rewind()?;
        let mut text = String::new();
        trace.take(end).read_to_string(&mut text)?;
        let names = text.lines().filter_map(|line| line.split(' ').next());
        Ok(Self::count(names, point))
    }
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let text = std::env::var(ARM).ok()?;
            let parsed = parse(&text);
            assert!(parsed.is_some(), "{ARM} is not understood: {text}");
            parsed
        })
        .as_ref()
}

fn parse(text: &str) -> Option<Armed> {
    let (when, action) = text.split_once('=')?;
    let (place, count) = when.split_once('@')?;
    let action = match action {
        "kill" => Action::Signal(Signal::SIGKILL),
        "stop" => Action::Signal(Signal::SIGSTOP),
        "panic" => Action::Panic,
        other => match other.strip_prefix("hold:") {
            Some(path) => Action::Hold(path.into()),
            None => Action::Fail(other.parse().ok()?),
        },
    };
    Some(Armed {
        place: place.to_owned(),
        count: count.trim_end_matches('+').parse().ok()?,
        repeated: count.ends_with('+'),
        action,
    })
}

pub(crate) fn pass(point: Failpoint) -> io::Result<()> {
    let (trace, armed) = (std::env::var_os(TRACE), armed());
    if trace.is_none() && armed.is_none() {
        return Ok(());
    }
    let passed = match trace {
        Some(path) => Passed::traced(path.as_ref(), point)?,
        None => Passed::here(point),
    };
    let Some(armed) = armed else { return Ok(()) };
    let program = match point.program() {
        Program::Agent => "Agent",
        Program::Runner => "Runner",
    };
    let count = if armed.place == point.name() {
        passed.by_name
    } else if armed.place == program {
        passed.by_program
    } else {
        return Ok(());
    };
    if count != armed.count && !(armed.repeated && count > armed.count) {
        return Ok(());
    }
    match &armed.action {
        Action::Signal(signal) => {
            // One of these two always reaches a process that sends it to itself.
            let _ = kill(Pid::this(), *signal);
            Ok(())
        }
        Action::Hold(path) => {
            while path.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        }
        #[expect(clippy::panic, reason = "it is what the test wants")]
        Action::Panic => panic!("at the failpoint {}", point.name()),
        Action::Fail(number) => Err(io::Error::from_raw_os_error(*number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_name_and_by_program() {
        let names = [
            "JournalSync",
            "RunnerStarted",
            "JournalAppend",
            "JournalSync",
        ];
        let passed = Passed::count(names.into_iter(), Failpoint::JournalSync);
        assert_eq!((passed.by_name, passed.by_program), (2, 3));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "JournalSync",
            "JournalSync@1",
            "JournalSync@x=kill",
            "JournalSync@1=x",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
        let armed = parse("JournalSync@3+=28").unwrap();
        assert_eq!(
            (armed.place.as_str(), armed.count, armed.repeated),
            ("JournalSync", 3, true)
        );
        assert!(matches!(armed.action, Action::Fail(28)));
    }
}
