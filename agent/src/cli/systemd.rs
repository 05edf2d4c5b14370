//! systemd, where the host runs it and has the agent's unit.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::config::default_path;

const UNIT: &str = "codedeploy-agent.service";

/// Where packages and administrators put units.
const DIRECTORIES: [&str; 3] = [
    "/etc/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Whether the daemon with this configuration is the unit's. The unit runs with the installed
/// configuration: a daemon with another one is none of systemd's.
pub(super) fn manages(configuration: Option<&Path>) -> bool {
    let installed = default_path();
    let is_installed = configuration.is_none_or(|path| {
        path == installed
            || matches!(
                (fs_err::canonicalize(path), fs_err::canonicalize(&installed)),
                (Ok(one), Ok(other)) if one == other
            )
    });
    is_installed
        && sd_notify::booted().unwrap_or(false)
        && DIRECTORIES
            .iter()
            .any(|directory| Path::new(directory).join(UNIT).exists())
}

/// Runs `systemctl <arguments> codedeploy-agent.service` with our output; whether it succeeded.
///
/// # Errors
/// When there is no systemctl.
pub(super) fn systemctl(arguments: &[&str]) -> io::Result<bool> {
    let status = command(arguments).status()?;
    Ok(status.success())
}

/// Sends a signal to the unit's daemon, and not to what hooks have started; whether it succeeded.
///
/// # Errors
/// When there is no systemctl.
pub(super) fn signal_main(signal: &str) -> io::Result<bool> {
    let send = |whom: &str| {
        command(&["kill", whom, "--signal", signal])
            .stderr(Stdio::null())
            .status()
    };
    // systemd before 252 knows the second name only.
    Ok(send("--kill-whom=main")?.success() || send("--kill-who=main")?.success())
}

/// The process id of the unit's daemon, when it runs.
pub(super) fn main_pid() -> Option<i32> {
    let output = command(&["show", "--property=MainPID"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    pid_in(&String::from_utf8(output.stdout).ok()?)
}

fn pid_in(shown: &str) -> Option<i32> {
    let pid = shown.trim().strip_prefix("MainPID=")?.parse().ok()?;
    (pid > 0).then_some(pid)
}

fn command(arguments: &[&str]) -> Command {
    #[expect(
        clippy::disallowed_methods,
        reason = "asks the service manager; no hook and nothing of a deployment"
    )]
    let mut command = Command::new("systemctl");
    command.args(arguments).arg(UNIT).stdin(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_process_is_read_from_what_systemctl_shows() {
        assert_eq!(pid_in("MainPID=123\n"), Some(123));
        assert_eq!(pid_in("MainPID=0\n"), None);
        assert_eq!(pid_in(""), None);
    }

    #[test]
    fn a_daemon_with_another_configuration_is_none_of_systemds() {
        assert!(!manages(Some(Path::new("/nonexistent/other.yml"))));
    }
}
