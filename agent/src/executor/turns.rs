//! What the deployments of one group do one after the other, whichever process they run in.

use std::io;
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::{Executor, Host, Interruption, Progress};
use crate::deployment::DeploymentGroupId;
use crate::files::{Lock, LockError};

/// The turn of a local deployment; other ones of its group wait until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _held: Lock,
}

impl Host {
    /// Waits until no other local deployment of the group runs, so that the hooks of one never
    /// see the files of another. The service orders deployments by itself.
    ///
    /// # Errors
    /// When the turn's file cannot be locked, or the wait was given up.
    pub async fn turn(
        &self,
        group: &DeploymentGroupId,
        interruption: &Interruption,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Turn, LockError> {
        let path = self.root.instructions(group).turn();
        let held = lock(path, group, interruption, progress).await?;
        Ok(Turn { _held: held })
    }
}

impl Executor<'_> {
    /// Keeps other deployments of the group away from its records.
    pub(super) async fn lock_group(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Lock, LockError> {
        let group = &self.spec.deployment_group_id;
        let path = self.host.root.instructions(group).lock();
        lock(path, group, &self.interruption, progress).await
    }
}

/// Waits for a lock of the group, and says so.
async fn lock(
    path: PathBuf,
    group: &DeploymentGroupId,
    interruption: &Interruption,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Lock, LockError> {
    if let Some(lock) = Lock::try_acquire(&path)? {
        return Ok(lock);
    }
    progress(Progress::Note(format!(
        "waiting for another deployment of the group {group}"
    )));
    let failed = |source| LockError::Io {
        path: path.clone(),
        source,
    };
    let (locked, wait) = oneshot::channel();
    let waiting = path.clone();
    // On a thread that nobody waits for when the wait is given up, as the runtime would. The lock
    // that it gets then is dropped with the channel.
    std::thread::Builder::new()
        .spawn(move || {
            let _ = locked.send(Lock::acquire(&waiting));
        })
        .map_err(failed)?;
    tokio::select! {
        Ok(lock) = wait => lock,
        () = interruption.told() => Err(failed(io::Error::new(
            io::ErrorKind::Interrupted,
            "the wait was given up",
        ))),
    }
}
