//! A log file that is set aside once a day and reopened when somebody moves or deletes it.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use nix::fcntl::OFlag;

use crate::files::make_directory;

/// How many set-aside files are kept.
const KEPT: usize = 7;

/// `<directory>/<program>.log`; yesterday's becomes `<program>.YYYYMMDD.log`.
#[derive(Debug)]
pub(super) struct DailyFile {
    directory: PathBuf,
    program: String,
    mode: u32,
    file: File,
    /// The day that the end of the file's content belongs to.
    day: Date,
}

impl DailyFile {
    pub(super) fn open(directory: &Path, program: &str, mode: u32) -> io::Result<Self> {
        make_directory(directory, 0o755)?;
        let path = directory.join(format!("{program}.log"));
        let (file, day) = open(&path, mode)?;
        Ok(Self {
            directory: directory.to_owned(),
            program: program.to_owned(),
            mode,
            file,
            day,
        })
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.program))
    }

    /// Makes sure that what is written next goes to today's file under its proper name.
    fn refresh(&mut self, today: Date) -> io::Result<()> {
        let path = self.path();
        if self.day != today && self.is_at(&path) {
            let aside = format!("{}.{}.log", self.program, self.day.strftime("%Y%m%d"));
            // A rename would replace the file of that day: there is one when the clock has been in
            // another day before. Then the lines of the next day follow in the same file.
            match fs::hard_link(&path, self.directory.join(aside)) {
                Ok(()) => {
                    fs::remove_file(&path)?;
                    self.drop_old_ones();
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        if !self.is_at(&path) {
            (self.file, self.day) = open(&path, self.mode)?;
        }
        self.day = today;
        Ok(())
    }

    /// Whether the open file is the one that has the name: not after a move, a deletion, or a
    /// rotation by another process.
    fn is_at(&self, path: &Path) -> bool {
        match (self.file.metadata(), fs::symlink_metadata(path)) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    fn drop_old_ones(&self) {
        for old in surplus(&self.directory, &self.program).unwrap_or_default() {
            // One that stays is dropped at the next rotation.
            let _ = fs::remove_file(old);
        }
    }
}

/// Files of a log that were set aside and are more than are kept: the oldest.
///
/// # Errors
/// When the directory cannot be listed.
pub fn surplus(directory: &Path, program: &str) -> io::Result<Vec<PathBuf>> {
    let mut old: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_set_aside(path, program))
        .collect();
    // The dates in the names sort as text.
    old.sort();
    old.truncate(old.len().saturating_sub(KEPT));
    Ok(old)
}

fn is_set_aside(path: &Path, program: &str) -> bool {
    path.file_name()
        .and_then(|name| name.to_str()?.strip_prefix(program))
        .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".log"))
        .is_some_and(|date| date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()))
}

fn open(path: &Path, mode: u32) -> io::Result<(File, Date)> {
    let open = |new: bool| {
        fs::OpenOptions::new()
            .create_new(new)
            .append(true)
            .mode(mode)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
            .open(path)
    };
    let file = match open(true) {
        Ok(file) => {
            // Whatever the umask; a file that is there keeps the mode that it was given.
            file.set_permissions(Permissions::from_mode(mode))?;
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(false)?,
        Err(error) => return Err(error),
    }
    .into_file();
    let metadata = file.metadata()?;
    let day = match metadata.len() {
        0 => today(),
        _ => Timestamp::from_second(metadata.mtime())
            .map_or_else(|_| today(), |time| time.to_zoned(TimeZone::system()).date()),
    };
    Ok((file, day))
}

fn today() -> Date {
    jiff::Zoned::now().date()
}

impl Write for DailyFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Failing to rotate is no reason to lose the line.
        let _ = self.refresh(today());
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn yesterdays_file_is_set_aside_and_seven_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        for day in 1..=8 {
            fs::write(directory.path().join(format!("agent.2020010{day}.log")), "").unwrap();
        }
        fs::write(directory.path().join("agent.other.log"), "").unwrap();
        let path = directory.path().join("agent.log");
        fs::write(&path, "old\n").unwrap();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        let mut log = DailyFile::open(directory.path(), "agent", 0o644).unwrap();
        log.write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        let names = names(directory.path());
        let aside = names
            .iter()
            .find(|name| name.starts_with("agent.202009"))
            .unwrap();
        assert_eq!(
            fs::read_to_string(directory.path().join(aside)).unwrap(),
            "old\n"
        );
        assert!(
            !names.contains(&"agent.20200102.log".to_owned()),
            "{names:?}"
        );
        assert!(
            names.contains(&"agent.20200103.log".to_owned()),
            "{names:?}"
        );
        assert!(names.contains(&"agent.other.log".to_owned()), "{names:?}");
    }

    #[test]
    fn a_clock_that_is_set_back_loses_no_line() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = DailyFile::open(directory.path(), "agent", 0o644).unwrap();
        let (first, second) = (log.day, log.day.tomorrow().unwrap());
        for (day, line) in [
            (first, "one\n"),
            (second, "two\n"),
            (first, "three\n"),
            (second, "four\n"),
            (second.tomorrow().unwrap(), "five\n"),
            (first, "six\n"),
        ] {
            log.refresh(day).unwrap();
            log.file.write_all(line.as_bytes()).unwrap();
        }
        let names = names(directory.path());
        let text: String = names
            .iter()
            .map(|name| fs::read_to_string(directory.path().join(name)).unwrap())
            .collect();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["five", "four", "one", "six", "three", "two"]);
        let aside = format!("agent.{}.log", first.strftime("%Y%m%d"));
        let aside = fs::read_to_string(directory.path().join(aside)).unwrap();
        assert_eq!(aside, "one\n", "{names:?}");
    }

    #[test]
    fn a_file_that_was_moved_or_deleted_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.log");
        let mut log = DailyFile::open(directory.path(), "agent", 0o644).unwrap();
        log.write_all(b"one\n").unwrap();
        fs::rename(&path, directory.path().join("moved")).unwrap();
        log.write_all(b"two\n").unwrap();
        fs::remove_file(&path).unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(
            fs::read_to_string(directory.path().join("moved")).unwrap(),
            "one\n"
        );
    }
}
