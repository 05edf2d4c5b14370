//! Install: the revision's files come to their destinations.

use std::sync::Arc;

use super::blocking::blocking;
use super::{AppSpecFileError, Executor, Progress};
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::error::chain;
use crate::files::LockError;
use crate::install::{self, InstallError, InstallRequest, SourceForm};
use crate::lifecycle::{ImpossibleEvents, check_possible_events};

/// Install failed before or in the installation proper.
#[derive(Debug, thiserror::Error)]
enum InstallEventError {
    #[error("cannot keep other deployments of the group away")]
    Lock(#[source] LockError),
    // These say all there is to say.
    #[error(transparent)]
    AppSpec(AppSpecFileError),
    #[error(transparent)]
    Events(ImpossibleEvents),
    #[error(transparent)]
    Install(InstallError),
}

impl Executor<'_> {
    /// Installs the revision's files.
    ///
    /// # Errors
    /// When that fails; destinations and records are then as they were.
    pub async fn install(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<SuccessMessage, Diagnostics> {
        self.try_install(progress)
            .await
            .map_err(|error| Diagnostics::other(&chain(&error)))?;
        Ok(SuccessMessage::Plain)
    }

    async fn try_install(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), InstallEventError> {
        let archive = self.directory.archive();
        let appspec = self
            .own_appspec()
            .await
            .map_err(InstallEventError::AppSpec)?
            .appspec;
        check_possible_events(&appspec, self.spec.all_possible_lifecycle_events.as_deref())
            .map_err(InstallEventError::Events)?;
        // An AppSpec's own setting beats the deployment's.
        let behavior = appspec
            .file_exists_behavior
            .clone()
            .unwrap_or_else(|| self.spec.file_exists_behavior.clone());
        let records = self.host.root.instructions(&self.spec.deployment_group_id);
        let deployment_directory = self.directory.path().to_owned();
        let options = self.host.install.clone();
        let interrupted = Arc::clone(self.interruption.flag());
        let group = self
            .lock_group(progress)
            .await
            .map_err(InstallEventError::Lock)?;
        let installing = move || {
            let _held = group;
            install::install(&InstallRequest {
                archive: &archive,
                form: SourceForm::Unpacked,
                deployment_directory: &deployment_directory,
                appspec: &appspec,
                behavior: &behavior,
                records: &records,
                options: &options,
                interrupted: &interrupted,
            })
        };
        let installed = blocking(installing)
            .await
            .map_err(InstallEventError::Install)?;
        for warning in installed.warnings {
            progress(Progress::Warning(warning));
        }
        Ok(())
    }
}
