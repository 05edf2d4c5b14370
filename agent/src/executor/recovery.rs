//! What a killed Install left is recovered before scripts of the group look at its files.

use super::blocking::blocking;
use super::{Executor, Progress};
use crate::error::chain;
use crate::install;

impl Executor<'_> {
    /// Brings the files of the group to the one revision or the other, if an Install was killed.
    /// When that fails, the scripts run on what is there, as they would without us, and the
    /// deployment's own Install fails.
    pub(super) async fn recover_group(&self, progress: &mut (dyn FnMut(Progress) + Send)) {
        let group = &self.spec.deployment_group_id;
        let records = self.host.root.instructions(group);
        if records.installing().symlink_metadata().is_err() {
            return;
        }
        let lock = match self.lock_group(progress).await {
            Ok(lock) => lock,
            // Whoever gave the wait up runs no script either.
            Err(error) => return progress(Progress::Warning(chain(&error))),
        };
        let tools = self.host.install.selinux.clone();
        let recovered = blocking(move || {
            let _held = lock;
            install::recover(&records, &tools)
        });
        match recovered.await {
            Ok(None) => {}
            Ok(Some(recovered)) => {
                recovered.told().map(Progress::Warning).for_each(progress);
            }
            Err(error) => progress(Progress::Warning(chain(&error))),
        }
    }
}
