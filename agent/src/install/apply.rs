//! An Install from beginning to end: plan, stage, commit, or undo.

use std::io;
use std::path::Path;

use super::commit::Commit;
use super::error::{InstallError, StepError};
use super::plan::Plan;
use super::planner::plan;
use super::records::{self, StagedRecords};
use super::request::InstallRequest;
use super::stage;
use super::staging::{self, Staging};
use super::tree::{Existing, Planned};

/// How often destinations that change under our hands are planned for again.
const MOST_PLANS: u32 = 5;

/// A point in an Install, just before something is done. Tests let it fail there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before one object is staged.
    Stage,
    /// Before a record takes its name.
    Record,
    /// Before the SELinux programs run.
    Contexts,
    /// Before a staged object takes its name.
    Place,
    /// Before an existing directory gets a new state.
    Reshape,
    /// Before something stale is removed.
    Remove,
}

/// Called at each [`Moment`]; an error makes the Install fail there.
pub(super) type Watch<'w> = dyn FnMut(Moment) -> io::Result<()> + 'w;

/// What an Install did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Files copied.
    pub files: usize,
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
/// [`InstallError::NotUndone`]) everything is as it was. The caller holds the group's lock.
///
/// # Errors
/// When the plan has problems, or a step fails; see [`InstallError`].
pub fn install(request: &InstallRequest<'_>) -> Result<Installed, InstallError> {
    install_watched(request, &mut |_| Ok(()))
}

pub(super) fn install_watched(
    request: &InstallRequest<'_>,
    watch: &mut Watch<'_>,
) -> Result<Installed, InstallError> {
    let mut warnings = Vec::new();
    let working = request.records.installing();
    // Before planning: a left-over area would keep its directory alive.
    staging::drop_leftovers(&working, &mut warnings);
    let mut plans = 0;
    loop {
        let plan = plan(request)?;
        plans += 1;
        match carry_out(&plan, request, &working, watch, &mut warnings) {
            Err(InstallError::Undone(StepError::Changed { .. })) if plans < MOST_PLANS => {}
            Err(error) => return Err(error),
            Ok(()) => {
                warnings.extend(plan.warnings.iter().cloned());
                return Ok(summary(&plan, warnings));
            }
        }
    }
}

fn carry_out(
    plan: &Plan,
    request: &InstallRequest<'_>,
    working: &Path,
    watch: &mut Watch<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), InstallError> {
    let mut staging = Staging::new(plan, working);
    let staged = records::prepare(working)
        .and_then(|()| stage::stage(plan, &mut staging, watch))
        .and_then(|()| StagedRecords::stage(plan, request, working));
    let mut undo_problems = Vec::new();
    let result = staged.and_then(|mut records| {
        let tools = &request.options.selinux;
        let mut commit = Commit {
            plan,
            staging: &mut staging,
            records: &mut records,
            tools,
            journal: Vec::new(),
        };
        let result = commit.run(watch);
        if result.is_err() {
            undo_problems = commit.undo();
        }
        result
    });
    match result {
        Err(source) if !undo_problems.is_empty() => {
            let mut kept = staging.paths();
            kept.push(working.to_owned());
            if let Err(error) = staging.keep() {
                undo_problems.push(crate::error::chain(&error));
            }
            Err(InstallError::NotUndone {
                kept,
                problems: undo_problems,
                source,
            })
        }
        result => {
            warnings.extend(staging.weakened().map(|area| {
                format!(
                    "the file system of {} cannot exchange names or rename without replacing; \
                     slower and slightly weaker ways were used",
                    area.display()
                )
            }));
            if staging.discard(warnings)
                && let Err(error) = fs_err::remove_dir_all(working)
            {
                warnings.push(format!("cannot clean up after the Install: {error}"));
            }
            result.map_err(InstallError::Undone)
        }
    }
}

fn summary(plan: &Plan, warnings: Vec<String>) -> Installed {
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
    installed
}
