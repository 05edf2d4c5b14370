//! How much of the disk the kept revisions take.
//!
//! An archive may have any number of files, so that looking at all of them again and again would
//! disturb the host. An unpacked revision does not change, so each is looked at once: its size is
//! kept by the identity of its directory. And that one look is slow on purpose: it rests nine times
//! as long as it works.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat};

use super::layout::DeploymentRoot;
use super::listing::{list_group, list_groups};
use super::usage::usage_at;

/// Archives with more files, all together, are not measured.
const MOST_ENTRIES: u32 = 1_000_000;

/// After so many entries there is a rest.
const BETWEEN_RESTS: u32 = 500;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What the kept revisions take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUsage {
    /// Deployments whose unpacked revision is there.
    pub revisions: u64,
    /// Bytes on the disk of unpacked revisions.
    pub archives: u64,
    /// Bytes on the disk of bundles.
    pub bundles: u64,
}

/// How fast to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Beside the host's own work: a tenth of the time.
    Gentle,
    /// Somebody waits.
    Full,
}

/// What tells an archive's directory from every other.
type Identity = (u64, u64, i64, i64);

/// Measures, and remembers the archives that it has measured.
#[derive(Debug)]
pub struct DiskUsageMeter {
    root: DeploymentRoot,
    archives: HashMap<Identity, u64>,
}

impl DiskUsageMeter {
    /// Nothing is measured yet.
    #[must_use]
    pub fn new(root: DeploymentRoot) -> Self {
        Self {
            root,
            archives: HashMap::new(),
        }
    }

    /// Looks at what is there; at the inside of an archive only when it is new. Without a root
    /// there is nothing.
    ///
    /// # Errors
    /// When a directory cannot be read, or there are more files than a million in archives that
    /// are new.
    pub fn measure(&mut self, pace: Pace) -> io::Result<DiskUsage> {
        let mut walk = Walk::new(pace);
        let mut usage = DiskUsage::default();
        let mut known = HashMap::new();
        for group in list_groups(&self.root)? {
            for deployment in list_group(&self.root, &group)?.deployments {
                let opened = open(deployment.directory.path(), LOOK, Mode::empty());
                let Some(deployment) = absent_is_none(opened)? else {
                    continue;
                };
                usage.bundles += walk.size(&deployment, "bundle.tar")?;
                let archive = openat(&deployment, "deployment-archive", LOOK, Mode::empty());
                let Some(archive) = absent_is_none(archive)? else {
                    continue;
                };
                let own = fstat(&archive)?;
                let identity = (own.st_dev, own.st_ino, own.st_ctime, own.st_ctime_nsec);
                let size = match self.archives.get(&identity) {
                    Some(size) => *size,
                    None => walk.size(&deployment, "deployment-archive")?,
                };
                known.insert(identity, size);
                usage.archives += size;
                usage.revisions += 1;
            }
        }
        self.archives = known;
        Ok(usage)
    }
}

const LOOK: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

fn absent_is_none<T>(result: nix::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        // Gone meanwhile, or never there; a link or a file is none of ours.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One look, with its limits.
struct Walk {
    pace: Pace,
    entries: u32,
    working_since: Instant,
}

impl Walk {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            entries: 0,
            working_since: Instant::now(),
        }
    }

    /// What `name` occupies in `directory`; nothing when it is not there.
    fn size(&mut self, directory: &OwnedFd, name: &str) -> io::Result<u64> {
        let found = usage_at(directory.as_fd(), OsStr::new(name), || self.pass())?;
        if found.incomplete {
            let problem = format!("not all of {name} could be looked at");
            return Err(io::Error::other(problem));
        }
        Ok(found.bytes)
    }

    /// Counts an entry, and rests when it is time.
    fn pass(&mut self) -> io::Result<()> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(io::Error::other("there are too many files to measure"));
        }
        if self.pace == Pace::Gentle && self.entries.is_multiple_of(BETWEEN_RESTS) {
            std::thread::sleep((self.working_since.elapsed() * 9).min(LONGEST_REST));
            self.working_since = Instant::now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use fs_err as fs;

    use super::*;

    fn blocks(path: &Path) -> u64 {
        fs::symlink_metadata(path).unwrap().blocks() * 512
    }

    #[test]
    fn archives_and_bundles_are_measured_and_an_archive_only_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let archive = root.join("g-1/d-1/deployment-archive");
        let deep = archive.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(root.join("deployment-logs/d-1/deployment-archive")).unwrap();
        fs::create_dir_all(root.join(".g-1-install/d-2/deployment-archive")).unwrap();
        fs::write(deep.join("file"), vec![1; 100_000]).unwrap();
        fs::write(root.join("g-1/d-1/bundle.tar"), vec![1; 50_000]).unwrap();
        // Neither counted nor followed.
        std::os::unix::fs::symlink("/usr", archive.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("g-1"), root.join("g-2")).unwrap();
        let mut meter = DiskUsageMeter::new(DeploymentRoot::new(root));
        let found = meter.measure(Pace::Gentle).unwrap();
        let inside = [&archive, &archive.join("a"), &deep, &deep.join("file")];
        let link = blocks(&archive.join("link"));
        let expected = DiskUsage {
            revisions: 1,
            archives: inside.into_iter().map(|path| blocks(path)).sum::<u64>() + link,
            bundles: blocks(&root.join("g-1/d-1/bundle.tar")),
        };
        assert!(expected.archives >= 100_000);
        assert_eq!(found, expected);
        // It is known, so that nobody looks inside again.
        fs::write(deep.join("more"), vec![1; 100_000]).unwrap();
        assert_eq!(meter.measure(Pace::Full).unwrap(), expected);
        let anew = DiskUsageMeter::new(DeploymentRoot::new(root));
        let anew = { anew }.measure(Pace::Full).unwrap();
        assert!(anew.archives >= expected.archives + 100_000);
        // What is gone is forgotten.
        fs::remove_dir_all(root.join("g-1/d-1")).unwrap();
        assert_eq!(meter.measure(Pace::Full).unwrap(), DiskUsage::default());
        assert!(meter.archives.is_empty());
    }

    #[test]
    fn without_a_root_there_is_nothing() {
        let mut meter = DiskUsageMeter::new(DeploymentRoot::new("/nonexistent/root"));
        assert_eq!(meter.measure(Pace::Full).unwrap(), DiskUsage::default());
    }
}
