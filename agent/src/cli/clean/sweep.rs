//! Removing what goes, beside agents that are at work.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::at_work::AtWork;
use super::decision::{Going, Kind, going};
use super::survey::survey;
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::{
    DeploymentDirectory, DeploymentRoot, Usage, set_deployment_aside, set_parts_aside, usage,
};
use crate::error::chain;
use crate::files::{Lock, remove_tree};

/// Something that is gone, and what it occupied.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) group: Option<DeploymentGroupId>,
    pub(super) going: Going,
    pub(super) usage: Usage,
}

/// What has happened.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) removed: Vec<Removed>,
    /// What stays for a good reason.
    pub(super) notes: Vec<String>,
    /// What should have gone and did not.
    pub(super) problems: Vec<String>,
}

impl Swept {
    /// Takes apart what was moved to `aside`, or was never needed to be.
    fn remove(&mut self, group: Option<&DeploymentGroupId>, going: Going, aside: &Path) {
        let usage = usage(aside);
        match remove_tree(aside, &AtomicBool::new(false)) {
            Ok(()) => self.removed.push(Removed {
                group: group.cloned(),
                going,
                usage,
            }),
            Err(error) => self.problems.push(format!(
                "{} could not be removed: {error}; the next agent clean tries again",
                aside.display()
            )),
        }
    }

    /// Removes files of logs.
    pub(super) fn logs(&mut self, files: Vec<Going>) {
        for going in files {
            let path = going.path.clone();
            self.remove(None, going, &path);
        }
    }

    /// Removes what goes of a group.
    pub(super) fn group(&mut self, root: &DeploymentRoot, id: &DeploymentGroupId, keep: usize) {
        let aside = match set_aside(root, id, keep, self) {
            Ok(aside) => aside,
            Err(problem) => {
                self.problems.push(format!("group {id}: {problem}"));
                return;
            }
        };
        for (going, aside) in aside {
            self.remove(Some(id), going, &aside);
        }
    }
}

/// Decides what goes and moves it aside, while no Install and no download's end of the group can
/// change what must stay. Nothing is taken apart meanwhile, so nobody waits for long.
fn set_aside(
    root: &DeploymentRoot,
    id: &DeploymentGroupId,
    keep: usize,
    swept: &mut Swept,
) -> Result<Vec<(Going, PathBuf)>, String> {
    let records = root.instructions(id);
    let Some(_held) = Lock::try_acquire(&records.lock()).map_err(|error| chain(&error))? else {
        swept.notes.push(format!(
            "group {id}: an Install is at work, so nothing is removed; run agent clean again later"
        ));
        return Ok(Vec::new());
    };
    let at_work = AtWork::read(root).map_err(|error| chain(&error))?;
    let group = survey(root, id, &at_work).map_err(|error| chain(&error))?;
    if group.unrecovered {
        swept.notes.push(unrecovered(id));
    }
    let mut aside = Vec::new();
    for going in going(&group, keep).map_err(|error| chain(&error))? {
        let moved = match going.kind {
            Kind::LeftAside | Kind::Log => Ok(Some(vec![going.path.clone()])),
            Kind::Deployment => {
                set_deployment_aside(&going.path).map(|moved| moved.map(|one| vec![one]))
            }
            Kind::Bundle | Kind::Partial => {
                let parent = going.path.parent().unwrap_or(&group.path).to_owned();
                let deployment = DeploymentDirectory::from_pointer(parent);
                set_parts_aside(&deployment, std::slice::from_ref(&going.path))
            }
        };
        match moved {
            Ok(Some(moved)) => aside.extend(moved.into_iter().map(|to| (going.clone(), to))),
            Ok(None) => swept.notes.push(format!(
                "{} stays: its deployment is in use by now",
                going.path.display()
            )),
            Err(error) => swept.problems.push(format!(
                "{} could not be moved aside to be removed: {error}",
                going.path.display()
            )),
        }
    }
    Ok(aside)
}

pub(super) fn unrecovered(id: &DeploymentGroupId) -> String {
    format!(
        "group {id}: an Install was killed and has not been recovered yet, so its deployments stay; \
         start the agent, or deploy again, then run agent clean again"
    )
}
