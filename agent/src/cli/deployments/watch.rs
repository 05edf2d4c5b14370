//! Waiting for news of a deployment: its records on disk are looked at, without reading them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::past_deployments::PastDeployments;
use crate::deployment_root::DeploymentRoot;
use crate::history::{History, HistoryError, PastDeployment};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A process that is killed changes no file: so everything is read again now and then.
const READ_EVERY: Duration = Duration::from_secs(2);

/// What is known of a deployment that is watched.
pub(super) enum News {
    /// What was known before.
    None,
    /// This.
    Now(Box<PastDeployment>),
    /// Nothing any more: its records were taken away.
    Gone,
}

/// A deployment that is watched.
pub(super) struct Watch<'a> {
    past: &'a PastDeployments,
    files: Vec<PathBuf>,
    seen: Vec<Option<(u64, u64)>>,
    read: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(past: &'a PastDeployments) -> Self {
        let files = past
            .roots()
            .flat_map(|root: &DeploymentRoot| [root.commands_journal(), root.local_deployments()]);
        let files: Vec<PathBuf> = files.collect();
        Self {
            past,
            // None is like this: the first look reads.
            seen: vec![Some((0, 0)); files.len()],
            files,
            read: Instant::now(),
        }
    }

    /// Waits for a moment; what is known of `deployment` by now.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub(super) fn news(&mut self, deployment: &PastDeployment) -> Result<News, HistoryError> {
        std::thread::sleep(LOOK_EVERY);
        let now: Vec<_> = self.files.iter().map(|file| identity(file)).collect();
        if now == self.seen && self.read.elapsed() < READ_EVERY {
            return Ok(News::None);
        }
        self.seen = now;
        self.read = Instant::now();
        let History { deployments, .. } = self.past.read()?;
        let mut deployments = deployments.into_iter();
        let now = deployments.find(|past| is_same(past, deployment));
        Ok(now.map_or(News::Gone, |now| News::Now(Box::new(now))))
    }
}

fn is_same(one: &PastDeployment, other: &PastDeployment) -> bool {
    let groups = (&one.group_id, &other.group_id);
    one.id == other.id && (groups.0 == groups.1 || groups.0.is_none() || groups.1.is_none())
}

/// Which file has the name, and how long it is: both change when a record is written.
fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = fs_err::symlink_metadata(file).ok()?;
    Some((metadata.ino(), metadata.len()))
}
