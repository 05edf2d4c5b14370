//! The text as of now: what was counted, and what is looked up on the disk.
//!
//! Free space is asked for each time, which is one system call. What the kept revisions take is
//! looked at every five minutes at most, and at the inside of an archive only once (see
//! `deployment_root::DiskUsageMeter`). Both are done beside the daemon's own thread, and nobody
//! waits long for them: a file system that does not answer leaves its numbers out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::bundle::free_space;
use crate::deployment_root::{DeploymentRoot, DiskUsage, DiskUsageMeter, Pace};
use crate::metrics::{Disk, Metrics, page};

/// Between two looks at what the revisions take.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// How long a text waits for a look; the next text has what came of it.
const WAIT: Duration = Duration::from_millis(200);

/// Makes the text. Clones share what they know of the disk.
#[derive(Debug, Clone)]
pub(super) struct Exposition {
    metrics: Metrics,
    root: DeploymentRoot,
    looks: Arc<Mutex<Looks>>,
}

#[derive(Debug)]
struct Looks {
    /// None while it is at work.
    meter: Option<DiskUsageMeter>,
    /// When it was last put to work.
    last: Option<Instant>,
    usage: Option<DiskUsage>,
    /// A system call for the free space has not come back.
    asking: bool,
    /// What it said last.
    free: Option<u64>,
}

impl Exposition {
    pub(super) fn new(metrics: Metrics, root: DeploymentRoot) -> Self {
        let looks = Looks {
            meter: Some(DiskUsageMeter::new(root.clone())),
            last: None,
            usage: None,
            asking: false,
            free: None,
        };
        Self {
            metrics,
            root,
            looks: Arc::new(Mutex::new(looks)),
        }
    }

    /// The text of an agent that runs, or (`up` false) that ends.
    pub(super) async fn text(&self, up: bool) -> String {
        let free = self.free().await;
        if up {
            self.look().await;
        }
        let usage = self.looks().usage;
        page(up, Some(&self.metrics.now()), &Disk { free, usage })
    }

    /// Returns when something was counted. For one waiter.
    pub(super) async fn changed(&self) {
        self.metrics.changed().await;
    }

    /// Never more than one thread at a time waits for the file system.
    async fn free(&self) -> Option<u64> {
        {
            let mut looks = self.looks();
            if std::mem::replace(&mut looks.asking, true) {
                return looks.free;
            }
        }
        let own = self.clone();
        let asked = spawn_blocking(move || {
            let free = free_space(own.root.path());
            let mut looks = own.looks();
            looks.asking = false;
            looks.free = free;
        });
        if timeout(WAIT, asked).await.is_err() {
            self.looks().free = None;
        }
        self.looks().free
    }

    async fn look(&self) {
        let meter = {
            let mut looks = self.looks();
            if looks.last.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
                return;
            }
            let meter = looks.meter.take();
            if meter.is_some() {
                looks.last = Some(Instant::now());
            }
            meter
        };
        let Some(mut meter) = meter else { return };
        let own = self.clone();
        let looking = spawn_blocking(move || {
            let found = meter.measure(Pace::Gentle);
            if let Err(error) = &found {
                tracing::debug!("the space that revisions take cannot be told: {error}");
            }
            let mut looks = own.looks();
            looks.usage = found.ok();
            looks.meter = Some(meter);
        });
        // It goes on by itself.
        let _ = timeout(WAIT, looking).await;
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
