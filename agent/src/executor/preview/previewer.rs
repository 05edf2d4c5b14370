//! Goes a deployment's way, event by event, and notes what each would do.

use std::path::{Path, PathBuf};

use super::download::{self, Obtained};
use super::{DownloadPreview, EventPreview, EventWork, Preview, PreviewError, Reason, Workspace};
use crate::appspec::{AppSpec, Parsed};
use crate::deployment::DeploymentSpec;
use crate::deployment_root::DeploymentDirectory;
use crate::error::chain;
use crate::executor::blocking::blocking;
use crate::executor::{Host, Interruption, read_appspec};
use crate::files::Lock;
use crate::install::{self, InstallRequest, PlanError, Room, SourceForm};
use crate::lifecycle::{LifecycleEvent, check_possible_events};

/// Tells what a deployment of `spec` with these `events` would do on `host`. Bundles that are no
/// directories are fetched and unpacked in `workspace`.
///
/// # Errors
/// When no preview could be made.
pub async fn preview(
    host: &Host,
    spec: &DeploymentSpec,
    events: &[LifecycleEvent],
    workspace: &Workspace,
    interruption: &Interruption,
) -> Result<Preview, PreviewError> {
    let directory = host
        .root
        .deployment(&spec.deployment_group_id, &spec.deployment_id);
    let mut previewer = Previewer {
        host,
        spec,
        directory,
        workspace,
        interruption,
        revision: None,
        preview: Preview::default(),
    };
    previewer.look_for_records();
    let first = events.first().map_or("", LifecycleEvent::as_str);
    for problem in host.foresee_directories(spec) {
        let message = format!("cannot prepare the deployment's directory: {problem}");
        previewer.fails(first, &message);
    }
    for event in events {
        let work = match event {
            LifecycleEvent::DownloadBundle => {
                previewer.download().await?;
                EventWork::Own
            }
            LifecycleEvent::Install => {
                previewer.install().await?;
                EventWork::Own
            }
            event => previewer.scripts(event),
        };
        // Signals are heard of by another task of this thread.
        tokio::task::yield_now().await;
        if interruption.is_cancelled() {
            return Err(PreviewError::Interrupted);
        }
        previewer.preview.events.push(EventPreview {
            event: event.clone(),
            work,
        });
    }
    Ok(previewer.finish(events))
}

/// The revision, once DownloadBundle would have brought it.
pub(super) struct Revision {
    pub(super) archive: PathBuf,
    pub(super) form: SourceForm,
    appspec: AppSpec,
}

/// A preview that is being made.
pub(super) struct Previewer<'a> {
    pub(super) host: &'a Host,
    pub(super) spec: &'a DeploymentSpec,
    /// Where the deployment would be.
    pub(super) directory: DeploymentDirectory,
    workspace: &'a Workspace,
    interruption: &'a Interruption,
    pub(super) revision: Option<Revision>,
    pub(super) preview: Preview,
}

impl Previewer<'_> {
    /// Notes why an event would fail.
    pub(super) fn fails(&mut self, event: &str, message: &str) {
        self.fails_at(event, message, None);
    }

    fn fails_at(&mut self, event: &str, message: &str, path: Option<PathBuf>) {
        self.preview.reasons.push(Reason {
            event: event.to_owned(),
            message: self.in_place(message),
            path,
        });
    }

    /// A message about the revision in the workspace as one about the revision in its place.
    pub(super) fn in_place(&self, message: &str) -> String {
        let Some(workspace) = self.workspace.path() else {
            return message.to_owned();
        };
        let workspace = workspace.display().to_string();
        message.replace(&workspace, &self.directory.path().display().to_string())
    }

    async fn download(&mut self) -> Result<(), PreviewError> {
        let event = LifecycleEvent::DownloadBundle.as_str();
        let removed = match download::removed(self.host, self.spec) {
            Ok(removed) => removed,
            Err(message) => {
                self.fails(event, &message);
                Vec::new()
            }
        };
        let obtained = download::obtain(
            self.host,
            self.spec,
            &self.directory,
            self.workspace,
            self.interruption,
        )
        .await?;
        let obtained = match obtained {
            Ok(obtained) => obtained,
            Err(message) => {
                self.fails(event, &message);
                return Ok(());
            }
        };
        let room = download::room(self.host, self.spec, &obtained);
        let Obtained {
            archive,
            form,
            bundle_bytes,
            unpacked,
        } = obtained;
        let warnings = unpacked.warnings.iter();
        let warnings: Vec<String> = warnings.map(|text| self.in_place(text)).collect();
        self.preview.warnings.extend(warnings);
        // What the old deployments take is free by then.
        if let Some(room) = room.as_ref().filter(|_| removed.is_empty())
            && let Some(shortage) = room.shortage()
        {
            if room.is_certain {
                self.fails(event, &shortage.to_string());
            } else {
                let warning = format!("it may not fit: {shortage}");
                self.preview.warnings.push(warning);
            }
        }
        self.preview.download = Some(DownloadPreview {
            bundle_bytes,
            entries: unpacked.entries,
            bytes: unpacked.bytes,
            room,
            removed,
        });
        match read_appspec(&archive, &self.spec.appspec_filename) {
            Ok(Parsed { appspec, warnings }) => {
                let warnings = warnings.iter().map(|warning| format!("AppSpec: {warning}"));
                self.preview.warnings.extend(warnings);
                self.revision = Some(Revision {
                    archive,
                    form,
                    appspec,
                });
            }
            Err(error) => self.fails(event, &chain(&error)),
        }
        Ok(())
    }

    async fn install(&mut self) -> Result<(), PreviewError> {
        let event = LifecycleEvent::Install.as_str();
        let records = self.host.root.instructions(&self.spec.deployment_group_id);
        self.look_for_others(&records.lock());
        match install::unfinished(&records) {
            Ok(unfinished) => self.preview.unfinished = unfinished,
            Err(error) => self.fails(event, &chain(&error)),
        }
        let Some(revision) = self.revision.take() else {
            return Ok(());
        };
        let possible = self.spec.all_possible_lifecycle_events.as_deref();
        if let Err(error) = check_possible_events(&revision.appspec, possible) {
            self.fails(event, &error.to_string());
        }
        let behavior = revision
            .appspec
            .file_exists_behavior
            .clone()
            .unwrap_or_else(|| self.spec.file_exists_behavior.clone());
        let options = self.host.install.clone();
        let interrupted = std::sync::Arc::clone(self.interruption.flag());
        let deployment_directory = self.directory.path().to_owned();
        let root_room = self.preview.download.as_ref();
        let taken = root_room
            .filter(|download| download.removed.is_empty())
            .map_or(0, |download| download.bytes);
        let device = root_room
            .and_then(|download| download.room.as_ref())
            .map_or(0, |room| room.device);
        let looking = blocking(move || {
            let request = InstallRequest {
                archive: &revision.archive,
                form: revision.form,
                deployment_directory: &deployment_directory,
                appspec: &revision.appspec,
                behavior: &behavior,
                records: &records,
                options: &options,
                interrupted: &interrupted,
            };
            // By then the unpacked revision has taken its part.
            let reserved = |room: &Room| if room.device == device { taken } else { 0 };
            let preview = install::preview(&request, device, reserved);
            (preview, revision)
        });
        let (found, revision) = looking.await;
        self.revision = Some(revision);
        match found {
            Ok(mut found) => {
                for problem in &found.problems {
                    let path = problem.destination().map(Path::to_owned);
                    self.fails_at(event, &problem.to_string(), path);
                }
                for failure in &found.failures {
                    self.fails(event, &chain(failure));
                }
                for (list, all) in [
                    (&mut found.warnings, &mut self.preview.warnings),
                    (&mut found.unseen, &mut self.preview.unseen),
                ] {
                    all.append(list);
                }
                self.preview.install = Some(found);
            }
            Err(PlanError::Interrupted) => return Err(PreviewError::Interrupted),
            Err(error) => {
                let message = chain(&error);
                self.preview.unseen.push(format!(
                    "what Install would do: {}",
                    self.in_place(&message)
                ));
                self.fails(event, &message);
            }
        }
        Ok(())
    }

    /// What is closed to this user is not seen.
    fn look_for_records(&mut self) {
        let records = self.host.root.instructions_directory();
        let group = self.host.root.group(&self.spec.deployment_group_id);
        for path in [records, group] {
            if let Err(error) = fs_err::read_dir(&path)
                && error.kind() == std::io::ErrorKind::PermissionDenied
            {
                self.preview.unseen.push(format!(
                    "{} is closed to this user, and with it what was deployed before; plan as the \
                     agent's user",
                    path.display()
                ));
            }
        }
    }

    fn look_for_others(&mut self, lock: &Path) {
        match Lock::look(lock) {
            Ok(false) => {}
            Ok(true) => self.preview.warnings.push(
                "another deployment of the group is at work: this one would wait for it, and then \
                 find what that one leaves"
                    .to_owned(),
            ),
            Err(error) => self.preview.unseen.push(format!(
                "whether another deployment of the group is at work: {}",
                chain(&error)
            )),
        }
    }

    fn finish(mut self, events: &[LifecycleEvent]) -> Preview {
        let order = |reason: &Reason| {
            let event = events.iter().position(|e| e.as_str() == reason.event);
            event.unwrap_or_default()
        };
        self.preview.reasons.sort_by_key(order);
        self.preview
    }
}
