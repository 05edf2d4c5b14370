//! `agent start`: the daemon in the background.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::config_check::check;
use super::configuration::Configuration;
use super::status::{running, within};
use super::{Exit, complain, systemd};
use crate::config::Config;
use crate::daemon::PidFile;
use crate::error::chain;

/// How long the daemon may take to hold its lock.
const PATIENCE: Duration = Duration::from_secs(10);

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
            println!("The CodeDeploy host agent is running as PID {pid} already");
            return Exit::Success;
        }
        Ok(None) => {}
        Err(error) => return complain(&chain(&error), Exit::Failed),
    }
    if systemd::manages(configuration.path.as_deref()) {
        return match systemd::systemctl(&["start"]) {
            Ok(true) => Exit::Success,
            Ok(false) => complain(
                "the agent did not come up; see journalctl -u codedeploy-agent",
                Exit::Failed,
            ),
            Err(error) => complain(&format!("cannot run systemctl: {error}"), Exit::Failed),
        };
    }
    let failed = |error: io::Error| complain(&format!("cannot start: {error}"), Exit::Failed);
    let (mut child, mut errors) = match spawn(configuration.path.as_deref()) {
        Ok(started) => started,
        Err(error) => return failed(error),
    };
    let config = &configuration.loaded.config;
    let mut ended = None;
    let mut up = false;
    within(PATIENCE, || {
        ended = child.try_wait().transpose();
        up = ended.is_none() && is_up(config, &child);
        up || ended.is_some()
    });
    if up {
        println!("The CodeDeploy host agent is running as PID {}", child.id());
        return Exit::Success;
    }
    let how = match ended {
        Some(Ok(status)) => format!("the agent ended at once ({status})"),
        Some(Err(error)) => return failed(error),
        None => {
            // It holds nothing yet, so that nothing is lost.
            let _ = child.kill();
            let _ = child.wait();
            format!(
                "the agent did not come up within {} seconds",
                PATIENCE.as_secs()
            )
        }
    };
    match last_lines(&mut errors) {
        Ok(said) if !said.is_empty() => complain(&format!("{how}; it said:\n{said}"), Exit::Failed),
        _ => complain(&how, Exit::Failed),
    }
}

/// Whether the lock is held by this child. Its pid file comes first: who looks at the lock holds
/// it for a moment.
fn is_up(config: &Config, child: &Child) -> bool {
    let (directory, program) = (&config.pid_dir, config.program_name.as_str());
    let is_child = |pid: i32| u32::try_from(pid) == Ok(child.id());
    PidFile::named(directory, program).is_some_and(is_child)
        && matches!(PidFile::running(directory, program), Ok(Some(pid)) if is_child(pid))
}

/// Starts `agent run` in a session of its own; its standard error goes to a file without a name.
fn spawn(configuration: Option<&Path>) -> io::Result<(Child, File)> {
    let errors = tempfile::tempfile()?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the agent itself; no hook and nothing of a deployment"
    )]
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", "--own-session"]);
    if let Some(path) = configuration {
        // The child is elsewhere.
        command.arg("--config").arg(std::path::absolute(path)?);
    }
    let child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone()?)
        .spawn()?;
    Ok((child, errors))
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
