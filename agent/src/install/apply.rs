//! An Install from beginning to end: recover, plan, compare, stage, commit, or undo.

use std::io;
use std::path::{Path, PathBuf};

use failpoints::Failpoint;
use nix::sys::stat::stat;

use super::commit::Commit;
use super::compare::{self, Unchanged};
use super::descriptors;
use super::error::{InstallError, StepError};
use super::plan::Plan;
use super::planner::plan;
use super::records::{self, StagedRecords};
use super::recover;
use super::request::InstallRequest;
use super::selinux::Replacement;
use super::stage::{self, Staged};
use super::staging::Areas;
use super::tree::{Existing, NodeId, Planned};
use super::undo;

/// How often destinations that change under our hands are planned for again.
const MOST_PLANS: u32 = 5;

/// A point in an Install, just before something is done. Tests let it fail there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before one object is staged.
    Stage,
    /// Before the journal is put in force.
    Journal,
    /// Before a record of old and new together takes its name.
    Record,
    /// Before the SELinux programs run.
    Contexts,
    /// Before a staged object takes its name.
    Place,
    /// Before an existing directory gets a new state.
    Reshape,
    /// Before something stale is removed.
    Remove,
    /// Before a record of the new revision takes its name.
    Finish,
    /// Before the commit record.
    Commit,
    /// After the commit, before a stale directory is removed.
    Prune,
    /// Before the staging areas go.
    Discard,
    /// Before the working directory goes.
    Forget,
    /// Before something is undone.
    Restore,
}

impl Moment {
    fn failpoint(self) -> Option<Failpoint> {
        Some(match self {
            Self::Stage => Failpoint::InstallStage,
            Self::Journal => Failpoint::InstallJournal,
            Self::Record => Failpoint::InstallRecord,
            Self::Place => Failpoint::InstallPlace,
            Self::Reshape => Failpoint::InstallReshape,
            Self::Remove => Failpoint::InstallRemove,
            Self::Finish => Failpoint::InstallFinish,
            Self::Commit => Failpoint::InstallCommit,
            Self::Discard => Failpoint::InstallDiscard,
            Self::Forget => Failpoint::InstallForget,
            // Not passed by every Install: the programs, and a crash, are needed.
            Self::Contexts | Self::Prune | Self::Restore => return None,
        })
    }
}

/// Called at each [`Moment`], in the thread that has come there; an error makes that step fail.
pub(super) struct Watch<'w>(pub(super) &'w (dyn Fn(Moment) -> io::Result<()> + Sync));

impl Watch<'_> {
    /// Nobody looks.
    pub(super) const NONE: &'static Watch<'static> = &Watch(&|_| Ok(()));

    pub(super) fn at<E: From<io::Error>>(&self, moment: Moment) -> Result<(), E> {
        if let Some(failpoint) = moment.failpoint() {
            failpoint.pass()?;
        }
        Ok((self.0)(moment)?)
    }

    /// A moment after the commit or the undo, when nothing can fail any more.
    pub(super) fn pass(&self, moment: Moment) {
        let _: io::Result<()> = self.at(moment);
    }
}

/// What an Install did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Files copied.
    pub files: usize,
    /// Files that were there already, the same in everything.
    pub unchanged: usize,
    /// Links made.
    pub links: usize,
    /// Directories made (again).
    pub directories: usize,
    /// Foreign files replaced.
    pub replaced: usize,
    /// Foreign files retained.
    pub retained: usize,
    /// Files, links and directories of the last revision removed.
    pub removed: usize,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// Installs a revision: afterwards it is installed as a whole, or (but for
/// [`InstallError::NotUndone`]) everything is as it was. What an Install that was killed left is
/// finished or undone first. The caller holds the group's lock.
///
/// # Errors
/// When the plan has problems, or a step fails; see [`InstallError`].
pub fn install(request: &InstallRequest<'_>) -> Result<Installed, InstallError> {
    install_watched(request, Watch::NONE)
}

pub(super) fn install_watched(
    request: &InstallRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Installed, InstallError> {
    let mut warnings = Vec::new();
    // Before planning: what was left over is part of what is there.
    let recovered = recover::recover_watched(request.records, &request.options.selinux, watch)?;
    if let Some(recovered) = recovered {
        warnings.extend(recovered.told());
    }
    let working = request.records.installing();
    let mut plans = 0;
    loop {
        let plan = plan(request)?;
        plans += 1;
        match carry_out(&plan, request, &working, watch, &mut warnings) {
            Err(InstallError::Undone(StepError::Changed { .. })) if plans < MOST_PLANS => {}
            Err(error) => return Err(error),
            Ok(unchanged) => {
                warnings.extend(plan.warnings.iter().cloned());
                return Ok(summary(&plan, unchanged, warnings));
            }
        }
    }
}

/// Carries a plan out. Returns how many files were there already.
fn carry_out(
    plan: &Plan,
    request: &InstallRequest<'_>,
    working: &Path,
    watch: &Watch<'_>,
    warnings: &mut Vec<String>,
) -> Result<usize, InstallError> {
    let mut areas = Areas::new(plan, working);
    let unchanged = compare_and_find_room(plan, request, &areas, warnings)?;
    let staged = records::prepare(working)
        .and_then(|()| stage_all(plan, request, &unchanged, &mut areas, watch, warnings));
    let staged = staged.and_then(|(staged, records)| {
        let contexts = Replacement::look(plan, &request.options.selinux, warnings)?;
        let commit = Commit {
            plan,
            staged: &staged,
            unchanged: &unchanged,
            areas: &areas,
            records: &records,
            contexts: &contexts,
            tools: &request.options.selinux,
            working,
            durable: !request.options.unsynced,
            watch,
        };
        let journal = commit.prepare()?;
        request.look_for_interruption()?;
        let weakened = commit.run(journal)?;
        commit.prune(warnings);
        Ok(weakened)
    });
    let result = match staged {
        Ok(weakened) => {
            warnings.extend(weakened.iter().map(|area: &PathBuf| {
                format!(
                    "the file system of {} cannot exchange names or rename without replacing; \
                     slower and slightly weaker ways were used",
                    area.display()
                )
            }));
            Ok(unchanged.len())
        }
        Err(error) => {
            let (files, tools) = (request.records, &request.options.selinux);
            let durable = !request.options.unsynced;
            match undo::undo_failed(&areas, files, tools, watch, durable) {
                Ok(undo_warnings) => warnings.extend(undo_warnings),
                Err(undone) => {
                    let mut kept = undone.kept;
                    kept.push(working.to_owned());
                    return Err(InstallError::NotUndone {
                        kept,
                        problems: undone.problems,
                        source: error,
                    });
                }
            }
            Err(InstallError::from_step(error))
        }
    };
    watch.pass(Moment::Discard);
    let replaced = result
        .as_ref()
        .map_or(Vec::new(), |_| replaced(plan, &unchanged));
    areas.discard(replaced, warnings);
    recover::forget(working, watch, warnings);
    result
}

fn compare_and_find_room(
    plan: &Plan,
    request: &InstallRequest<'_>,
    areas: &Areas<'_>,
    warnings: &mut Vec<String>,
) -> Result<Unchanged, InstallError> {
    let (unchanged, needs) = compare::compare(request, plan, areas)?;
    let archive = stat(&plan.archive).map_or(0, |status| status.st_dev);
    let mut place = areas.workplace();
    for need in needs.values() {
        // One that cannot be opened is met again, and told about, when it is staged for.
        if let Ok(directory) = place.destination(need.directory)
            && let Ok(directory) = descriptors::reopen(&*directory)
        {
            need.check(plan, directory, archive, warnings)?;
        }
    }
    Ok(unchanged)
}

fn stage_all(
    plan: &Plan,
    request: &InstallRequest<'_>,
    unchanged: &Unchanged,
    areas: &mut Areas<'_>,
    watch: &Watch<'_>,
    warnings: &mut Vec<String>,
) -> Result<(Staged, StagedRecords), StepError> {
    let staged = stage::stage(request, plan, unchanged, areas, watch)?;
    if staged.lost_attributes {
        warnings.push(
            "extended attributes (user.*) were not kept: a destination's file system has none"
                .to_owned(),
        );
    }
    for id in &plan.stale {
        let node = plan.tree.node(*id);
        if node.existing != Existing::Directory {
            areas.make_area(node.parent)?;
        }
    }
    let records = StagedRecords::stage(plan, request, &request.records.installing())?;
    Ok((staged, records))
}

/// The staged names that hold what was replaced, after a commit.
fn replaced(plan: &Plan, unchanged: &Unchanged) -> Vec<NodeId> {
    let holds = |id: &NodeId| {
        let node = plan.tree.node(*id);
        // What had nothing in its place has left its staged name free.
        matches!(node.existing, Existing::File | Existing::Link)
            && plan.is_placed(*id)
            && !unchanged.contains(*id)
    };
    plan.sequence.iter().copied().filter(holds).collect()
}

fn summary(plan: &Plan, unchanged: usize, warnings: Vec<String>) -> Installed {
    let mut installed = Installed {
        removed: plan.stale.len(),
        warnings,
        ..Installed::default()
    };
    for id in &plan.sequence {
        let node = plan.tree.node(*id);
        match node.planned {
            Planned::File => installed.files += 1,
            Planned::Link => installed.links += 1,
            Planned::Made => installed.directories += 1,
            Planned::Retained => installed.retained += 1,
            Planned::Kept | Planned::Nothing => {}
        }
        let is_file = matches!(node.planned, Planned::File | Planned::Link);
        let there = !matches!(node.existing, Existing::Absent | Existing::Unknown);
        if is_file && there && !node.recorded {
            installed.replaced += 1;
        }
    }
    installed.files -= unchanged;
    installed.unchanged = unchanged;
    installed
}
