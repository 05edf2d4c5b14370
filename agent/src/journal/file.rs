//! The journal's file: set aside, replaced.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use failpoints::Failpoint;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

/// Moves what has the journal's name to `<path>.refused-<seconds since 1970>`; returns where it
/// is now.
pub(super) fn set_aside(path: &Path, seconds: u64) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".refused-{seconds}"));
        if number > 0 {
            name.push(format!("-{number}"));
        }
        let aside = PathBuf::from(name);
        match fs::symlink_metadata(&aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(path, &aside)?;
                return Ok(aside);
            }
            Err(error) => return Err(error),
            // Set aside within the same second.
            Ok(_) => number += 1,
        }
    }
}

/// Puts a whole new journal in the place of the old one and returns it open for appending. Its
/// content is durable; its name is after [`sync_directory`].
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<fs::File> {
    let temporary = temporary(path);
    // One name for all agents, so that what a killed one has left is not left for ever.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        Failpoint::JournalReplace.pass()?;
        fs::rename(&temporary, path)?;
        Ok(file)
    })();
    if written.is_err() {
        // On a full disk the half-written file must not take the space that is missing.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Makes the names in the journal's directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => {
            fs::File::open(directory)?.sync_all()
        }
        _ => fs::File::open(".")?.sync_all(),
    }
}

/// Whether `path` is the name of the open file.
pub(super) fn is_named(path: &Path, file: &fs::File) -> io::Result<bool> {
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
