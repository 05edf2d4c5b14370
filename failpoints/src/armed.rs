//! Failpoints as the tests see them: two environment variables say what happens where.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Failpoint, Program};

/// `PLACE@COUNT=ACTION`: at the `COUNT`th time (from 1) that this process passes `PLACE`, a name, or
/// `Agent` or `Runner` for any of that program's, it does `ACTION`: `kill` (as `kill -9`), `stop` (as
/// `kill -STOP`), or an error number that the step fails with. An error is repeated from then on
/// when the count is followed by `+`.
const ARM: &str = "CODEDEPLOY_FAILPOINT";

/// A file to which each name is appended, a line each, when its place is passed.
const TRACE: &str = "CODEDEPLOY_FAILPOINT_TRACE";

enum Action {
    Signal(Signal),
    Fail(i32),
}

struct Armed {
    place: String,
    count: u64,
    repeated: bool,
    action: Action,
}

#[derive(Default)]
struct Passed {
    by_name: HashMap<&'static str, u64>,
    by_program: u64,
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
        number => Action::Fail(number.parse().ok()?),
    };
    Some(Armed {
        place: place.to_owned(),
        count: count.trim_end_matches('+').parse().ok()?,
        repeated: count.ends_with('+'),
        action,
    })
}

pub(crate) fn pass(point: Failpoint) -> io::Result<()> {
    static PASSED: Mutex<Option<Passed>> = Mutex::new(None);
    if let Some(path) = std::env::var_os(TRACE) {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?
            .write_all(format!("{}\n", point.name()).as_bytes())?;
    }
    let Some(armed) = armed() else { return Ok(()) };
    let (by_name, by_program) = {
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = passed.get_or_insert_default();
        let by_name = passed.by_name.entry(point.name()).or_default();
        *by_name += 1;
        passed.by_program += 1;
        (*by_name, passed.by_program)
    };
    let program = match point.program() {
        Program::Agent => "Agent",
        Program::Runner => "Runner",
    };
    let count = if armed.place == point.name() {
        by_name
    } else if armed.place == program {
        by_program
    } else {
        return Ok(());
    };
    if count != armed.count && !(armed.repeated && count > armed.count) {
        return Ok(());
    }
    match armed.action {
        Action::Signal(signal) => {
            // One of these two always reaches a process that sends it to itself.
            let _ = kill(Pid::this(), signal);
            Ok(())
        }
        Action::Fail(number) => Err(io::Error::from_raw_os_error(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
