//! Phases 2 to 4: renames into place, removal of what is stale, new records. Before the first,
//! the journal says how each is undone; [`super::undo`] does that, here and after a crash.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::apply::{Moment, Watch};
use super::compare::Unchanged;
use super::descriptors::{self, Identity, OpenDirectories, OpenError};
use super::error::StepError;
use super::journal::{self, Complete, Entry, Writer};
use super::metadata::DirectoryState;
use super::place::{self, Abilities, How, Name};
use super::plan::Plan;
use super::records::{StagedRecords, When};
use super::request::SelinuxTools;
use super::selinux::{self, Replacement};
use super::stage::{self, Failure, Staged};
use super::staging::{self, Areas, Workplace};
use super::tree::{Existing, NodeId, Planned};

/// Exists while the SELinux rules are being replaced, and after.
pub(super) const RULES_BEGUN: &str = "rules.begun";

/// What commits.
pub(super) struct Commit<'a, 'p> {
    pub(super) plan: &'p Plan,
    pub(super) staged: &'a Staged,
    pub(super) unchanged: &'a Unchanged,
    pub(super) areas: &'a Areas<'p>,
    pub(super) records: &'a StagedRecords,
    pub(super) contexts: &'a Replacement,
    pub(super) tools: &'a SelinuxTools,
    pub(super) working: &'a Path,
    /// False leaves syncing to the kernel.
    pub(super) durable: bool,
    pub(super) watch: &'a Watch<'a>,
}

/// The areas in which names are exchanged.
struct Hands<'a, 'p> {
    place: Workplace<'a, 'p>,
    can: Vec<Abilities>,
}

impl Hands<'_, '_> {
    fn can(&mut self, areas: &Areas<'_>, directory: NodeId) -> Abilities {
        let number = areas.number_of(directory);
        number
            .and_then(|number| self.can.get(number).copied())
            .unwrap_or(Abilities::ALL)
    }

    fn learnt(&mut self, areas: &Areas<'_>, directory: NodeId, can: Abilities) {
        let number = areas.number_of(directory);
        if let Some(known) = number.and_then(|number| self.can.get_mut(number)) {
            *known = can;
        }
    }
}

impl<'p> Commit<'_, 'p> {
    /// Writes the journal; nothing is undone before it is put in force.
    pub(super) fn prepare(&self) -> Result<Complete, StepError> {
        let mut place = self.areas.workplace();
        let mut problem = None;
        let written = Writer::create(self.working).and_then(|mut writer| {
            match self.write(&mut writer, &mut place) {
                Err(error) => {
                    problem = Some(error);
                    Err(io::Error::other("it could not be completed"))
                }
                Ok(()) => writer.complete(),
            }
        });
        written.map_err(|error| {
            problem.unwrap_or_else(|| {
                StepError::io("write", self.working.join(journal::JOURNAL), error)
            })
        })
    }

    fn write(&self, writer: &mut Writer, place: &mut Workplace<'_, '_>) -> Result<(), StepError> {
        let mut put = |entry: &Entry| {
            let path = self.working.join(journal::JOURNAL);
            writer
                .put(entry)
                .map_err(|error| StepError::io("write", path, error))
        };
        for entry in &self.records.entries {
            put(entry)?;
        }
        for (path, directory) in self.areas.all() {
            let in_memory = descriptors::is_in_memory(directory)
                .map_err(|error| StepError::io("look at the file system of", path, error))?;
            put(&Entry::Area {
                path: path.to_owned(),
                in_memory,
                old: staging::name_of_old(path.file_name().unwrap_or_default()).to_owned(),
            })?;
        }
        for (old, context) in self.contexts.before() {
            put(&Entry::Context { old, context })?;
        }
        let mut directories = Directories::default();
        for id in self.placed() {
            let node = self.plan.tree.node(id);
            let name = self.plan.tree.name(id);
            let directory = directories.number(self, node.parent, place, &mut put)?;
            let staged = match self.staged.identity(id) {
                Some(identity) => identity,
                None => {
                    let staged = place.staged(node.parent)?;
                    descriptors::see(&*staged, name)
                        .and_then(|seen| seen.ok_or(Errno::ENOENT))
                        .map_err(|error| StepError::io("stage", self.plan.tree.path(id), error))?
                        .identity
                }
            };
            put(&Entry::Placed {
                directory,
                name: name.to_owned(),
                existing: node.existing,
                staged,
                aside: id,
            })?;
        }
        for id in self.reshaped() {
            if let Some(before) = self.plan.directory(id).and_then(|d| d.before.as_deref()) {
                put(&Entry::Reshaped {
                    path: self.plan.tree.path(id),
                    identity: Some(self.identity(id, place)?),
                    before: before.clone(),
                })?;
            }
        }
        for id in &self.plan.stale {
            let node = self.plan.tree.node(*id);
            if node.existing == Existing::Directory {
                put(&Entry::Stale {
                    path: self.plan.tree.path(*id),
                    identity: Some(self.identity(*id, place)?),
                })?;
                continue;
            }
            let directory = directories.number(self, node.parent, place, &mut put)?;
            put(&Entry::SetAside {
                directory,
                name: self.plan.tree.name(*id).to_owned(),
                aside: *id,
            })?;
        }
        Ok(())
    }

    /// Which directory an existing one is, that was planned with.
    fn identity(&self, id: NodeId, place: &mut Workplace<'_, '_>) -> Result<Identity, StepError> {
        let directory = place.destination(id)?;
        descriptors::directory_identity(&*directory)
            .map_err(|error| StepError::io("look at", self.plan.tree.path(id), error))
    }

    /// What gets a name by a rename of its own, in order.
    fn placed(&self) -> impl Iterator<Item = NodeId> + use<'_, 'p> {
        let sequence = self.plan.sequence.iter().copied();
        sequence.filter(|id| self.plan.is_placed(*id) && !self.unchanged.contains(*id))
    }

    /// Directories of the old revision that this one makes again, in their place; children first.
    fn reshaped(&self) -> impl Iterator<Item = NodeId> + use<'_, 'p> {
        let sequence = self.plan.sequence.iter().rev().copied();
        sequence.filter(|id| {
            let node = self.plan.tree.node(*id);
            node.planned == Planned::Made && node.merged
        })
    }

    /// Does everything, in order; the commit record is the last. Returns the areas in which
    /// renames had to be done in weaker ways.
    pub(super) fn run(&self, journal: Complete) -> Result<Vec<std::path::PathBuf>, StepError> {
        self.at(Moment::Journal)?;
        self.sync()?;
        journal
            .put_in_force(self.durable)
            .map_err(|error| StepError::io("write", self.working.join(journal::JOURNAL), error))?;
        let mut hands = Hands {
            place: self.areas.workplace(),
            can: vec![Abilities::ALL; self.areas.len()],
        };
        self.place_records(When::Before)?;
        if self.durable {
            // Another agent that comes after a crash finds everything listed.
            self.records.sync()?;
        }
        self.contexts()?;
        for id in self.placed() {
            self.at(Moment::Place)?;
            self.place_one(id, &mut hands)?;
        }
        self.reshape(&mut hands)?;
        self.unchanged.check(self.plan, &mut hands.place)?;
        if !self.plan.new_contexts.is_empty() {
            self.at(Moment::Contexts)?;
            selinux::relabel(self.tools, &self.plan.new_contexts)?;
        }
        self.remove(&mut hands)?;
        self.place_records(When::After)?;
        self.at(Moment::Commit)?;
        self.sync()?;
        journal::retire(self.working, journal::COMMITTED, self.durable)
            .map_err(|error| StepError::io("commit in", self.working, error))?;
        let weakened = self.areas.all().map(|(path, _)| path).zip(&hands.can);
        Ok(weakened
            .filter(|(_, can)| can.weakened)
            .map(|(path, _)| path.to_owned())
            .collect())
    }

    fn at(&self, moment: Moment) -> Result<(), StepError> {
        let passed: io::Result<()> = self.watch.at(moment);
        passed.map_err(|error| StepError::io("go on with", "the Install", error))
    }

    fn sync(&self) -> Result<(), StepError> {
        if !self.durable {
            return Ok(());
        }
        self.areas.sync(self.working)
    }

    fn place_records(&self, when: When) -> Result<(), StepError> {
        for change in self
            .records
            .changes
            .iter()
            .filter(|change| change.when == when)
        {
            self.at(match when {
                When::Before => Moment::Record,
                When::After => Moment::Finish,
            })?;
            self.records.place(change)?;
        }
        Ok(())
    }

    /// Before the first rename: rules take effect only when files are relabelled, and this is
    /// what most likely fails.
    fn contexts(&self) -> Result<(), StepError> {
        if self.contexts.is_empty() {
            return Ok(());
        }
        self.at(Moment::Contexts)?;
        let begun = self.working.join(RULES_BEGUN);
        fs_err::write(&begun, "")
            .and_then(|()| journal::sync_directory(self.working))
            .map_err(|error| StepError::io("write", begun, error))?;
        self.contexts.carry_out(self.tools)
    }

    fn place_one(&self, id: NodeId, hands: &mut Hands<'_, '_>) -> Result<(), StepError> {
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
        let destination = hands.place.destination(node.parent)?;
        let staged = hands.place.staged(node.parent)?;
        let mut can = hands.can(self.areas, node.parent);
        let old = hands.place.old(node.parent)?;
        let from = Name::new(&*staged, name);
        let to = Name::new(&*destination, name);
        if existing == Existing::Absent {
            let moved = place::move_new(&from, &to, &mut can).map_err(failed);
            hands.learnt(self.areas, node.parent, can);
            return moved;
        }
        let aside_name = OsString::from(id.to_string());
        let aside = Name::new(old, &aside_name);
        let how = place::exchange(&from, &to, &aside, &mut can).map_err(failed)?;
        let found = match how {
            How::SetAside => descriptors::look(old, &aside_name),
            How::Exchanged => descriptors::look(&*staged, name),
        };
        hands.learnt(self.areas, node.parent, can);
        let found = found.map_err(|error| failed(error.into()))?;
        let is_planned = found == existing
            && (found != Existing::Directory
                || self
                    .is_ours_alone(id, how, hands)
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
    fn is_ours_alone(&self, id: NodeId, how: How, hands: &mut Hands<'_, '_>) -> nix::Result<bool> {
        let plan = self.plan;
        let parent = plan.tree.node(id).parent;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let failed = |_: StepError| Errno::EIO;
        let opened = if how == How::SetAside {
            let old = hands.place.old(parent).map_err(failed)?;
            openat(old, id.to_string().as_str(), flags, Mode::empty())?
        } else {
            let staged = hands.place.staged(parent).map_err(failed)?;
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

    /// Directories that are made again get the state of the staged ones. After their content,
    /// because a mode may shut us out.
    fn reshape(&self, hands: &mut Hands<'_, '_>) -> Result<(), StepError> {
        let plan = self.plan;
        for id in self.reshaped() {
            self.at(Moment::Reshape)?;
            let staged = hands.place.staged(id)?;
            let destination = hands.place.destination(id)?;
            let done = (|| {
                let staged = descriptors::reopen(&*staged)?;
                if let Some(rule) = plan.rule_of(id) {
                    stage::permit(rule, &staged)?;
                }
                let mut wanted = DirectoryState::read(&staged)?;
                // An undo moves names in and out of it again.
                fchmod(&staged, Mode::S_IRWXU)?;
                let destination = descriptors::reopen(&*destination)?;
                let now = DirectoryState::read(&destination)?;
                wanted.keep_labels_of(&now);
                if wanted != now {
                    wanted.apply(&destination)?;
                }
                Ok(())
            })();
            done.map_err(|failure: Failure| failure.at(plan, id))?;
        }
        Ok(())
    }

    /// Sets aside the stale files and links.
    fn remove(&self, hands: &mut Hands<'_, '_>) -> Result<(), StepError> {
        let plan = self.plan;
        for id in &plan.stale {
            let node = plan.tree.node(*id);
            if node.existing == Existing::Directory {
                continue;
            }
            self.at(Moment::Remove)?;
            let name = plan.tree.name(*id);
            let destination = match hands.place.destination(node.parent) {
                Ok(destination) => destination,
                // Somebody moved its directory: it is no longer where we put it.
                Err(StepError::Changed { .. }) => continue,
                Err(error) => return Err(error),
            };
            let aside = OsString::from(id.to_string());
            let mut can = hands.can(self.areas, node.parent);
            let old = hands.place.old(node.parent)?;
            let from = Name::new(&*destination, name);
            let moved = place::move_new(&from, &Name::new(old, &aside), &mut can);
            let found = moved.and_then(|()| Ok(descriptors::look(old, &aside)?));
            hands.learnt(self.areas, node.parent, can);
            match found {
                Ok(found) if found == node.existing => {}
                // What has the name by now is not ours to remove: the undo gives it back.
                Ok(_) => {
                    return Err(StepError::Changed {
                        path: plan.tree.path(*id),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StepError::io("remove", plan.tree.path(*id), error)),
            }
        }
        Ok(())
    }
}

impl Commit<'_, '_> {
    /// After the commit: removes the stale directories that are empty, children first.
    pub(super) fn prune(&self, warnings: &mut Vec<String>) {
        let mut place = self.areas.workplace();
        for id in &self.plan.stale {
            if self.plan.tree.node(*id).existing == Existing::Directory {
                self.watch.pass(Moment::Prune);
                match self.identity(*id, &mut place) {
                    Ok(identity) => prune(&self.plan.tree.path(*id), Some(identity), warnings),
                    // It is gone, or no longer where we put it.
                    Err(StepError::Changed { .. }) => {}
                    Err(error) => warnings.push(crate::error::chain(&error)),
                }
            }
        }
    }
}

/// Removes a directory when it is empty and the recorded one; what is gone is gone.
pub(super) fn prune(path: &Path, recorded: Option<Identity>, warnings: &mut Vec<String>) {
    let name = path.file_name().unwrap_or_default();
    let removed = match descriptors::walk(path.parent().unwrap_or(Path::new("/"))) {
        Ok(parent) => descriptors::see(&parent, name).and_then(|seen| {
            let is_it = |seen| recorded.is_none_or(|recorded| recorded.is_directory(&seen));
            if seen.is_none_or(is_it) {
                unlinkat(&parent, name, UnlinkatFlags::RemoveDir)
            } else {
                Ok(())
            }
        }),
        Err(OpenError::Io(error)) => Err(error),
        Err(OpenError::Untrusted { .. }) => Err(Errno::ELOOP),
    };
    match removed {
        Ok(())
        | Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOENT | Errno::ENOTDIR | Errno::EBUSY) => {
        }
        Err(error) => warnings.push(format!(
            "cannot remove the directory {} of the last revision: {error}",
            path.display()
        )),
    }
}

/// Numbers the directories of a journal as they come up.
#[derive(Default)]
struct Directories {
    known: std::collections::HashMap<NodeId, u32>,
    /// Neighbours share their directory.
    last: Option<(NodeId, u32)>,
}

impl Directories {
    fn number(
        &mut self,
        commit: &Commit<'_, '_>,
        id: NodeId,
        place: &mut Workplace<'_, '_>,
        put: &mut impl FnMut(&Entry) -> Result<(), StepError>,
    ) -> Result<u32, StepError> {
        if let Some((known, number)) = self.last
            && known == id
        {
            return Ok(number);
        }
        let number = match self.known.get(&id) {
            Some(number) => *number,
            None => {
                let area = commit.areas.number_of(id).unwrap_or(usize::MAX);
                put(&Entry::Directory {
                    path: commit.plan.tree.path(id),
                    area: u32::try_from(area).unwrap_or(u32::MAX),
                    staged: commit.areas.staged_path(id),
                    identity: Some(commit.identity(id, place)?),
                })?;
                let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
                self.known.insert(id, number);
                number
            }
        };
        self.last = Some((id, number));
        Ok(number)
    }
}
