//! A log that several processes append to and that rotates by size.
//!
//! Invariant: every append is whole lines in one `write` to a descriptor opened with O_APPEND,
//! so that writers never cut each other's lines. Rotation renames `log` to `log.0`, `log.0` to
//! `log.1` and so on under an exclusive lock on `.log.lock` beside it; a writer notices by the
//! file's identity that another one has rotated and opens the new file.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

/// Size and number of a log's files, and the modes of what is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    /// A file of this size (in bytes) or more is rotated before the next append.
    pub(crate) limit: u64,
    /// How many files there are at most, the current one included.
    pub(crate) files: u32,
    /// 0750 and 0640 instead of 0755 and 0644.
    pub(crate) restricted: bool,
}

/// One log.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: Option<File>,
    /// The last write was cut (disk full): the next one starts a new line.
    torn: bool,
}

impl LogFile {
    /// Makes the directory when absent and opens the file.
    pub(crate) fn open(path: &Path, rotation: Rotation) -> (Self, io::Result<()>) {
        let mut log = Self {
            path: path.to_owned(),
            rotation,
            file: None,
            torn: false,
        };
        let result = log.make_directory().and_then(|()| log.reopen());
        (log, result)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.follow()?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let healed;
        let mut rest = lines;
        if self.torn {
            healed = [b"\n", lines].concat();
            rest = &healed;
        }
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(count) => {
                    self.torn = true;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.torn = false;
        Ok(())
    }

    /// Makes `file` the one that has the name and room.
    fn follow(&mut self) -> io::Result<()> {
        if !self.is_current() {
            return self.reopen();
        }
        match &self.file {
            Some(file) if file.metadata()?.len() >= self.rotation.limit => self.rotate(),
            _ => Ok(()),
        }
    }

    fn is_current(&self) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let named = fs::symlink_metadata(&self.path).ok().map(identity);
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        open.is_some() && open.map(identity) == named
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.torn = false;
        self.file = None;
        let file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(if self.rotation.restricted { 0o640 } else { 0o644 })
            // O_NONBLOCK: a pipe put in its place must not hold the script up.
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(&self.path)?;
        self.file = Some(file.into_file());
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default();
        let mut lock_name = OsString::from(".");
        lock_name.push(name);
        lock_name.push(".lock");
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(self.path.with_file_name(lock_name))?
            .into_file();
        loop {
            match lock.lock() {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Somebody else may have rotated while we waited.
        if self.is_current() {
            for number in (0..self.rotation.files.saturating_sub(2)).rev() {
                match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(&self.path, self.numbered(0))?;
        }
        self.reopen()
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    fn make_directory(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(parent) if !parent.is_dir() => DirBuilder::new()
                .recursive(true)
                .mode(if self.rotation.restricted {
                    0o750
                } else {
                    0o755
                })
                .create(parent),
            _ => Ok(()),
        }
    }
}

/// Rotated files of the log at `path` whose numbers no rotation to `files` files gives or reaches.
pub(crate) fn surplus(path: &Path, files: u32) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(own)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(Vec::new());
    };
    let number = |name: &str| -> Option<u32> {
        let digits = name.strip_prefix(own)?.strip_prefix('.')?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(number);
        if number.is_some_and(|number| number >= files.saturating_sub(1)) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SMALL: Rotation = Rotation {
        limit: 100,
        files: 3,
        restricted: false,
    };

    fn open(path: &Path, rotation: Rotation) -> LogFile {
        let (log, result) = LogFile::open(path, rotation);
        result.unwrap();
        log
    }

    #[test]
    fn a_full_file_moves_on_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scripts.log");
        let mut log = open(&path, SMALL);
        for letter in [b'a', b'b', b'c', b'd'] {
            let mut line = vec![letter; 120];
            line.push(b'\n');
            log.append(&line).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap()[0], b'd');
        assert_eq!(
            fs::read(directory.path().join("scripts.log.0")).unwrap()[0],
            b'c'
        );
        assert_eq!(
            fs::read(directory.path().join("scripts.log.1")).unwrap()[0],
            b'b'
        );
        assert!(!directory.path().join("scripts.log.2").exists());
    }

    #[test]
    fn several_writers_lose_no_line_over_rotations() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all.log");
        let rotation = Rotation {
            limit: 4000,
            files: 40,
            restricted: false,
        };
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    let mut log = open(path, rotation);
                    for number in 0..200 {
                        log.append(format!("writer {writer} line {number}\n").as_bytes())
                            .unwrap();
                    }
                });
            }
        });
        let mut lines = Vec::new();
        for entry in fs::read_dir(directory.path()).unwrap() {
            let name = entry.unwrap().path();
            if !name.to_str().unwrap().ends_with(".lock") {
                lines.extend(
                    fs::read_to_string(&name)
                        .unwrap()
                        .lines()
                        .map(str::to_owned),
                );
            }
        }
        lines.sort();
        let mut expected: Vec<String> = (0..4)
            .flat_map(|writer| (0..200).map(move |n| format!("writer {writer} line {n}")))
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
        assert!(directory.path().join("all.log.1").exists());
    }

    #[test]
    fn only_what_no_rotation_reaches_is_too_much() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        for name in [
            "x.log",
            "x.log.0",
            "x.log.6",
            "x.log.7",
            "x.log.12",
            "x.log.7.gz",
            "y.log.9",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let expected = ["x.log.12", "x.log.7"].map(|name| directory.path().join(name));
        assert_eq!(surplus(&path, 8).unwrap(), expected);
    }

    #[test]
    fn a_moved_or_deleted_file_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let mut log = open(&path, SMALL);
        log.append(b"one\n").unwrap();
        fs::remove_file(&path).unwrap();
        log.append(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        let path = directory.path().join("x.log");
        fs_err::os::unix::fs::symlink(&target, &path).unwrap();
        let (mut log, result) = LogFile::open(&path, SMALL);
        assert!(result.is_err());
        assert!(log.append(b"one\n").is_err());
        assert!(!target.exists());
    }

    #[test]
    fn restricted_modes_apply_to_what_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/x.log");
        open(
            &path,
            Rotation {
                restricted: true,
                ..SMALL
            },
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o640);
        assert_eq!(mode(path.parent().unwrap()), 0o750);
    }

    #[test]
    fn a_full_disk_is_an_error_every_time() {
        let (mut log, result) = LogFile::open(Path::new("/dev/full"), SMALL);
        result.unwrap();
        assert!(log.append(b"one\n").is_err());
        assert!(log.append(b"two\n").is_err());
    }
}
