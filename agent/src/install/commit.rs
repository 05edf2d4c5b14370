//! Phases 2 to 4: renames into place, removal of what is stale, new records. Every step is noted
//! in a journal with what its inverse needs, and the inverses put everything back.

use std::ffi::OsString;
use std::io;

use nix::errno::Errno;
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::apply::{Moment, Watch};
use super::descriptors::{self, OpenDirectories};
use super::error::StepError;
use super::metadata::DirectoryState;
use super::place::{self, How, Name};
use super::plan::Plan;
use super::records::{Change, StagedRecords, When};
use super::request::SelinuxTools;
use super::selinux;
use super::stage::{self, Failure};
use super::staging::{Staging, has_directory};
use super::tree::{Existing, NodeId, Planned};

/// Something that was done.
#[derive(Debug)]
pub(super) enum Step {
    /// A record took its name.
    Record(Change, How),
    /// SELinux rules were replaced in the policy store.
    Contexts,
    /// A staged object took its name.
    Placed(NodeId, How),
    /// A directory that exists got the state of one newly made.
    Reshaped(NodeId),
    /// A stale file or link was moved to the staging area.
    SetAside(NodeId),
    /// A stale empty directory was removed.
    Removed(NodeId),
}

/// What commits, and what has been done so far.
pub(super) struct Commit<'a, 'p> {
    pub(super) plan: &'p Plan,
    pub(super) staging: &'a mut Staging<'p>,
    pub(super) records: &'a mut StagedRecords,
    pub(super) tools: &'a SelinuxTools,
    pub(super) journal: Vec<Step>,
}

/// What is left after an undo.
pub(super) type UndoProblems = Vec<String>;

impl Commit<'_, '_> {
    /// Does everything, in order. Whatever fails, [`Self::undo`] puts back what was done.
    pub(super) fn run(&mut self, watch: &mut Watch<'_>) -> Result<(), StepError> {
        self.place_records(When::Before, watch)?;
        self.contexts(watch)?;
        self.place(watch)?;
        self.reshape(watch)?;
        if !self.plan.new_contexts.is_empty() {
            watched(watch, Moment::Contexts)?;
            selinux::relabel(self.tools, &self.plan.new_contexts)?;
        }
        self.remove(watch)?;
        self.place_records(When::After, watch)
    }

    fn place_records(&mut self, when: When, watch: &mut Watch<'_>) -> Result<(), StepError> {
        let changes: Vec<Change> = self
            .records
            .changes
            .iter()
            .filter(|change| change.when == when)
            .cloned()
            .collect();
        for change in changes {
            watched(watch, Moment::Record)?;
            if let Some(how) = self.records.place(&change)? {
                self.journal.push(Step::Record(change, how));
            }
        }
        Ok(())
    }

    /// Before the first rename: rules take effect only when files are relabelled, and this is
    /// what most likely fails.
    fn contexts(&mut self, watch: &mut Watch<'_>) -> Result<(), StepError> {
        let (old, new) = (&self.plan.old_contexts, &self.plan.new_contexts);
        if old.is_empty() && new.is_empty() {
            return Ok(());
        }
        watched(watch, Moment::Contexts)?;
        selinux::replace(self.tools, old, new)?;
        self.journal.push(Step::Contexts);
        Ok(())
    }

    fn place(&mut self, watch: &mut Watch<'_>) -> Result<(), StepError> {
        for id in &self.plan.sequence {
            if self.plan.is_placed(*id) {
                watched(watch, Moment::Place)?;
                self.place_one(*id)?;
            }
        }
        Ok(())
    }

    fn place_one(&mut self, id: NodeId) -> Result<(), StepError> {
        let plan = self.plan;
        let node = plan.tree.node(id);
        let name = plan.tree.name(id);
        let existing = node.existing;
        let failed = |error: io::Error| match error.raw_os_error().map(Errno::from_raw) {
            // Something appeared, or went, since the plan.
            Some(Errno::EEXIST | Errno::ENOENT | Errno::ENOTEMPTY) => StepError::Changed {
                path: plan.tree.path(id),
            },
            _ => StepError::io("install", plan.tree.path(id), error),
        };
        let destination = self.staging.destination(node.parent)?;
        let staged = self.staging.staged(node.parent)?;
        let aside_name = OsString::from(id.to_string());
        let (old, can) = self.staging.old(node.parent)?;
        let from = Name::new(&*staged, name);
        let to = Name::new(&*destination, name);
        let aside = Name::new(old, &aside_name);
        if existing == Existing::Absent {
            place::move_new(&from, &to, can).map_err(failed)?;
            self.journal.push(Step::Placed(id, How::New));
            return Ok(());
        }
        let how = place::exchange(&from, &to, &aside, can).map_err(failed)?;
        let found = match how {
            How::SetAside => descriptors::look(old, &aside_name),
            _ => descriptors::look(&*staged, name),
        };
        self.journal.push(Step::Placed(id, how));
        let found = found.map_err(|error| failed(error.into()))?;
        let is_planned = found == existing
            && (found != Existing::Directory
                || self
                    .is_ours_alone(id, how)
                    .map_err(|error| failed(error.into()))?);
        if is_planned {
            Ok(())
        } else {
            Err(StepError::Changed {
                path: plan.tree.path(id),
            })
        }
    }

    /// Whether an old directory that was replaced as a whole holds only what was recorded.
    fn is_ours_alone(&mut self, id: NodeId, how: How) -> nix::Result<bool> {
        use nix::fcntl::{OFlag, openat};

        let plan = self.plan;
        let parent = plan.tree.node(id).parent;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let failed = |_: StepError| Errno::EIO;
        let opened = if how == How::SetAside {
            let (old, _) = self.staging.old(parent).map_err(failed)?;
            openat(old, id.to_string().as_str(), flags, Mode::empty())?
        } else {
            let staged = self.staging.staged(parent).map_err(failed)?;
            openat(&*staged, plan.tree.name(id), flags, Mode::empty())?
        };
        // By node, reopened as needed: a wide tree must not exhaust descriptors.
        let mut open = OpenDirectories::default();
        let mut ahead = vec![id];
        let mut ours = true;
        while let Some(directory) = ahead.pop() {
            let current = open.get(
                directory,
                |node| (node != id).then(|| plan.tree.node(node).parent),
                |parent, node| match parent {
                    Some(parent) => openat(parent, plan.tree.name(node), flags, Mode::empty()),
                    None => openat(&opened, ".", flags, Mode::empty()),
                },
            )?;
            descriptors::list(&*current, |name, _| match plan.tree.find(directory, name) {
                Some(child) if plan.tree.node(child).gone => {
                    if plan.tree.node(child).existing == Existing::Directory {
                        ahead.push(child);
                    }
                }
                _ => ours = false,
            })?;
            if !ours {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Directories of the old revision that this one makes again, in their place: they get the
    /// state of the staged ones. After their content, because a mode may shut us out.
    fn reshape(&mut self, watch: &mut Watch<'_>) -> Result<(), StepError> {
        let plan = self.plan;
        for id in plan.sequence.iter().rev() {
            let node = plan.tree.node(*id);
            if node.planned != Planned::Made || !node.merged {
                continue;
            }
            watched(watch, Moment::Reshape)?;
            let staged = self.staging.staged(*id)?;
            let destination = self.staging.destination(*id)?;
            let done = (|| {
                let staged = descriptors::reopen(&*staged)?;
                if let Some(rule) = plan.rule_of(*id) {
                    stage::permit(rule, &staged)?;
                }
                let mut wanted = DirectoryState::read(&staged)?;
                // An undo moves names in and out of it again.
                fchmod(&staged, Mode::S_IRWXU)?;
                let destination = descriptors::reopen(&*destination)?;
                let now = DirectoryState::read(&destination)?;
                wanted.keep_labels_of(&now);
                if wanted != now {
                    self.journal.push(Step::Reshaped(*id));
                    wanted.apply(&destination)?;
                }
                Ok(())
            })();
            done.map_err(|failure: Failure| failure.at(plan, *id))?;
        }
        Ok(())
    }

    fn remove(&mut self, watch: &mut Watch<'_>) -> Result<(), StepError> {
        let plan = self.plan;
        for id in &plan.stale {
            watched(watch, Moment::Remove)?;
            let node = plan.tree.node(*id);
            let name = plan.tree.name(*id);
            let destination = match self.staging.destination(node.parent) {
                Ok(destination) => destination,
                // Somebody moved its directory: it is no longer where we put it.
                Err(StepError::Changed { .. }) => continue,
                Err(error) => return Err(error),
            };
            if node.existing == Existing::Directory {
                match unlinkat(&*destination, name, UnlinkatFlags::RemoveDir) {
                    Ok(()) => self.journal.push(Step::Removed(*id)),
                    // Only empty directories are removed, and what is gone is gone.
                    Err(
                        Errno::ENOTEMPTY
                        | Errno::EEXIST
                        | Errno::ENOENT
                        | Errno::ENOTDIR
                        | Errno::EBUSY,
                    ) => {}
                    Err(error) => return Err(StepError::io("remove", plan.tree.path(*id), error)),
                }
                continue;
            }
            let aside = OsString::from(id.to_string());
            let (old, can) = self.staging.old(node.parent)?;
            let from = Name::new(&*destination, name);
            match place::move_new(&from, &Name::new(old, &aside), can) {
                Ok(()) => self.journal.push(Step::SetAside(*id)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StepError::io("remove", plan.tree.path(*id), error)),
            }
        }
        Ok(())
    }

    /// Undoes everything that was done, last first; goes on after an error.
    pub(super) fn undo(&mut self) -> UndoProblems {
        let mut problems = Vec::new();
        while let Some(step) = self.journal.pop() {
            if let Err(error) = self.undo_step(&step) {
                problems.push(crate::error::chain(&error));
            }
        }
        problems
    }

    fn undo_step(&mut self, step: &Step) -> Result<(), StepError> {
        let plan = self.plan;
        match step {
            Step::Record(change, how) => self.records.undo(change, *how),
            Step::Contexts => selinux::replace(self.tools, &plan.new_contexts, &plan.old_contexts),
            Step::Placed(id, how) => {
                let parent = plan.tree.node(*id).parent;
                let destination = self.staging.destination(parent)?;
                let staged = self.staging.staged(parent)?;
                let aside = OsString::from(id.to_string());
                let (old, can) = self.staging.old(parent)?;
                let name = plan.tree.name(*id);
                let undone = place::undo(
                    *how,
                    &Name::new(&*staged, name),
                    &Name::new(&*destination, name),
                    &Name::new(old, &aside),
                    can,
                );
                undone.map_err(|error| StepError::io("restore", plan.tree.path(*id), error))
            }
            Step::Reshaped(id) => self.restore_state(*id),
            Step::SetAside(id) => {
                let parent = plan.tree.node(*id).parent;
                let destination = self.staging.destination(parent)?;
                let aside = OsString::from(id.to_string());
                let (old, can) = self.staging.old(parent)?;
                let to = Name::new(&*destination, plan.tree.name(*id));
                let undone = place::move_new(&Name::new(old, &aside), &to, can);
                undone.map_err(|error| StepError::io("restore", plan.tree.path(*id), error))
            }
            Step::Removed(id) => {
                let destination = self.staging.destination(plan.tree.node(*id).parent)?;
                let made = mkdirat(&*destination, plan.tree.name(*id), Mode::S_IRWXU);
                made.map_err(|error| StepError::io("restore", plan.tree.path(*id), error))?;
                self.staging.replaced(*id);
                self.restore_state(*id)
            }
        }
    }

    fn restore_state(&mut self, id: NodeId) -> Result<(), StepError> {
        let plan = self.plan;
        let before = plan.directory(id).filter(|_| has_directory(plan, id));
        let Some(before) = before.and_then(|directory| directory.before.as_deref()) else {
            return Ok(());
        };
        let directory = self.staging.destination(id)?;
        descriptors::reopen(&*directory)
            .map_err(io::Error::from)
            .and_then(|directory| before.apply(&directory))
            .map_err(|error| StepError::io("restore", plan.tree.path(id), error))
    }
}

fn watched(watch: &mut Watch<'_>, moment: Moment) -> Result<(), StepError> {
    watch(moment).map_err(|error| StepError::io("go on with", "the Install", error))
}
