//! `restrict_agent_dir_permissions` and `restrict_log_dir_permissions`: what is on disk already is
//! closed to others when the daemon starts; what comes later is made so.
//!
//! Permissions are only ever taken away, and no link is followed. A revision's own files keep the
//! modes that they came with: hooks run from them, as other users.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

use crate::config::Config;
use crate::files::make_directory;

/// For root alone.
const PRIVATE: u32 = 0o700;
/// Users that hooks run as may pass, and not look.
const PASSABLE: u32 = 0o711;
/// For root and its group.
const LOGS: u32 = 0o750;
const LOG_FILE: u32 = 0o640;
const STATE_FILE: u32 = 0o600;

/// Closes the agent's directories and state; `complain` is told of what could not be. Makes
/// nothing but the directories of state. Does nothing without the setting.
pub fn close_agent_directories(config: &Config, mut complain: impl FnMut(&io::Error)) {
    if !config.restrict_agent_dir_permissions {
        return;
    }
    let mut closer = Closer {
        complain: &mut complain,
    };
    let root = config.deployment_root();
    let state = [
        config.pid_dir.clone(),
        root.tracking_directory(),
        root.instructions_directory(),
    ];
    if let Some(parent) = config
        .pid_dir
        .parent()
        .filter(|path| path.ends_with("state"))
    {
        closer.close(parent, PRIVATE);
    }
    for directory in &state {
        if let Err(error) = make_directory(directory, PRIVATE) {
            (closer.complain)(&error);
            continue;
        }
        closer.close(directory, PRIVATE);
        closer.close_files(directory, STATE_FILE);
    }
    let logs = root.logs_directory();
    closer.close(&logs, LOGS);
    closer.close_files(&logs, LOG_FILE);
    closer.close(root.path(), PASSABLE);
    // Groups, and in them deployments. All else has just been closed further.
    for group in directories_in(root.path()) {
        if state.contains(&group) || group == logs {
            continue;
        }
        closer.close(&group, PASSABLE);
        for deployment in directories_in(&group) {
            closer.close(&deployment, PASSABLE);
            let logs = deployment.join("logs");
            closer.close(&logs, LOGS);
            closer.close_files(&logs, LOG_FILE);
        }
    }
}

/// Closes the directory of the agent's logs, and the logs. Does nothing without the setting.
pub fn close_log_directory(config: &Config, mut complain: impl FnMut(&io::Error)) {
    if !config.restrict_log_dir_permissions {
        return;
    }
    let mut closer = Closer {
        complain: &mut complain,
    };
    closer.close(&config.log_dir, LOGS);
    closer.close_files(&config.log_dir, LOG_FILE);
}

struct Closer<'a> {
    complain: &'a mut dyn FnMut(&io::Error),
}

impl Closer<'_> {
    /// Takes away the permissions that are not in `mode`. What is not there is closed enough.
    fn close(&mut self, path: &Path, mode: u32) {
        match close(path, mode) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => (self.complain)(&error),
            _ => {}
        }
    }

    /// Closes the files in a directory.
    fn close_files(&mut self, directory: &Path, mode: u32) {
        for path in entries_of(directory) {
            if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
                self.close(&path, mode);
            }
        }
    }
}

fn close(path: &Path, mode: u32) -> io::Result<()> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file: File = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?
        .into_file();
    let found = file.metadata()?;
    let closed = found.mode() & 0o7777 & mode;
    if closed == found.mode() & 0o7777 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(closed))
        .map_err(|error| {
            let path = path.display();
            io::Error::new(
                error.kind(),
                format!("cannot change the mode of {path}: {error}"),
            )
        })
}

fn entries_of(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let mut paths = entries_of(directory);
    paths.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Purpose;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn host(directory: &Path) -> Config {
        let mut config = Config::defaults(Purpose::Service);
        config.root_dir = directory.join("root");
        config.pid_dir = directory.join("state/.pid");
        config.log_dir = directory.join("log");
        for (path, open) in [
            ("state/.pid/codedeploy-agent.pid", 0o644),
            ("root/deployment-instructions/g-cleanup", 0o644),
            ("root/ongoing-deployment/d-1", 0o644),
            (
                "root/deployment-logs/codedeploy-agent-deployments.log",
                0o644,
            ),
            ("root/g/d-1/logs/scripts.log", 0o644),
            ("root/g/d-1/deployment-archive/run.sh", 0o755),
            ("log/codedeploy-agent.log", 0o666),
        ] {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
        }
        config
    }

    fn fail(error: &io::Error) {
        panic!("{error}");
    }

    #[test]
    fn nothing_happens_without_the_settings() {
        let directory = tempfile::tempdir().unwrap();
        let config = host(directory.path());
        close_agent_directories(&config, fail);
        close_log_directory(&config, fail);
        assert_eq!(
            mode(&directory.path().join("log/codedeploy-agent.log")),
            0o666
        );
        assert_eq!(
            mode(&directory.path().join("root/ongoing-deployment/d-1")),
            0o644
        );
    }

    #[test]
    fn state_is_closed_and_hooks_can_still_be_reached() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = host(directory.path());
        config.restrict_agent_dir_permissions = true;
        config.restrict_log_dir_permissions = true;
        close_agent_directories(&config, fail);
        close_log_directory(&config, fail);
        for (path, expected) in [
            ("state", 0o700),
            ("state/.pid", 0o700),
            ("state/.pid/codedeploy-agent.pid", 0o600),
            ("root", 0o711),
            ("root/deployment-instructions", 0o700),
            ("root/deployment-instructions/g-cleanup", 0o600),
            ("root/ongoing-deployment", 0o700),
            ("root/ongoing-deployment/d-1", 0o600),
            ("root/deployment-logs", 0o750),
            (
                "root/deployment-logs/codedeploy-agent-deployments.log",
                0o640,
            ),
            ("root/g", 0o711),
            ("root/g/d-1", 0o711),
            ("root/g/d-1/logs", 0o750),
            ("root/g/d-1/logs/scripts.log", 0o640),
            ("root/g/d-1/deployment-archive/run.sh", 0o755),
            ("log", 0o750),
            ("log/codedeploy-agent.log", 0o640),
        ] {
            assert_eq!(mode(&directory.path().join(path)), expected, "{path}");
        }
    }

    #[test]
    fn links_are_not_followed_and_nothing_is_opened_wider() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = host(directory.path());
        config.restrict_agent_dir_permissions = true;
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o755)).unwrap();
        let link = directory.path().join("root/linked-group");
        fs_err::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let closed = directory.path().join("root/g");
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        close_agent_directories(&config, fail);
        assert_eq!(mode(&elsewhere), 0o755);
        assert_eq!(mode(&closed), 0o700);
    }
}
