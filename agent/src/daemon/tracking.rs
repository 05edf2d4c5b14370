//! Tracking files: which commands were at work when an agent went down.
//!
//! `<root>/<ongoing-deployment>/<deployment id>` holds the host command identifier (contract:
//! deployment, "Directories on the host"), as AWS's agents write and read it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use crate::deployment::DeploymentId;
use crate::files::write_atomically;

/// Older files mean nothing any more: the service has given up on their commands.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that an identifier may have; a longer file is no tracking file.
const LONGEST_IDENTIFIER: usize = 4096;

/// The tracking file of a command at work; removed when dropped.
#[derive(Debug)]
pub(super) struct Tracked {
    path: PathBuf,
}

/// The directory of tracking files.
#[derive(Debug, Clone)]
pub(super) struct Tracking {
    directory: PathBuf,
}

impl Tracking {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Notes that `command` of `deployment` is at work.
    pub(super) fn begin(&self, deployment: &DeploymentId, command: &str) -> io::Result<Tracked> {
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(deployment);
        write_atomically(&path, command.as_bytes(), 0o644)?;
        Ok(Tracked { path })
    }

    /// The commands that an agent left behind, and forgets them. What cannot be read is said by
    /// `complain` and left where it is.
    pub(super) fn take_left_behind(&self, mut complain: impl FnMut(String)) -> Vec<String> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    complain(error.to_string());
                }
                return Vec::new();
            }
        };
        let mut commands = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            match read(&path) {
                Ok(Some(command)) => commands.push(command),
                Ok(None) => {}
                Err(error) => {
                    complain(error.to_string());
                    continue;
                }
            }
            if let Err(error) = fs::remove_file(&path) {
                complain(error.to_string());
            }
        }
        commands.sort();
        commands
    }
}

/// The identifier in a tracking file; none when the file is too old, or holds none.
fn read(path: &Path) -> io::Result<Option<String>> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!(
            "{} is no tracking file",
            path.display()
        )));
    }
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    if age > FORGOTTEN_AFTER || metadata.len() > LONGEST_IDENTIFIER as u64 {
        return Ok(None);
    }
    let content = fs::read(path)?;
    let text = String::from_utf8_lossy(&content).trim().to_owned();
    Ok(Some(text).filter(|text| !text.is_empty()))
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // One that stays would make the next agent report a command that is over; the service
        // refuses that, so it does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_file_holds_the_identifier_and_goes_with_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let tracking = Tracking::new(directory.path().join("ongoing-deployment"));
        let id = DeploymentId::new("d-1").unwrap();
        let tracked = tracking.begin(&id, "command-1").unwrap();
        let path = directory.path().join("ongoing-deployment/d-1");
        assert_eq!(fs::read_to_string(&path).unwrap(), "command-1");
        drop(tracked);
        assert!(!path.exists());
    }

    #[test]
    fn every_file_that_is_left_and_not_too_old_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        let tracking = Tracking::new(directory.path().to_owned());
        fs::write(directory.path().join("d-1"), "one\n").unwrap();
        fs::write(directory.path().join("d-2"), "two").unwrap();
        fs::write(directory.path().join("d-old"), "old").unwrap();
        fs::write(directory.path().join("d-empty"), "").unwrap();
        fs::write(directory.path().join("d-garbage"), vec![0xff; 5000]).unwrap();
        fs::create_dir(directory.path().join("d-directory")).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
        let old = fs::OpenOptions::new()
            .write(true)
            .open(directory.path().join("d-old"))
            .unwrap();
        old.set_modified(long_ago).unwrap();
        let mut complaints = Vec::new();
        let commands = tracking.take_left_behind(|complaint| complaints.push(complaint));
        assert_eq!(commands, ["one", "two"]);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(tracking.take_left_behind(|_| {}).is_empty());
    }

    #[test]
    fn without_a_directory_nothing_was_left() {
        let tracking = Tracking::new("/nonexistent/ongoing-deployment".into());
        assert!(
            tracking
                .take_left_behind(|complaint| panic!("{complaint}"))
                .is_empty()
        );
    }
}
