//! The agent can write where it has to.

use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, faccessat, geteuid};

use super::finding::Finding;

/// The directories, each with its setting.
pub(super) type Directories = Vec<(&'static str, PathBuf)>;

/// Looks at each directory, or, when it is not there yet, at where it would be made. Nothing is
/// written. `as_the_agent`: with the daemon's rights.
pub(super) fn check(directories: &Directories, as_the_agent: bool) -> Finding {
    let complaints: Vec<String> = directories
        .iter()
        .filter_map(|(key, path)| complaint(key, path))
        .collect();
    if !complaints.is_empty() {
        let detail = complaints.join("; ");
        if !as_the_agent && directories.iter().all(|(_, path)| is_only_denied(path)) {
            return Finding::warning(
                format!("{detail} (as user id {})", geteuid()),
                "run agent doctor as root, or as the user that the agent runs as; if this is that \
                 user, give it the directories",
            );
        }
        return Finding::failed(
            detail,
            "make it a directory that the agent's user can write, or change the setting",
        );
    }
    if let Some((_, root)) = directories.iter().find(|(key, _)| *key == "root_dir")
        && is_without_programs(root)
    {
        return Finding::warning(
            format!("{} is mounted noexec: no hook can run", root.display()),
            "mount it without noexec, or move root_dir",
        );
    }
    let keys: Vec<&str> = directories.iter().map(|(key, _)| *key).collect();
    Finding::ok(format!("{} can be written", keys.join(", ")))
}

/// The path itself, else the nearest above it that is there.
pub(super) fn nearest(path: &Path) -> PathBuf {
    path.ancestors()
        .find(|ancestor| fs_err::symlink_metadata(ancestor).is_ok())
        .map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

fn complaint(key: &str, path: &Path) -> Option<String> {
    let place = nearest(path);
    let what = if place == path {
        format!("{key} ({})", path.display())
    } else {
        format!(
            "{key} ({}, to be made in {})",
            path.display(),
            place.display()
        )
    };
    match fs_err::metadata(&place) {
        Ok(found) if !found.is_dir() => Some(format!(
            "{what} cannot be used: {} is no directory",
            place.display()
        )),
        Ok(_) => writable(&place)
            .err()
            .map(|error| format!("{what} cannot be written: {error}")),
        Err(error) => Some(format!("{what} cannot be used: {error}")),
    }
}

fn writable(directory: &Path) -> nix::Result<()> {
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    // With the rights of the effective user, as opposed to who has called.
    faccessat(AT_FDCWD, directory, flags, AtFlags::AT_EACCESS)
}

/// Whether nothing worse than this user's lack of rights is the matter.
fn is_only_denied(path: &Path) -> bool {
    let place = nearest(path);
    fs_err::metadata(&place).is_ok_and(|found| found.is_dir())
        && matches!(writable(&place), Ok(()) | Err(nix::errno::Errno::EACCES))
}

fn is_without_programs(path: &Path) -> bool {
    statvfs(&nearest(path)).is_ok_and(|shape| shape.flags().contains(FsFlags::ST_NOEXEC))
}
