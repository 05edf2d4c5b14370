//! `agent rollback`: an earlier revision of a local deployment group is deployed again, from its
//! archive. It is a deployment of its own, on the path of `agent run-bundle`.

mod target;
mod target_error;

use std::path::Path;

use super::arguments::RollbackArguments;
use super::local_configuration::local_configuration;
use super::run_bundle::run;
use super::run_bundle::settings::{Intent, local_id, possible_events, prepare_with};
use super::terminal::{one_line, say, say_aside};
use super::{Exit, complain};
use crate::config::Loaded;
use crate::deployment::{DeploymentCreator, DeploymentSpec, DeploymentType, Revision};
use crate::deployment_root::{DeploymentDirectory, DeploymentRoot};
use crate::error::chain;
use crate::files::Lock;
use crate::history::History;
use crate::lifecycle::local_order;
use target::{Target, Wanted, choose};

/// What scripts get for the group's name when nobody knows it, as from run-bundle.
const GROUP_NAME: &str = "LocalFleet";

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &RollbackArguments) -> Exit {
    let loaded = match local_configuration(named) {
        Ok(loaded) => loaded,
        Err(error) => return complain(&chain(&error), error.exit()),
    };
    let root = loaded.config.deployment_root();
    let history = match History::read(&root) {
        Ok(history) => history,
        Err(error) => return complain(&chain(&error), Exit::Failed),
    };
    for complaint in &history.complaints {
        say_aside(&format!("warning: {}", complaint.escape_debug()));
    }
    let wanted = Wanted {
        to: arguments.to.as_deref(),
        group: arguments.group.as_deref(),
        force: arguments.force,
    };
    let target = match choose(&root, &history, &wanted) {
        Ok(target) => target,
        Err(error) => return complain(&chain(&error), Exit::Usage),
    };
    if arguments.dry_run {
        say(&format!(
            "Would deploy {} to {}",
            words(&target),
            target.group
        ));
        return Exit::Success;
    }
    deploy(loaded, &root, &target, arguments)
}

fn deploy(
    loaded: Loaded,
    root: &DeploymentRoot,
    target: &Target<'_>,
    arguments: &RollbackArguments,
) -> Exit {
    let earlier = root.deployment(&target.group, &target.past.id);
    // Neither retention nor agent clean removes it meanwhile.
    let _kept = match keep(&earlier) {
        Ok(kept) => kept,
        Err(problem) => return complain(&problem, Exit::Failed),
    };
    let events = match local_order(&arguments.events) {
        Ok(events) => events,
        Err(error) => {
            let message = format!("--events cannot be used: {}", chain(&error));
            return complain(&message, Exit::Usage);
        }
    };
    let deployment_id = match local_id() {
        Ok(id) => id,
        Err(error) => {
            let message = format!("no name for the deployment could be drawn: {error}");
            return complain(&message, Exit::Failed);
        }
    };
    let past = target.past;
    let words = words(target);
    let known = past.application.clone().or_else(|| past.revision.clone());
    let spec = DeploymentSpec {
        deployment_id,
        deployment_group_id: target.group.clone(),
        deployment_group_name: past
            .group_name
            .clone()
            .unwrap_or_else(|| GROUP_NAME.to_owned()),
        application_name: known.unwrap_or_else(|| words.clone()),
        creator: DeploymentCreator::Other,
        deployment_type: DeploymentType::InPlace,
        appspec_filename: arguments.appspec_filename.clone(),
        file_exists_behavior: arguments.file_exists_behavior.clone(),
        all_possible_lifecycle_events: Some(possible_events(&arguments.events)),
        // Copied with owners and times, as the archive of an earlier deployment is.
        reuse_archive_from: Some(past.id.clone()),
        revision: Revision::LocalDirectory {
            location: earlier.archive(),
        },
    };
    let preparing = prepare_with(loaded, spec, events, words, Intent::Deploy);
    run(arguments.output, preparing)
}

/// Keeps an earlier deployment from being removed. None: another process does.
fn keep(earlier: &DeploymentDirectory) -> Result<Option<Lock>, String> {
    let path = earlier.in_use();
    let kept = Lock::try_acquire(&path).map_err(|error| chain(&error))?;
    if kept.as_ref().is_none_or(|lock| lock.is_at(&path)) && earlier.archive().is_dir() {
        return Ok(kept);
    }
    Err(format!(
        "{} was removed just now; call agent rollback again",
        earlier.archive().display()
    ))
}

/// What is deployed, in words.
fn words(target: &Target<'_>) -> String {
    let past = target.past;
    one_line(&match &past.revision {
        Some(revision) => format!("the archive of {} ({revision})", past.id),
        None => format!("the archive of {}", past.id),
    })
}
