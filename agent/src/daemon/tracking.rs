//! Tracking files: which commands are at work, in the form that AWS's agents write and read.
//!
//! `<root>/<ongoing-deployment>/<deployment id>` holds the host command identifier (contract:
//! deployment, "Directories on the host"). An agent of AWS's that follows ours reports what it
//! finds there as failed and removes the file; ours that follows one of AWS's does the same. They
//! need not survive the host's going down: what ours had at work is in its journal.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use failpoints::Failpoint;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use crate::deployment::DeploymentId;
use crate::files::make_directory;

/// Older files mean nothing any more: the service has given up on their commands.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that an identifier may have; a longer file is no tracking file.
const LONGEST_IDENTIFIER: usize = 4096;

/// The directory of tracking files.
#[derive(Debug, Clone)]
pub(super) struct Tracking {
    directory: PathBuf,
    /// Of the files: 0644 as AWS's agents have it, or 0600 when restricted.
    file_mode: u32,
}

/// A command that an agent had at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracked {
    /// The file's name.
    pub(super) deployment: DeploymentId,
    /// The host command identifier.
    pub(super) command: String,
}

impl Tracking {
    pub(super) fn new(directory: PathBuf, file_mode: u32) -> Self {
        Self {
            directory,
            file_mode,
        }
    }

    /// Notes that `command` of `deployment` is at work.
    pub(super) fn begin(&self, deployment: &DeploymentId, command: &str) -> io::Result<()> {
        make_directory(&self.directory, 0o755)?;
        Failpoint::TrackingWrite.pass()?;
        // Beside the directory, where no agent takes it for a tracking file.
        let temporary = self.directory.with_extension("tmp");
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.file_mode)
            .open(&temporary)?;
        // Whatever the umask.
        file.set_permissions(Permissions::from_mode(self.file_mode))?;
        file.write_all(command.as_bytes())?;
        fs::rename(&temporary, self.path(deployment))
    }

    /// Whether nobody has disposed of `command` since it began. What cannot be read was not
    /// disposed of.
    pub(super) fn holds(&self, deployment: &DeploymentId, command: &str) -> bool {
        match read(&self.path(deployment)) {
            Ok(found) => found.as_deref() == Some(command),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Notes that `command` is not at work any more. One that stays would make the next agent
    /// report a command that is over; the service refuses that, so it does no harm.
    pub(super) fn end(&self, deployment: &DeploymentId, command: &str) -> io::Result<()> {
        let path = self.path(deployment);
        match read(&path) {
            // By now another command's.
            Ok(found) if found.as_deref() != Some(command) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Ok(_) | Err(_) => {}
        }
        Failpoint::TrackingRemove.pass()?;
        fs::remove_file(&path)
    }

    /// The commands that an agent left behind, without those for which `is_known` is true: how old
    /// their files are does not matter. Other files that mean nothing any more are removed; what
    /// cannot be read is said by `complain` and left where it is.
    pub(super) fn left_behind(
        &self,
        is_known: impl Fn(&str) -> bool,
        mut complain: impl FnMut(String),
    ) -> Vec<Tracked> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    complain(error.to_string());
                }
                return Vec::new();
            }
        };
        let mut left = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            if matches!(read(&path), Ok(Some(command)) if is_known(&command)) {
                continue;
            }
            let name = entry.file_name();
            let found = name
                .to_str()
                .ok_or_else(|| io::Error::other("its name is no deployment's"))
                .and_then(|name| DeploymentId::new(name).map_err(io::Error::other))
                .and_then(|deployment| Ok((deployment, read_fresh(&path)?)));
            match found {
                Ok((deployment, Some(command))) => left.push(Tracked {
                    deployment,
                    command,
                }),
                Ok((_, None)) => {
                    if let Err(error) = fs::remove_file(&path) {
                        complain(error.to_string());
                    }
                }
                Err(error) => complain(format!("{}: {error}", path.display())),
            }
        }
        left.sort_by(|a, b| a.deployment.cmp(&b.deployment));
        left
    }

    fn path(&self, deployment: &DeploymentId) -> PathBuf {
        self.directory.join(deployment)
    }
}

/// The identifier in a tracking file; none when the file is too old, or holds none.
fn read_fresh(path: &Path) -> io::Result<Option<String>> {
    let age = fs::symlink_metadata(path)?.modified()?.elapsed();
    if age.unwrap_or_default() > FORGOTTEN_AFTER {
        return Ok(None);
    }
    read(path)
}

/// The identifier in a tracking file; none when it holds none, as one that was being written when
/// the host went down.
fn read(path: &Path) -> io::Result<Option<String>> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() > LONGEST_IDENTIFIER as u64 {
        return Err(io::Error::other("it is no tracking file"));
    }
    let content = String::from_utf8(fs::read(path)?)
        .map_err(|_| io::Error::other("it holds no identifier of a command"))?;
    let text = content.trim();
    if text.chars().any(char::is_control) {
        return Err(io::Error::other("it holds no identifier of a command"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn id(name: &str) -> DeploymentId {
        DeploymentId::new(name).unwrap()
    }

    #[test]
    fn a_file_holds_the_identifier_until_the_command_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ongoing-deployment/d-1");
        let tracking = Tracking::new(directory.path().join("ongoing-deployment"), 0o644);
        assert!(!tracking.holds(&id("d-1"), "command-1"));
        tracking.begin(&id("d-1"), "command-1").unwrap();
        tracking.begin(&id("d-1"), "command-2").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "command-2");
        assert!(tracking.holds(&id("d-1"), "command-2"));
        assert!(!tracking.holds(&id("d-1"), "command-1"));
        tracking.end(&id("d-1"), "command-1").unwrap();
        assert!(path.exists(), "it is another command's");
        tracking.end(&id("d-1"), "command-2").unwrap();
        assert!(!path.exists());
        tracking.end(&id("d-1"), "command-2").unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_file_that_is_left_and_not_too_old_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let tracking = Tracking::new(directory.path().to_owned(), 0o644);
        fs::write(directory.path().join("d-1"), "one\n").unwrap();
        fs::write(directory.path().join("d-2"), "two").unwrap();
        fs::write(directory.path().join("d-old"), "old").unwrap();
        fs::write(directory.path().join("d-empty"), "").unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        let old = fs::OpenOptions::new()
            .write(true)
            .open(directory.path().join("d-old"))
            .unwrap();
        old.set_modified(long_ago).unwrap();
        let left = tracking.left_behind(|_| false, |complaint| panic!("{complaint}"));
        let found: Vec<_> = left
            .iter()
            .map(|left| (left.deployment.as_str(), left.command.as_str()))
            .collect();
        assert_eq!(found, [("d-1", "one"), ("d-2", "two")]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_file_of_a_command_that_is_known_is_left_however_old_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let tracking = Tracking::new(directory.path().to_owned(), 0o644);
        tracking.begin(&id("d-1"), "one").unwrap();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(directory.path().join("d-1"))
            .unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        file.set_modified(long_ago).unwrap();
        let left = tracking.left_behind(|command| command == "one", |said| panic!("{said}"));
        assert_eq!(left, []);
        assert!(tracking.holds(&id("d-1"), "one"));
    }

    #[test]
    fn what_is_no_tracking_file_is_said_and_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("d-long"), "x".repeat(5000)).unwrap();
        fs::write(path("d-binary"), [0xff, 0xfe]).unwrap();
        fs::write(path("d-lines"), "one\ntwo").unwrap();
        fs::write(path("no deployment"), "one").unwrap();
        fs::create_dir(path("d-directory")).unwrap();
        fs_err::os::unix::fs::symlink("/etc/hostname", path("d-link")).unwrap();
        let mut complaints = Vec::new();
        let tracking = Tracking::new(directory.path().to_owned(), 0o644);
        let left = tracking.left_behind(|_| false, |complaint| complaints.push(complaint));
        assert_eq!(left, []);
        assert_eq!(complaints.len(), 6, "{complaints:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 6);
        // It may be one; only that cannot be told.
        assert!(tracking.holds(&id("d-lines"), "one"));
    }

    #[test]
    fn without_a_directory_nothing_was_left() {
        let tracking = Tracking::new("/nonexistent/ongoing-deployment".into(), 0o644);
        let left = tracking.left_behind(|_| false, |complaint| panic!("{complaint}"));
        assert!(left.is_empty());
    }
}
