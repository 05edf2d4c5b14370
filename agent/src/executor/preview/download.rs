//! What DownloadBundle would bring: a directory is read where it is, everything else is fetched and
//! unpacked in the workspace, by the parts that would do it in the deployment root.

use std::error::Error;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{PreviewError, Workspace, WorkspaceError};
use crate::bundle::{self, BringError, Destination, FetchError, UnpackError, Unpacked};
use crate::deployment::{DeploymentSpec, Revision};
use crate::deployment_root::{DeploymentDirectory, Surplus, read_pointer, surplus};
use crate::error::chain;
use crate::executor::blocking::blocking;
use crate::executor::directories::nearest;
use crate::executor::{Host, Interruption};
use crate::files::umask;
use crate::install::{Room, SourceForm};

/// The revision as it can be looked at.
pub(super) struct Obtained {
    pub(super) archive: PathBuf,
    pub(super) form: SourceForm,
    pub(super) bundle_bytes: Option<u64>,
    pub(super) unpacked: Unpacked,
}

/// Gets hold of the revision. The inner error is why DownloadBundle would fail.
pub(super) async fn obtain(
    host: &Host,
    spec: &DeploymentSpec,
    directory: &DeploymentDirectory,
    workspace: &Workspace,
    interruption: &Interruption,
) -> Result<Result<Obtained, String>, PreviewError> {
    let interrupted = Arc::clone(interruption.flag());
    if let Revision::LocalDirectory { location } = &spec.revision {
        let (source, archive) = (location.clone(), directory.archive());
        let options = host.unpack.clone();
        let examining =
            blocking(move || bundle::examine_directory(&source, &archive, &options, &interrupted));
        return match examining.await {
            Ok(unpacked) => Ok(Ok(Obtained {
                archive: location.clone(),
                form: SourceForm::ToBeCopied { umask: umask() },
                bundle_bytes: None,
                unpacked,
            })),
            Err(UnpackError::Interrupted) => Err(PreviewError::Interrupted),
            Err(error) => Ok(Err(format!("cannot copy the revision: {}", chain(&error)))),
        };
    }
    let place = DeploymentDirectory::from_pointer(workspace.directory()?.to_owned());
    let to = Destination {
        bundle: place.bundle(),
        partial: place.partial_archive(),
        archive: place.archive(),
        // Its size is asked for.
        keep_bundle: true,
    };
    let bringing = bundle::bring(
        &host.sources,
        &spec.revision,
        &to,
        &host.unpack,
        &interrupted,
    );
    let brought = tokio::select! {
        brought = bringing => brought,
        () = interruption.told() => return Err(PreviewError::Interrupted),
    };
    match brought {
        Ok((_, unpacked)) => Ok(Ok(Obtained {
            bundle_bytes: fs_err::metadata(&to.bundle).ok().map(|found| found.len()),
            archive: to.archive,
            form: SourceForm::Unpacked,
            unpacked,
        })),
        Err(
            BringError::Fetch(FetchError::Interrupted)
            | BringError::Unpack(UnpackError::Interrupted),
        ) => Err(PreviewError::Interrupted),
        Err(error) if is_full(&error) => Err(WorkspaceError::Full {
            path: workspace.directory()?.to_owned(),
            reason: chain(&error),
        }
        .into()),
        Err(error) => Ok(Err(chain(&error))),
    }
}

/// Whether the workspace was too small: the deployment root may have more room.
fn is_full(error: &BringError) -> bool {
    if let BringError::Fetch(FetchError::NoSpace { .. }) = error {
        return true;
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        ) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Room in the deployment root for the bundle and what is in it.
pub(super) fn room(host: &Host, spec: &DeploymentSpec, obtained: &Obtained) -> Option<Room> {
    let there = nearest(host.root.path());
    let opened = fs_err::File::open(there).ok()?.into_file();
    // A copy on the same file system may share its blocks with the original.
    let original = match &spec.revision {
        Revision::LocalDirectory { location } | Revision::LocalFile { location, .. } => {
            fs_err::metadata(location).ok().map(|found| found.dev())
        }
        Revision::S3 { .. } | Revision::GitHub { .. } => None,
    };
    let bundle = obtained.bundle_bytes.unwrap_or_default();
    let entries = obtained.unpacked.entries;
    let look = |bytes: u64| {
        Room::look(
            host.root.path().to_owned(),
            &opened,
            bundle.saturating_add(bytes),
            entries,
            original.unwrap_or(u64::MAX),
        )
    };
    let room = look(obtained.unpacked.bytes)?;
    if room.shortage().is_none() {
        return Some(room);
    }
    // Holes take no room.
    look(taken(&obtained.archive))
}

/// What the files below a directory take at least.
fn taken(top: &Path) -> u64 {
    let mut taken: u64 = 0;
    let mut ahead = vec![top.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs_err::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => ahead.push(entry.path()),
                Ok(found) if found.is_file() => {
                    let blocks = found.blocks().saturating_mul(512);
                    taken = taken.saturating_add(found.len().min(blocks));
                }
                _ => {}
            }
        }
    }
    taken
}

/// The old deployments that would go first; or why DownloadBundle would fail.
pub(super) fn removed(host: &Host, spec: &DeploymentSpec) -> Result<Vec<PathBuf>, String> {
    let records = host.root.instructions(&spec.deployment_group_id);
    let successful = read_pointer(&records.last_successful())
        .map_err(|error| format!("cannot tell which revision must be kept: {}", chain(&error)))?;
    let keep: Vec<&Path> = successful.iter().map(DeploymentDirectory::path).collect();
    let group = host.root.group(&spec.deployment_group_id);
    if !group.is_dir() {
        return Ok(Vec::new());
    }
    // One more is to come.
    surplus(&group, host.max_revisions.saturating_sub(1), &keep)
        .map(Surplus::going)
        .map_err(|error| format!("cannot make room for the revision: {}", chain(&error)))
}
