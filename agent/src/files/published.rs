//! Replacing a file for other programs to read, in a directory that may belong to another user:
//! by descriptor, so that nothing outside of that directory can be reached through it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::directory::{OpenDirectoryError, walk};

/// A file could not be replaced; the old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The directory is behind another user's link.
    #[error(
        "{} is not used: the way to it leads through a link of the user {owner}, who could have it \
         lead anywhere; name the directory itself",
        path.display()
    )]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// The user's id.
        owner: u32,
    },
    /// Something else has the name.
    #[error("{} is not replaced: it is no regular file; remove it, or name another", path.display())]
    Special {
        /// The file.
        path: PathBuf,
    },
    /// The path ends in a directory, or in nothing.
    #[error("{} does not name a file", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// Replaces the file at the absolute `path` with `content`, so that whoever reads it sees the old
/// or the new content, never a part; with exactly `mode`, whatever the umask. Not synced: it means
/// nothing after a crash of the host. One writer at a time.
///
/// # Errors
/// When the directory cannot be written, or the way to it leads through a link that others control;
/// when the name is a directory's, a link's or a special file's.
pub fn publish(path: &Path, content: &[u8], mode: u32) -> Result<(), PublishError> {
    let owned = || path.to_owned();
    let io = |source: io::Error| PublishError::Io {
        path: path.to_owned(),
        source,
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(PublishError::NoName { path: owned() });
    };
    let directory = walk(parent).map_err(|error| match error {
        OpenDirectoryError::Untrusted { owner } => PublishError::Untrusted {
            path: owned(),
            owner,
        },
        OpenDirectoryError::Io(error) => io(error.into()),
    })?;
    match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(io(error.into())),
        Ok(status)
            if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG => {}
        Ok(_) => return Err(PublishError::Special { path: owned() }),
    }
    // One name, so that writers that were killed leave one file at most, and the next takes it away.
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    let written = write_new(&directory, &temporary, content, mode).and_then(|()| {
        renameat(&directory, temporary.as_os_str(), &directory, name).map_err(io::Error::from)
    });
    if written.is_err() {
        // The caller gets the first error; a left-over temporary file harms nothing.
        let _ = unlinkat(
            &directory,
            temporary.as_os_str(),
            UnlinkatFlags::NoRemoveDir,
        );
    }
    written.map_err(io)
}

fn write_new(directory: &OwnedFd, name: &OsStr, content: &[u8], mode: u32) -> io::Result<()> {
    match unlinkat(directory.as_fd(), name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    // Never through a link that somebody has just put there.
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let private = Mode::S_IRUSR | Mode::S_IWUSR;
    let mut file = File::from(openat(directory.as_fd(), name, flags, private)?);
    file.write_all(content)?;
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::error::chain;

    fn entries(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn the_content_is_replaced_and_what_a_killed_writer_left_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.prom");
        fs::write(directory.path().join(".m.prom.tmp"), "half").unwrap();
        publish(&path, b"one", 0o644).unwrap();
        publish(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
        assert_eq!(entries(directory.path()), 1);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("target"), "kept").unwrap();
        std::os::unix::fs::symlink(at("target"), at("link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        for name in ["directory", "link", "fifo"] {
            let error = publish(&at(name), b"new", 0o644).unwrap_err();
            assert!(
                matches!(error, PublishError::Special { .. }),
                "{name}: {error}"
            );
        }
        assert_eq!(fs::read(at("target")).unwrap(), b"kept");
        assert_eq!(entries(directory.path()), 4);
        let error = publish(Path::new("/"), b"new", 0o644).unwrap_err();
        assert!(matches!(error, PublishError::NoName { .. }), "{error}");
    }

    #[test]
    fn a_planted_temporary_link_is_replaced_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("target"), "kept").unwrap();
        std::os::unix::fs::symlink(at("target"), at(".m.prom.tmp")).unwrap();
        publish(&at("m.prom"), b"new", 0o644).unwrap();
        assert_eq!(fs::read(at("target")).unwrap(), b"kept");
        assert_eq!(fs::read(at("m.prom")).unwrap(), b"new");
    }

    #[test]
    fn a_directory_behind_another_users_link_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: making another user's link needs root");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        publish(&link.join("m.prom"), b"ours", 0o644).unwrap();
        std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
        let error = publish(&link.join("m.prom"), b"theirs", 0o644).unwrap_err();
        assert!(chain(&error).contains("link of the user 65534"), "{error}");
        assert_eq!(fs::read(real.join("m.prom")).unwrap(), b"ours");
    }
}
