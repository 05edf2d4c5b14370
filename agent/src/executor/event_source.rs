//! Where an event's scripts come from on this host: the contract's table, met with what is on
//! disk.

use std::path::{Path, PathBuf};

use super::appspec_file::read_scripts;
use super::{AppSpecFileError, read_appspec};
use crate::appspec::Script;
use crate::deployment::DeploymentSpec;
use crate::deployment_root::{DeploymentDirectory, DeploymentRoot, PointerError, read_pointer};
use crate::lifecycle::{ArchiveChoice, LifecycleEvent, archive_choice};

/// The scripts of an event and the archive they lie in.
#[derive(Debug)]
pub(super) struct EventSource {
    pub(super) archive: PathBuf,
    pub(super) scripts: Vec<Script>,
}

/// What was found, with anything odd about it.
#[derive(Debug)]
pub(super) enum Found {
    /// Scripts to run.
    Scripts(EventSource),
    /// Nothing to run, for the reason given when it is not the ordinary one.
    Nothing(Option<String>),
}

/// It cannot be told what the event consists of.
#[derive(Debug, thiserror::Error)]
pub(super) enum EventSourceError {
    #[error("cannot tell which scripts {event} runs")]
    Pointer {
        event: String,
        #[source]
        source: PointerError,
    },
    #[error("cannot tell which scripts {event} runs")]
    AppSpec {
        event: String,
        #[source]
        source: AppSpecFileError,
    },
    #[error(
        "{event} runs the scripts of the revision in {}, and its archive is gone; deploy a \
         revision again before rolling back",
        deployment.display()
    )]
    ArchiveGone { event: String, deployment: PathBuf },
}

/// Finds the scripts of `event`. `own` is this deployment's archive, once it is there.
pub(super) fn find(
    root: &DeploymentRoot,
    spec: &DeploymentSpec,
    own: Option<&Path>,
    event: &LifecycleEvent,
) -> Result<Found, EventSourceError> {
    let choice = archive_choice(event, spec.creator, spec.deployment_type);
    if choice == ArchiveChoice::Own || own.is_some() {
        return of_this_deployment(spec, own, event);
    }
    let records = root.instructions(&spec.deployment_group_id);
    let pointer = match choice {
        ArchiveChoice::MostRecent => records.most_recent(),
        ArchiveChoice::LastSuccessful | ArchiveChoice::Own => records.last_successful(),
    };
    let earlier = read_pointer(&pointer).map_err(|source| EventSourceError::Pointer {
        event: event.to_string(),
        source,
    })?;
    match earlier {
        None => Ok(Found::Nothing(None)),
        Some(earlier) => of_an_earlier_deployment(spec, &earlier, event),
    }
}

fn of_this_deployment(
    spec: &DeploymentSpec,
    own: Option<&Path>,
    event: &LifecycleEvent,
) -> Result<Found, EventSourceError> {
    let Some(archive) = own else {
        return Ok(Found::Nothing(Some(format!(
            "{event} runs this revision's scripts, and the revision has not been downloaded yet"
        ))));
    };
    let scripts = read_appspec(archive, &spec.appspec_filename)
        .map(|parsed| parsed.appspec.scripts(event.as_str()).to_vec())
        .map_err(|source| unusable(event, source))?;
    Ok(found(archive, scripts))
}

fn of_an_earlier_deployment(
    spec: &DeploymentSpec,
    earlier: &DeploymentDirectory,
    event: &LifecycleEvent,
) -> Result<Found, EventSourceError> {
    let archive = earlier.archive();
    // AWS's agent fails here, in every deployment from then on (contract: differences).
    let may_be_skipped = matches!(
        event,
        LifecycleEvent::ApplicationStop
            | LifecycleEvent::BeforeBlockTraffic
            | LifecycleEvent::AfterBlockTraffic
    );
    let path = earlier.path().display();
    let gone = |what: &str| {
        Found::Nothing(Some(format!(
            "{event} is skipped: {what} of the previous revision in {path} is gone, so its scripts \
             cannot be run"
        )))
    };
    if !archive.is_dir() {
        return if may_be_skipped {
            Ok(gone("the archive"))
        } else {
            Err(EventSourceError::ArchiveGone {
                event: event.to_string(),
                deployment: earlier.path().to_owned(),
            })
        };
    }
    match read_scripts(&archive, &spec.appspec_filename, event.as_str()) {
        Ok(scripts) => Ok(found(&archive, scripts)),
        Err(AppSpecFileError::NotFound { .. }) if may_be_skipped => Ok(gone("the AppSpec")),
        // No deployment could mend it: the AppSpec that counts is replaced only by an Install.
        Err(AppSpecFileError::Invalid { problems, .. }) if may_be_skipped => {
            Ok(Found::Nothing(Some(format!(
                "{event} is skipped: the AppSpec of the previous revision in {path} cannot be used \
                 for it, so its scripts are not run: {problems}"
            ))))
        }
        Err(source) => Err(unusable(event, source)),
    }
}

fn unusable(event: &LifecycleEvent, source: AppSpecFileError) -> EventSourceError {
    EventSourceError::AppSpec {
        event: event.to_string(),
        source,
    }
}

fn found(archive: &Path, scripts: Vec<Script>) -> Found {
    if scripts.is_empty() {
        return Found::Nothing(None);
    }
    Found::Scripts(EventSource {
        archive: archive.to_owned(),
        scripts,
    })
}
