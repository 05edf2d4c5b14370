//! Standard output and standard error: what they are (a terminal or not, how wide, with colours or
//! without), and the one way to write to them.
//!
//! The rule for all subcommands: whoever closes standard output early has seen enough, and nothing
//! comes of it. When it cannot be written for another reason (a full disk), what was begun is brought
//! to its end; then standard error says so, and a success ends as a failure, except that of a deployment:
//! its status is acted upon. What standard error does not take is lost: there is nobody left to tell.

use std::io::{self, IsTerminal as _, Write as _, stderr, stdout};
use std::sync::OnceLock;

use super::Exit;

/// Why standard output could not be written first.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// A colour of the terminal's own palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Green,
    Red,
    Yellow,
    Dim,
}

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours on a terminal whose user has not said `NO_COLOR`.
    pub(super) fn of_standard_output() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: is_terminal() && !unwanted,
        }
    }

    #[cfg(test)]
    pub(super) fn with(colours: bool) -> Self {
        Self { colours }
    }

    pub(super) fn text(self, colour: Colour, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => 32,
            Colour::Red => 31,
            Colour::Yellow => 33,
            Colour::Dim => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

pub(super) fn is_terminal() -> bool {
    stdout().is_terminal()
}

/// The columns of the terminal that standard output is.
pub(super) fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Files and services may say anything; the terminal, and the line, are not theirs.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// `text` with at most `width` characters; what is cut is its middle, because the beginning and the
/// end of a revision's name tell most.
pub(super) fn fitted(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let Some(kept) = width.checked_sub(1) else {
        return String::new();
    };
    let beginning: String = text.chars().take(kept / 2).collect();
    let end: String = text.chars().skip(length - (kept - kept / 2)).collect();
    format!("{beginning}…{end}")
}

/// Writes a line to standard output; whether it still takes any.
pub(super) fn say(line: &str) -> bool {
    print(format!("{line}\n").as_bytes())
}

/// Writes to standard output; whether it still takes anything.
pub(super) fn print(bytes: &[u8]) -> bool {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe {
                let _ = UNWRITTEN.set(error);
            }
            false
        }
    }
}

/// Writes a line to standard error.
pub(super) fn say_aside(line: &str) {
    print_aside(&format!("{line}\n"));
}

/// Writes to standard error.
pub(super) fn print_aside(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// How a program ends that would end as `exit`, when standard output has taken everything.
pub(super) fn end(exit: Exit) -> Exit {
    let Some(error) = UNWRITTEN.get() else {
        return exit;
    };
    say_aside(&format!("error: cannot write to standard output: {error}"));
    match exit {
        Exit::Success => Exit::Failed,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        assert_eq!(fitted("s3://bucket/key", 15), "s3://bucket/key");
        assert_eq!(fitted("s3://bucket/key", 7), "s3:…key");
        assert_eq!(fitted("äöüäöü", 4), "ä…öü");
        assert_eq!(fitted("text", 1), "…");
        assert_eq!(fitted("text", 0), "");
    }

    #[test]
    fn nothing_leaves_its_line() {
        assert_eq!(one_line("a\nb\x1b[2J"), "a b [2J");
    }
}
