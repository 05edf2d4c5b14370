//! What the previous Install left: which of it is there, and what a clean-up alone would leave.
//!
//! Install removes the old revision last, but decides as if it were gone already (contract:
//! install, "Details that bundles depend on").

use std::os::unix::ffi::OsStrExt as _;

use super::cleanup::Entry;
use super::descriptors::OpenError;
use super::error::PlanError;
use super::survey::Survey;
use super::tree::{Existing, NONE, NodeId, ROOT};

/// Adds the recorded paths to the tree and finds out what is there. Returns their nodes in order.
pub(super) fn survey(survey: &mut Survey, entries: &[Entry<'_>]) -> Result<Vec<NodeId>, PlanError> {
    let recorded = insert(survey, entries);
    enter_parents(survey)?;
    look(survey)?;
    decide(survey)?;
    Ok(recorded)
}

fn insert(survey: &mut Survey, entries: &[Entry<'_>]) -> Vec<NodeId> {
    let mut recorded = Vec::with_capacity(entries.len());
    // Neighbours share their directory: it is looked up once.
    let mut last: (&[u8], NodeId) = (b"", ROOT);
    for entry in entries {
        let Entry::Path(path) = entry else { continue };
        if !is_sane(path) {
            let path = path.escape_ascii();
            survey.warnings.push(format!(
                "the clean-up record has {path:?}, which is no absolute path of a file; ignored"
            ));
            continue;
        }
        let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (directory, name) = path.split_at(slash);
        let name = name.get(1..).unwrap_or_default();
        if last.0 != directory || last.1 == ROOT {
            last = (directory, survey.tree.insert(directory));
        }
        let id = survey.tree.child(last.1, name);
        let node = survey.tree.node_mut(id);
        if !node.recorded {
            node.recorded = true;
            recorded.push(id);
        }
    }
    recorded
}

/// An absolute path by text, not the root, of names that can exist.
fn is_sane(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/") else {
        return false;
    };
    path.len() <= 4096
        && rest.split(|byte| *byte == b'/').all(|name| {
            !name.is_empty()
                && name.len() <= 255
                && name != b"."
                && name != b".."
                && !name.contains(&0)
        })
}

/// Enters every directory that has recorded names below it.
fn enter_parents(survey: &mut Survey) -> Result<(), PlanError> {
    for id in ROOT + 1..survey.tree.len() {
        if survey.tree.node(id).first_child == NONE {
            continue;
        }
        if !matches!(survey.existing(id)?, Existing::Directory | Existing::Link) {
            continue;
        }
        match survey.enter(id) {
            Ok(()) => {}
            Err(OpenError::Untrusted { owner }) => {
                let path = survey.path(id).display().to_string();
                survey.warnings.push(format!(
                    "{path} is now a link that user {owner} could have made: what the last \
                     revision installed below it is not removed"
                ));
            }
            Err(OpenError::Io(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR)) => {}
            Err(OpenError::Io(error)) => {
                let path = survey.path(id).display().to_string();
                survey.warnings.push(format!(
                    "cannot enter {path}: {error}; what the last revision installed below it is \
                     not removed"
                ));
            }
        }
    }
    Ok(())
}

/// Finds out what is under each recorded name, and lists recorded directories.
fn look(survey: &mut Survey) -> Result<(), PlanError> {
    for id in ROOT + 1..survey.tree.len() {
        let existing = survey.existing(id)?;
        let node = survey.tree.node(id);
        if !node.recorded || existing != Existing::Directory {
            continue;
        }
        let parent = node.parent;
        if survey.enter(id).is_err() || begins_a_volume(survey, id, parent) {
            // Whatever it is, a clean-up could not remove it.
            survey.tree.node_mut(id).alive = true;
            continue;
        }
        let mut strangers = Vec::new();
        survey.list(id, |tree, name, kind| match tree.find(id, name) {
            Some(child) if kind != Existing::Unknown => tree.node_mut(child).existing = kind,
            Some(_) => {}
            // One is enough to keep the directory, but each may be ours by another path.
            None if strangers.len() < 1000 => strangers.push(name.to_vec()),
            None => {}
        })?;
        let mut strangers = strangers.into_iter();
        if let Some(stranger) = strangers.find(|name| !survey.is_recorded(id, name)) {
            survey.tree.node_mut(id).alive = true;
            survey.strangers.insert(id, stranger);
        }
    }
    Ok(())
}

fn begins_a_volume(survey: &Survey, id: NodeId, parent: NodeId) -> bool {
    let volume = |id: NodeId| {
        survey
            .directories
            .get(survey.tree.node(id).directory as usize)
            .map(|d| d.volume)
    };
    // Where the parent is reached through a link, the comparison still holds: the directory's own
    // entry is in the directory that the link leads to.
    volume(id) != volume(parent)
}

/// Children first: a recorded directory is gone when everything in it is.
fn decide(survey: &mut Survey) -> Result<(), PlanError> {
    for id in (ROOT + 1..survey.tree.len()).rev() {
        let node = survey.tree.node_mut(id);
        let is_directory = node.existing == Existing::Directory;
        node.gone = node.recorded && !(is_directory && node.alive);
        let (gone, parent) = (node.gone, node.parent);
        if node.existing != Existing::Absent && !gone {
            survey.tree.node_mut(parent).alive = true;
        }
        if gone && is_directory {
            survey.remember(id)?;
        }
    }
    Ok(())
}

/// What of the old revision the new one does not bring.
pub(super) struct Stale {
    /// Removed one by one, children first.
    pub(super) stale: Vec<NodeId>,
    /// Goes with a name above it.
    pub(super) carried: Vec<NodeId>,
}

/// Finds out what goes.
pub(super) fn stale(survey: &Survey) -> Stale {
    use super::tree::Planned;

    let tree = &survey.tree;
    // Below a name that is exchanged as a whole, everything goes with it.
    let mut carried = vec![false; tree.len() as usize];
    for id in ROOT + 1..tree.len() {
        let parent = tree.node(id).parent;
        let above = tree.node(parent);
        let exchanged = !above.merged && above.planned != Planned::Nothing;
        let inherited = carried.get(parent as usize).copied().unwrap_or_default();
        if let Some(carried) = carried.get_mut(id as usize) {
            *carried = inherited || exchanged;
        }
    }
    let is_stale = |id: &NodeId| {
        let node = tree.node(*id);
        node.gone
            && node.planned == Planned::Nothing
            && !matches!(node.existing, Existing::Absent | Existing::Unknown)
            && !survey.is_superseded(*id)
    };
    let is_carried = |id: &NodeId| carried.get(*id as usize).copied().unwrap_or_default();
    let going = (ROOT + 1..tree.len()).rev().filter(is_stale);
    let (carried, stale) = going.partition(is_carried);
    Stale { stale, carried }
}

/// The recorded paths that `wanted` has, with the group that recorded each: for messages.
pub(super) fn owners(
    records: &crate::deployment_root::InstructionFiles,
    wanted: &[std::path::PathBuf],
) -> std::collections::HashMap<std::path::PathBuf, String> {
    use std::path::PathBuf;

    let own = records.cleanup();
    let mut owners = std::collections::HashMap::new();
    let wanted: std::collections::HashSet<&[u8]> = wanted
        .iter()
        .map(|path| path.as_os_str().as_bytes())
        .collect();
    let directory = own
        .parent()
        .and_then(|directory| fs_err::read_dir(directory).ok());
    for file in directory.into_iter().flatten().flatten() {
        let path = file.path();
        let name = file.file_name();
        let group = name
            .as_bytes()
            .strip_suffix(b"-cleanup")
            .map(|g| g.escape_ascii().to_string());
        let Some(group) = group.filter(|_| path != own) else {
            continue;
        };
        let Ok(content) = fs_err::read(&path) else {
            continue;
        };
        let exact = fs_err::read(path.with_file_name(format!("{group}-cleanup.exact"))).ok();
        for entry in super::cleanup::parse(&content, exact.as_deref()) {
            if let Entry::Path(path) = entry
                && wanted.contains(path)
            {
                let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
                owners.insert(path, group.clone());
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_lines_are_not_paths() {
        for bad in [
            "/", "", "x", "a/b", "//", "/a/../b", "/a/./b", "/a//b", "/a/", "/a\0b",
        ] {
            assert!(!is_sane(bad.as_bytes()), "{bad:?}");
        }
        assert!(is_sane(b"/a/b c\n"));
    }
}
