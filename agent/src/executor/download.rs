//! DownloadBundle: retention, fetch, unpack, and a first look at the AppSpec.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use failpoints::Failpoint;

use super::blocking::blocking;
use super::{AppSpecFileError, Executor, Progress, read_appspec};
use crate::appspec::Parsed;
use crate::bundle::{self, BringError, Destination, UnpackError, Unpacked};
use crate::deployment::Revision;
use crate::deployment_root::{
    PointerError, RetentionError, read_pointer, remove_old_deployments, write_pointer,
};
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::error::chain;
use crate::files::LockError;

/// DownloadBundle failed.
#[derive(Debug, thiserror::Error)]
enum DownloadError {
    #[error("cannot keep other deployments of the group away")]
    Lock(#[source] LockError),
    #[error("cannot make room for the revision")]
    Retention(#[source] RetentionError),
    #[error("cannot tell which revision must be kept")]
    LastSuccessful(#[source] PointerError),
    #[error("cannot copy the revision")]
    Copy(#[source] UnpackError),
    // These say all there is to say.
    #[error(transparent)]
    Bring(BringError),
    #[error(transparent)]
    AppSpec(AppSpecFileError),
    #[error("cannot make the revision durable on the disk")]
    Durable(#[source] io::Error),
    #[error("cannot record the download")]
    MostRecent(#[source] io::Error),
    #[error("the download was cancelled")]
    Cancelled,
}

impl Executor<'_> {
    /// Fetches and unpacks the revision, and checks its AppSpec, so that a bad one is found
    /// before any event of this revision has run.
    ///
    /// # Errors
    /// When any of it fails; what the host had before is then as it was.
    pub async fn download(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<SuccessMessage, Diagnostics> {
        self.try_download(progress)
            .await
            .map_err(|error| Diagnostics::other(&chain(&error)))
    }

    async fn try_download(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<SuccessMessage, DownloadError> {
        self.retain(progress).await?;
        let reused = self.reuse(progress).await;
        let message = match (&self.spec.reuse_archive_from, &reused) {
            (None, _) => SuccessMessage::Plain,
            (Some(_), Some(_)) => SuccessMessage::ArchiveReused,
            (Some(_), None) => SuccessMessage::Downloaded,
        };
        let unpacked = match reused {
            Some(copied) => copied,
            None => self.fetch_and_unpack(progress).await?,
        };
        for warning in unpacked.warnings {
            progress(Progress::Warning(warning));
        }
        let parsed = self.own_appspec().await.map_err(DownloadError::AppSpec)?;
        for warning in &parsed.warnings {
            progress(Progress::Warning(format!("AppSpec: {warning}")));
        }
        // A completed DownloadBundle survives a power cut: all that the pointer leads to is on the
        // disk before the pointer is.
        let directory = self.directory.path().to_owned();
        blocking(move || bundle::make_durable(&directory))
            .await
            .map_err(DownloadError::Durable)?;
        let group = self
            .lock_group(progress)
            .await
            .map_err(DownloadError::Lock)?;
        let records = self.host.root.instructions(&self.spec.deployment_group_id);
        let (directory, mode) = (self.directory.path().to_owned(), self.host.state_file_mode);
        blocking(move || {
            let _held = group;
            Failpoint::MostRecentPointer.pass()?;
            write_pointer(&records.most_recent(), &directory, mode)
        })
        .await
        .map_err(DownloadError::MostRecent)?;
        Ok(message)
    }

    /// The AppSpec of this revision, which may be long.
    pub(super) async fn own_appspec(&self) -> Result<Parsed, AppSpecFileError> {
        let (archive, name) = (self.directory.archive(), self.spec.appspec_filename.clone());
        blocking(move || read_appspec(&archive, &name)).await
    }

    /// A RESTART deployment takes the unpacked revision of another deployment of its group from
    /// the disk. When it is not there, cannot be copied, or that is turned off: none, and the
    /// revision is downloaded.
    async fn reuse(&self, progress: &mut (dyn FnMut(Progress) + Send)) -> Option<Unpacked> {
        let from = self.spec.reuse_archive_from.as_ref()?;
        if !self.host.reuse_archives {
            return None;
        }
        let earlier = self
            .host
            .root
            .deployment(&self.spec.deployment_group_id, from)
            .archive();
        if !earlier.is_dir() {
            progress(Progress::Note(format!(
                "the revision of {from} is no longer on this host, so it is downloaded"
            )));
            return None;
        }
        let (partial, archive) = (self.directory.partial_archive(), self.directory.archive());
        let interrupted = Arc::clone(self.interruption.flag());
        let options = self.host.unpack.clone();
        let copy =
            move || bundle::copy_archive(&earlier, &partial, &archive, &options, &interrupted);
        match blocking(copy).await {
            Ok(copied) => Some(copied),
            Err(error) => {
                progress(Progress::Warning(format!(
                    "the revision of {from} cannot be used again, so it is downloaded: {}",
                    chain(&error)
                )));
                None
            }
        }
    }

    async fn retain(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), DownloadError> {
        let (root, group) = (&self.host.root, &self.spec.deployment_group_id);
        let successful = read_pointer(&root.instructions(group).last_successful())
            .map_err(DownloadError::LastSuccessful)?;
        let reused = self.spec.reuse_archive_from.as_ref();
        let reused = reused.map(|id| root.deployment(group, id));
        let kept = [Some(&self.directory), successful.as_ref(), reused.as_ref()];
        let kept = kept.into_iter().flatten();
        let kept: Vec<PathBuf> = kept.map(|kept| kept.path().to_owned()).collect();
        let (group, max_revisions) = (root.group(group), self.host.max_revisions);
        let interrupted = Arc::clone(self.interruption.flag());
        let removing = move || {
            let kept: Vec<&Path> = kept.iter().map(PathBuf::as_path).collect();
            remove_old_deployments(&group, max_revisions, &kept, &interrupted)
        };
        let stuck = blocking(removing).await.map_err(|error| match error {
            RetentionError::Interrupted => DownloadError::Cancelled,
            error => DownloadError::Retention(error),
        })?;
        for stuck in stuck {
            progress(Progress::Warning(format!(
                "the old deployment {} could not be removed: {}",
                stuck.path.display(),
                stuck.error
            )));
        }
        Ok(())
    }

    async fn fetch_and_unpack(
        &mut self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Unpacked, DownloadError> {
        let to = Destination {
            bundle: self.directory.bundle(),
            partial: self.directory.partial_archive(),
            archive: self.directory.archive(),
            keep_bundle: self.host.keep_bundle,
        };
        let interrupted = Arc::clone(self.interruption.flag());
        if let Revision::LocalDirectory { location } = &self.spec.revision {
            let (location, options) = (location.clone(), self.host.unpack.clone());
            let copy = move || {
                let (partial, archive) = (&to.partial, &to.archive);
                bundle::copy_directory(&location, partial, archive, &options, &interrupted)
            };
            return blocking(copy).await.map_err(DownloadError::Copy);
        }
        let (sources, options) = (&self.host.sources, &self.host.unpack);
        let began = Instant::now();
        let bringing = bundle::bring(sources, &self.spec.revision, &to, options, &interrupted);
        let (fetched, unpacked) = tokio::select! {
            brought = bringing => brought.map_err(DownloadError::Bring)?,
            () = self.interruption.told() => {
                if self.interruption.is_cancelled() {
                    bundle::give_up(&to);
                }
                return Err(DownloadError::Cancelled);
            }
        };
        progress(Progress::Downloaded {
            bytes: fetched.bytes,
            took: began.elapsed(),
        });
        Ok(unpacked)
    }
}
