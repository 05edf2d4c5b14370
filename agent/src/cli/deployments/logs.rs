//! `agent deployments logs`: the output of a deployment's hooks, all of it, and what comes.
//!
//! On a terminal control characters are shown as `\u{1b}`, because a log may hold anything, above all
//! one of AWS's agents; into a pipe or a file it goes as it is.

use std::path::{Path, PathBuf};

use super::arguments::LogsArguments;
use super::follow::{gone, is_running};
use super::log;
use super::watch::{News, Watch};
use crate::cli::past_deployments::PastDeployments;
use crate::cli::terminal::{is_terminal, print, say_aside};
use crate::cli::{Exit, complain};
use crate::error::chain;
use crate::files::FileFollower;
use crate::history::PastDeployment;

/// As many rotated logs as any program has kept of one deployment.
const ROTATED: usize = 64;

/// Runs the subcommand.
pub(super) fn main(
    history: &PastDeployments,
    found: &PastDeployment,
    arguments: &LogsArguments,
) -> Exit {
    let follow = arguments.follow && is_running(found);
    let Some(path) = log::path(found) else {
        let message = format!("the directory of {} is not on this host any more", found.id);
        return complain(&message, Exit::Failed);
    };
    let mut printer = Printer {
        escape: is_terminal(),
        unfinished: Vec::new(),
        has_reader: true,
    };
    let mut any = false;
    for rotated in rotated(&path).into_iter().rev() {
        FileFollower::from_the_beginning_of(&rotated).read_new(&mut |bytes| printer.print(bytes));
        any = true;
    }
    let mut log = FileFollower::from_the_beginning_of(&path);
    log.read_new(&mut |bytes| printer.print(bytes));
    let mut past = found.clone();
    let mut watch = Watch::new(history);
    while follow && is_running(&past) && printer.has_reader {
        match watch.news(&past) {
            Ok(News::Now(now)) => past = *now,
            Ok(News::None) => {}
            Ok(News::Gone) => return complain(&gone(&past), Exit::Failed),
            Err(error) => return complain(&chain(&error), Exit::Failed),
        }
        log.read_new(&mut |bytes| printer.print(bytes));
    }
    printer.end();
    if !any && !log.is_open() {
        say_aside(&format!(
            "{} has no hook output: no hook of it has run",
            found.id
        ));
    }
    Exit::Success
}

/// `scripts.log.1` and older ones, newest first.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let name = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    (1..=ROTATED)
        .map(name)
        .take_while(|path| fs_err::symlink_metadata(path).is_ok_and(|file| file.is_file()))
        .collect()
}

/// Prints bytes as standard output may have them.
struct Printer {
    escape: bool,
    /// A character whose end has not been read yet.
    unfinished: Vec<u8>,
    has_reader: bool,
}

impl Printer {
    fn print(&mut self, bytes: &[u8]) {
        if !self.escape {
            return self.write(bytes);
        }
        self.unfinished.extend_from_slice(bytes);
        let whole = whole_characters(&self.unfinished);
        let text: Vec<u8> = self.unfinished.drain(..whole).collect();
        self.write(escaped(&text).as_bytes());
    }

    fn end(&mut self) {
        let rest = std::mem::take(&mut self.unfinished);
        self.write(escaped(&rest).as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.has_reader &= print(bytes);
    }
}

/// The length of `bytes` without a character at its end that is not whole yet.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// Control characters, but for line ends and tabs, in the form of Rust's strings.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(escaped(b"a\tb\n\x1b[2J\r\x07"), "a\tb\n\\u{1b}[2J\\r\\u{7}");
        assert_eq!(escaped("\u{9b}2J ä".as_bytes()), "\\u{9b}2J ä");
    }

    #[test]
    fn a_character_that_was_cut_waits_for_its_rest() {
        let bytes = "aä".as_bytes();
        assert_eq!(whole_characters(bytes), 3);
        assert_eq!(whole_characters(&bytes[..2]), 1);
        assert_eq!(whole_characters(b"a\xff"), 2);
    }
}
