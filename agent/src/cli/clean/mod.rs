//! `agent clean`: what deployments occupy, and removing what is not needed any more.
//!
//! Invariants: the last successful revision of a group, its most recent one, and whatever is in
//! use or at work never go; nor does what is no deployment. What may go is decided and moved aside
//! under the lock that Installs take, so an agent may be at work all the while.

mod at_work;
mod decision;
mod dry_run;
mod logs;
mod report;
mod survey;
mod sweep;

use std::path::Path;

use nix::unistd::geteuid;

use at_work::AtWork;
use report::Report;
use survey::SurveyError;
use sweep::Swept;

use super::arguments::CleanArguments;
use super::groups::{GroupError, KnownGroups};
use super::local_configuration::local_configuration;
use super::{Exit, complain};
use crate::config::{Config, Loaded};
use crate::daemon::become_configured_user;
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::list_groups;
use crate::error::chain;
use crate::history::History;
use crate::install::left_areas;

/// Runs the subcommand.
pub(super) fn main(named: Option<&Path>, arguments: &CleanArguments) -> Exit {
    let Loaded { config, .. } = match local_configuration(named) {
        Ok(loaded) => loaded,
        Err(error) => return complain(&chain(&error), error.exit()),
    };
    // Locks that root makes could not be opened by an agent that is another user.
    if geteuid().is_root()
        && let Err(error) = become_configured_user(&config)
    {
        return complain(&chain(&error), Exit::Configuration);
    }
    match clean(&config, arguments) {
        Ok(report) => report.show(arguments.output),
        Err((problem, exit)) => complain(&problem, exit),
    }
}

fn clean(config: &Config, arguments: &CleanArguments) -> Result<Report, (String, Exit)> {
    let failed = |error: &dyn std::error::Error| (chain(error), Exit::Failed);
    let root = config.deployment_root();
    let keep = arguments.keep.unwrap_or(config.max_revisions).get();
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let at_work = AtWork::read(&root).map_err(|error| failed(&error))?;
    let mut ids = list_groups(&root)
        .map_err(SurveyError::List)
        .map_err(|error| failed(&error))?;
    if let Some(wanted) = &arguments.group {
        let history = History::read(&root).map_err(|error| failed(&error))?;
        let chosen = chosen(&history, &ids, wanted);
        ids = vec![chosen.map_err(|error| (chain(&error), Exit::Usage))?];
    }
    let logs = match arguments.group {
        None => logs::surplus(&root, config),
        Some(_) => Vec::new(),
    };
    let mut report = if arguments.dry_run {
        dry_run::look(&root, &ids, &at_work, keep, logs)
    } else {
        let mut swept = Swept::default();
        for id in &ids {
            swept.group(&root, id, keep);
        }
        swept.logs(logs);
        Report::of(swept)
    };
    let areas = ids.iter().map(|id| left_areas(&root, id));
    match areas.collect::<Result<Vec<_>, _>>() {
        Ok(areas) => report.note_areas(&areas.into_iter().flatten().collect()),
        Err(error) => report.add_problem(format!("cannot look for staging areas: {error}")),
    }
    Ok(report)
}

/// The group of `ids` with that id, or else the one that deployments have named so.
fn chosen(
    history: &History,
    ids: &[DeploymentGroupId],
    wanted: &str,
) -> Result<DeploymentGroupId, GroupError> {
    let names = |id: &DeploymentGroupId| {
        let deployments = history.deployments.iter();
        let of_group = deployments.filter(|past| past.group_id.as_ref() == Some(id));
        let names: Vec<String> = of_group
            .filter_map(|past| past.group_name.clone())
            .collect();
        names
    };
    let known: KnownGroups = ids.iter().map(|id| (id.clone(), names(id))).collect();
    known.one(wanted)
}
