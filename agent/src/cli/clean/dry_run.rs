//! What there is, what it occupies, and what would go.

use super::at_work::AtWork;
use super::decision::{Going, going};
use super::report::Report;
use super::survey::{Group, survey};
use super::sweep::{Removed, Swept, unrecovered};
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::{DeploymentDirectory, DeploymentRoot, Usage, usage};
use crate::error::chain;

/// What a deployment occupies.
#[derive(Debug, Default)]
pub(super) struct Occupied {
    pub(super) archive: Usage,
    pub(super) bundle: Usage,
    pub(super) partial: Usage,
    pub(super) hook_runs: Usage,
    /// Logs and all the rest.
    pub(super) other: Usage,
}

/// What there is of a group.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) group: Group,
    pub(super) occupied: Vec<Occupied>,
    pub(super) foreign: Usage,
}

/// Looks at everything, and changes nothing.
pub(super) fn look(
    root: &DeploymentRoot,
    ids: &[DeploymentGroupId],
    at_work: &AtWork,
    keep: usize,
    logs: Vec<Going>,
) -> Report {
    let mut report = Report {
        dry_run: true,
        groups: Vec::new(),
        swept: Swept::default(),
    };
    let swept = &mut report.swept;
    for id in ids {
        let looked = survey(root, id, at_work).map_err(|error| chain(&error));
        let looked = looked.and_then(|group| {
            let going = going(&group, keep).map_err(|error| chain(&error))?;
            Ok((group, going))
        });
        match looked {
            Err(problem) => swept.problems.push(format!("group {id}: {problem}")),
            Ok((group, going)) => {
                if group.unrecovered {
                    swept.notes.push(unrecovered(id));
                }
                swept.removed.extend(going.into_iter().map(|going| Removed {
                    group: Some(id.clone()),
                    usage: usage(&going.path),
                    going,
                }));
                report.groups.push(Shown::of(group));
            }
        }
    }
    swept.removed.extend(logs.into_iter().map(|going| Removed {
        group: None,
        usage: usage(&going.path),
        going,
    }));
    report
}

impl Shown {
    fn of(group: Group) -> Self {
        let mut foreign = Usage::default();
        for path in &group.foreign {
            foreign.add(usage(path));
        }
        Self {
            occupied: group
                .deployments
                .iter()
                .map(|one| occupied(&one.directory))
                .collect(),
            foreign,
            group,
        }
    }
}

fn occupied(directory: &DeploymentDirectory) -> Occupied {
    let mut occupied = Occupied::default();
    let Ok(entries) = fs_err::read_dir(directory.path()) else {
        occupied.other.incomplete = true;
        return occupied;
    };
    for entry in entries {
        let Ok(entry) = entry else {
            occupied.other.incomplete = true;
            continue;
        };
        let path = entry.path();
        let part = if path == directory.archive() {
            &mut occupied.archive
        } else if path == directory.bundle() {
            &mut occupied.bundle
        } else if [
            directory.partial_archive(),
            directory.replaced_archive(),
            directory.partial_bundle(),
            directory.bundle_parts(),
        ]
        .contains(&path)
        {
            &mut occupied.partial
        } else if path == directory.hook_runs() {
            &mut occupied.hook_runs
        } else {
            &mut occupied.other
        };
        part.add(usage(&path));
    }
    occupied
}
