//! What an Install would do, object by object, without doing any of it: the plan that an Install
//! would carry out, with what is at each destination now and what would be there afterwards.

mod look;
mod properties;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::compare::{self, Unchanged};
use super::descriptors;
use super::error::{InstallError, PlanError};
use super::plan::Plan;
use super::planner::{Draft, draft};
use super::problem::Problem;
use super::request::InstallRequest;
use super::room::Room;
use super::staging::Areas;
use super::tree::{Existing, NodeId, Planned};
use look::Looker;
pub use properties::{ObjectKind, Properties};

/// What happens to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing is there, and something comes.
    Add,
    /// Something else comes in its place, or a directory gets another mode or owner.
    Change,
    /// It stays as it is, and belongs to the new revision.
    Keep,
    /// It goes with the old revision.
    Remove,
    /// It stays as it is, and does not belong to the new revision: a foreign file under RETAIN, or
    /// a directory of the old revision that holds something foreign.
    Leave,
}

/// A name that an Install has to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedObject {
    /// The destination.
    pub path: PathBuf,
    /// What happens.
    pub change: Change,
    /// What is there now.
    pub before: Option<Properties>,
    /// What would be there.
    pub after: Option<Properties>,
    /// Where a file or link comes from, relative to the revision.
    pub source: Option<PathBuf>,
    /// The line of the `permissions` rule that applies.
    pub rule_line: Option<usize>,
}

/// What an Install would do.
#[derive(Debug, Default)]
pub struct Preview {
    /// What it has to do with: the revision's in the order created, then what goes or is left, in
    /// the order of removal.
    pub objects: Vec<PreviewedObject>,
    /// What stands against it.
    pub problems: Vec<Problem>,
    /// What would fail besides.
    pub failures: Vec<InstallError>,
    /// What is needed of each file system.
    pub rooms: Vec<Room>,
    /// What should be known although it stops nothing.
    pub warnings: Vec<String>,
    /// What could not be looked at, so that the preview may be wrong about it.
    pub unseen: Vec<String>,
}

/// Previews an Install: everything that it would find, and nothing that it would touch.
/// `archive_device` is the device number of the file system that the revision is unpacked on, and
/// `reserved` tells how many bytes of a file system will be taken by then.
///
/// # Errors
/// When something could not be read that the plan depends on: the Install fails in the same way.
pub fn preview(
    request: &InstallRequest<'_>,
    archive_device: u64,
    reserved: impl Fn(&Room) -> u64,
) -> Result<Preview, PlanError> {
    let Draft { plan, problems } = draft(request)?;
    let working = request.records.installing();
    let areas = Areas::new(&plan, &working);
    let mut preview = Preview {
        problems,
        warnings: plan.warnings.clone(),
        ..Preview::default()
    };
    let unchanged = match compare::compare(request, &plan, &areas) {
        Ok((unchanged, needs)) => {
            let mut place = areas.workplace();
            for need in needs.values() {
                let Ok(directory) = place.destination(need.directory) else {
                    continue;
                };
                let Ok(directory) = descriptors::reopen(&*directory) else {
                    continue;
                };
                let path = plan.tree.path(need.directory);
                let (bytes, inodes) = (need.bytes, need.inodes);
                preview
                    .rooms
                    .extend(Room::look(path, directory, bytes, inodes, archive_device));
            }
            unchanged
        }
        Err(InstallError::Interrupted) => return Err(PlanError::Interrupted),
        // What is in the way is told as a problem already.
        Err(_) if !preview.problems.is_empty() => Unchanged::default(),
        Err(failure) => {
            preview.failures.push(failure);
            Unchanged::default()
        }
    };
    for room in &mut preview.rooms {
        let reserved = reserved(room);
        room.free_bytes = room.free_bytes.map(|free| free.saturating_sub(reserved));
        match room.shortage() {
            None => {}
            Some(shortage) if room.is_certain => preview.failures.push(shortage),
            Some(shortage) => preview.warnings.push(format!("it may not fit: {shortage}")),
        }
    }
    preview
        .rooms
        .sort_by(|one, other| one.path.cmp(&other.path));
    let mut looker = Looker::new(request, &plan, &areas);
    for id in &plan.sequence {
        if request.look_for_interruption().is_err() {
            return Err(PlanError::Interrupted);
        }
        preview
            .objects
            .push(brought(&plan, &unchanged, &mut looker, *id));
    }
    for id in plan.stale.iter().chain(&plan.carried) {
        let before = looker.before(*id);
        preview
            .objects
            .push(object(&plan, *id, Change::Remove, before, None));
    }
    for id in &plan.recorded {
        let node = plan.tree.node(*id);
        let stays = !node.gone && node.planned == Planned::Nothing;
        if stays && node.existing == Existing::Directory {
            let before = looker.before(*id);
            let after = before.clone();
            preview
                .objects
                .push(object(&plan, *id, Change::Leave, before, after));
        }
    }
    preview.failures.extend(looker.failures());
    preview.unseen.extend(looker.unseen);
    preview.unseen.extend(links_that_lead_out(&plan));
    Ok(preview)
}

fn object(
    plan: &Plan,
    id: NodeId,
    change: Change,
    before: Option<Properties>,
    after: Option<Properties>,
) -> PreviewedObject {
    let source = plan.source_path(id).filter(|_| change != Change::Remove);
    PreviewedObject {
        path: plan.tree.path(id),
        change,
        before,
        after,
        source: source.and_then(|path| {
            let inner = path.strip_prefix(&plan.archive).ok()?;
            Some(inner.to_owned())
        }),
        rule_line: plan.rule_of(id).map(|rule| rule.line),
    }
}

/// An object of the revision.
fn brought(
    plan: &Plan,
    unchanged: &Unchanged,
    looker: &mut Looker<'_, '_>,
    id: NodeId,
) -> PreviewedObject {
    let before = looker.before(id);
    let planned = plan.tree.node(id).planned;
    if matches!(
        planned,
        Planned::Kept | Planned::Retained | Planned::Nothing
    ) {
        let change = if planned == Planned::Kept {
            Change::Keep
        } else {
            Change::Leave
        };
        let after = before.clone();
        return object(plan, id, change, before, after);
    }
    let after = looker.after(id);
    let stays = match planned {
        Planned::Made => before.is_some() && before == after,
        _ => unchanged.contains(id),
    };
    let change = match (&before, stays) {
        (None, _) => Change::Add,
        (Some(_), true) => Change::Keep,
        (Some(_), false) => Change::Change,
    };
    object(plan, id, change, before, after)
}

/// The links of the revision that lead out of it by a relative way: what such a link leads to
/// depends on where the revision lies, and here it lies elsewhere.
fn links_that_lead_out(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    let mut tell = |path: PathBuf| {
        let Ok(inner) = path.strip_prefix(&plan.archive) else {
            return;
        };
        let depth = inner.components().count().saturating_sub(1);
        if let Ok(target) = fs_err::read_link(&path)
            && leads_out(depth, target.as_os_str())
        {
            found.push(format!(
                "{} is a link that leads out of the revision by a relative way; what is there \
                 when the revision is unpacked in its place cannot be told",
                inner.display()
            ));
        }
    };
    for (id, _) in plan.sources.iter().enumerate().filter(|(_, s)| s.followed) {
        let id = u32::try_from(id).unwrap_or_default();
        tell(super::plan::source_directory_path(
            &plan.archive,
            &plan.sources,
            id,
        ));
    }
    let is_link = |id: &&NodeId| plan.tree.node(**id).planned == Planned::Link;
    plan.sequence
        .iter()
        .filter(is_link)
        .filter_map(|id| plan.source_path(*id))
        .for_each(tell);
    found
}

/// Whether a relative link in a directory so many levels below the top leads above the top.
fn leads_out(depth: usize, target: &OsStr) -> bool {
    let mut level = depth;
    for name in target.as_bytes().split(|byte| *byte == b'/') {
        match name {
            b"" if level == depth && target.as_bytes().starts_with(b"/") => return false,
            b"" | b"." => {}
            b".." if level == 0 => return true,
            b".." => level -= 1,
            _ => level += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out_are_told_from_those_that_do_not() {
        let out = |depth, target: &str| leads_out(depth, OsStr::new(target));
        assert!(out(0, "..") && out(1, "../../x") && out(1, "a/../../../x") && out(0, "../x"));
        assert!(!out(0, "x") && !out(1, "../x") && !out(0, "/etc/../x") && !out(2, "../../a"));
    }
}
