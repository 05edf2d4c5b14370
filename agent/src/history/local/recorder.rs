//! A local deployment writes down what it does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::appending::append;
use super::compaction::compact_if_long;
use super::error::LocalRecordError;
use super::record::{LocalEnding, Record};
use crate::deployment::{DeploymentId, DeploymentSpec};
use crate::deployment_root::DeploymentRoot;
use crate::error::chain;
use crate::files::Lock;
use crate::journal::milliseconds::now;
use crate::journal::shortened::shortened;
use crate::lifecycle::{LifecycleEvent, Verdict};

/// Somebody else has the lock for a millisecond, unless its process is stopped: nobody waits for
/// that.
const PATIENCE: Duration = Duration::from_secs(1);

/// Records one local deployment. Each method does a little I/O, and does not wait for the disk.
#[derive(Debug)]
pub struct LocalRecorder {
    path: PathBuf,
    lock: PathBuf,
    deployment: DeploymentId,
    /// When the event at work began.
    event_began: u64,
}

impl LocalRecorder {
    /// Records the deployment `deployment` below `root`, which is there by the first record.
    #[must_use]
    pub fn new(root: &DeploymentRoot, deployment: &DeploymentId) -> Self {
        Self {
            path: root.local_deployments(),
            lock: root.local_deployments_lock(),
            deployment: deployment.clone(),
            event_began: 0,
        }
    }

    /// The deployment begins. Its lock is held already: one that is not is taken for killed.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn began(&self, spec: &DeploymentSpec) -> Result<(), LocalRecordError> {
        self.append(&Record::Began {
            at: now(),
            deployment: self.deployment.clone(),
            group: spec.deployment_group_id.clone(),
            group_name: shortened(&spec.deployment_group_name),
            application: shortened(&spec.application_name),
            revision: shortened(&spec.revision.to_string()),
        })
    }

    /// An event begins.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn event_began(&mut self, event: &LifecycleEvent) -> Result<(), LocalRecordError> {
        self.event_began = now();
        self.append(&Record::EventBegan {
            at: self.event_began,
            deployment: self.deployment.clone(),
            event: shortened(event.as_str()),
        })
    }

    /// The event that began last has ended.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn event_ended(
        &self,
        event: &LifecycleEvent,
        verdict: &Verdict,
    ) -> Result<(), LocalRecordError> {
        self.append(&Record::EventEnded {
            began: self.event_began,
            at: now(),
            deployment: self.deployment.clone(),
            event: shortened(event.as_str()),
            code: verdict.code(),
            message: shortened(verdict.message()),
        })
    }

    /// The deployment has ended. Compacts the file when it has grown long.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn ended(&self, ending: LocalEnding) -> Result<(), LocalRecordError> {
        self.append(&Record::Ended {
            at: now(),
            deployment: self.deployment.clone(),
            ending,
        })?;
        let _lock = self.lock()?;
        if let Err(error) = compact_if_long(&self.path) {
            // It is complete as it is, only long.
            tracing::warn!(
                "the record of local deployments {} stays long: {}",
                self.path.display(),
                chain(&error)
            );
        }
        Ok(())
    }

    fn append(&self, record: &Record) -> Result<(), LocalRecordError> {
        let _lock = self.lock()?;
        append(&self.path, record)
    }

    fn lock(&self) -> Result<Lock, LocalRecordError> {
        let began = Instant::now();
        loop {
            if let Some(lock) = Lock::try_acquire(&self.lock).map_err(LocalRecordError::Lock)? {
                return Ok(lock);
            }
            if began.elapsed() >= PATIENCE {
                return Err(LocalRecordError::Busy {
                    lock: self.lock.clone(),
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
