//! `agent start`: the daemon in the background.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::config_check::check;
use super::configuration::Configuration;
use super::log_errors::LogErrors;
use super::readiness::{Readiness, Told};
use super::status::running;
use super::terminal::say;
use super::{Exit, complain, systemd};
use crate::error::chain;

/// How long the daemon may take to be ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a daemon that is ready finds out at once, such as a certificate file that is not there,
/// it finds out within this time.
const FIRST_STEPS: Duration = Duration::from_secs(1);

/// Of what a daemon said that did not come up: the last so many bytes are looked at, and lines
/// shown.
const SHOWN_BYTES: u64 = 8 * 1024;
const SHOWN_LINES: usize = 10;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>) -> Exit {
    match check(named) {
        Ok(configuration) => start(&configuration),
        Err(exit) => exit,
    }
}

/// Starts the daemon of a configuration that was checked.
pub(super) fn start(configuration: &Configuration) -> Exit {
    match running(&configuration.loaded.config) {
        Ok(Some(pid)) => {
            say(&format!(
                "The CodeDeploy host agent is running as PID {pid} already"
            ));
            return Exit::Success;
        }
        Ok(None) => {}
        Err(error) => return complain(&chain(&error), Exit::Failed),
    }
    let log = LogErrors::from_now(&configuration.loaded.config);
    if systemd::manages(configuration.path()) {
        // Waits until the unit is ready, as `Type=notify` has it.
        return match systemd::systemctl(&["start"]) {
            Ok(true) => Exit::Success,
            Ok(false) => complain(
                &format!(
                    "the agent did not come up; see journalctl -u codedeploy-agent{}",
                    log.last()
                ),
                Exit::Failed,
            ),
            Err(error) => complain(&format!("cannot run systemctl: {error}"), Exit::Failed),
        };
    }
    let failed = |error: io::Error| complain(&format!("cannot start: {error}"), Exit::Failed);
    let (mut child, readiness, mut errors) = match spawn(configuration) {
        Ok(started) => started,
        Err(error) => return failed(error),
    };
    let how = match come_up(&mut child, &readiness) {
        Ok(None) => {
            say(&format!(
                "The CodeDeploy host agent is running as PID {}",
                child.id()
            ));
            return Exit::Success;
        }
        Ok(Some(how)) => how,
        Err(error) => return failed(error),
    };
    let said = match last_lines(&mut errors) {
        Ok(said) if !said.is_empty() => format!("; it said:\n{said}"),
        _ => String::new(),
    };
    complain(&format!("{how}{said}{}", log.last()), Exit::Failed)
}

/// Waits until the daemon is ready; what happened instead.
fn come_up(child: &mut Child, readiness: &Readiness) -> io::Result<Option<String>> {
    let mut told = readiness.wait(PATIENCE);
    if told == Told::Ready {
        // It may end yet, over what only it can find out; or say what it does now.
        told = match readiness.wait(FIRST_STEPS) {
            Told::Gone => Told::Gone,
            Told::Ready | Told::Nothing => return Ok(None),
        };
    }
    if told == Told::Nothing {
        // It has taken no work yet, so that nothing is lost.
        let _ = child.kill();
        let _ = child.wait();
        return Ok(Some(format!(
            "the agent did not come up within {} seconds",
            PATIENCE.as_secs()
        )));
    }
    let status = child.wait()?;
    Ok(Some(format!("the agent ended at once ({status})")))
}

/// Starts `agent run` in a session of its own; its standard error goes to a file without a name.
fn spawn(configuration: &Configuration) -> io::Result<(Child, Readiness, File)> {
    let errors = tempfile::tempfile()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the agent itself; no hook and nothing of a deployment"
    )]
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", "--own-session"]);
    if let Some(path) = configuration.path() {
        // The child is elsewhere.
        command.arg("--config").arg(std::path::absolute(path)?);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(errors.try_clone()?);
    let (child, readiness) = Readiness::spawn(&mut command, &configuration.loaded.config)?;
    Ok((child, readiness, errors))
}

fn last_lines(errors: &mut File) -> io::Result<String> {
    let length = errors.metadata()?.len();
    errors.seek(SeekFrom::Start(length.saturating_sub(SHOWN_BYTES)))?;
    let mut text = Vec::new();
    errors.take(SHOWN_BYTES).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..);
    Ok(shown.unwrap_or_default().join("\n"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_are_shown_of_however_much() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(last_lines(&mut file).unwrap(), "");
        for number in 0..10_000 {
            writeln!(file, "line {number}").unwrap();
        }
        let shown = last_lines(&mut file).unwrap();
        assert_eq!(shown.lines().count(), SHOWN_LINES);
        assert!(shown.ends_with("line 9999"), "{shown}");
    }
}
