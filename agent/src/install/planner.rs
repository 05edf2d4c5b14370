//! Making the plan: walks the revision, and decides for each destination.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use super::cleanup;
use super::descriptors::OpenError;
use super::error::{PlanError, Problems};
use super::permissions;
use super::plan::Plan;
use super::previous;
use super::problem::Problem;
use super::request::{InstallRequest, SourceForm};
use super::selinux;
use super::sources::{SourceKind, Sources};
use super::survey::Survey;
use super::tree::{Existing, NodeId, Planned, ROOT};
use crate::deployment::FileExistsBehavior;

/// Levels of directories below a source: each takes a descriptor when a tree is emptied.
const MOST_LEVELS: usize = 512;
/// Entries reached through links to directories: links into links could multiply without end.
const MOST_THROUGH_LINKS: usize = 1_000_000;

/// A plan with everything that stands against it; what a problem is about may be missing in it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) plan: Plan,
    pub(super) problems: Vec<Problem>,
}

/// Plans an Install. Reads the revision, the records and the destinations; touches nothing.
///
/// # Errors
/// Everything that stands against the revision, in one go; or what could not be read.
pub fn plan(request: &InstallRequest<'_>) -> Result<Plan, PlanError> {
    let Draft { plan, problems } = draft(request)?;
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(PlanError::Conflicts(Problems(problems)))
    }
}

/// Plans an Install as far as that goes. Touches nothing.
///
/// # Errors
/// What could not be read.
pub(super) fn draft(request: &InstallRequest<'_>) -> Result<Draft, PlanError> {
    let records = request.records;
    let mut survey = Survey::new()?;
    // What the records say is in the tree then: their text, as large as it, is not kept.
    let (recorded, old_contexts) = {
        let old = read_if_there(&records.cleanup())?;
        let exact = read_if_there(&records.exact_cleanup())?;
        let entries = cleanup::parse(old.as_deref().unwrap_or_default(), exact.as_deref());
        let specs = entries.iter().filter_map(|entry| match entry {
            cleanup::Entry::Semanage(spec) => Some(*spec),
            cleanup::Entry::Path(_) => None,
        });
        let contexts = selinux::previous(specs);
        (previous::survey(&mut survey, &entries)?, contexts)
    };
    let sources = Sources::new(request.archive).map_err(|error| PlanError::Io {
        action: "open the unpacked revision",
        path: request.archive.to_owned(),
        source: error.into(),
    })?;
    let mut planner = Planner {
        request,
        survey,
        sources,
        sequence: Vec::new(),
        conflicts: Vec::new(),
        through_links: 0,
    };
    for entry in 0..request.appspec.files.len() {
        planner.plan_entry(entry)?;
    }
    planner.name_owners();
    planner.survey.check_same_places();

    let Planner {
        mut survey,
        sources,
        sequence,
        ..
    } = planner;
    let (rules, permitted) =
        permissions::resolve(request, &mut survey.tree, &sequence, &mut survey.problems);
    let previous::Stale { stale, carried } = previous::stale(&survey);
    let mut plan = Plan {
        tree: survey.tree,
        sequence,
        recorded,
        archive: request.archive.to_owned(),
        sources: sources.directories,
        directories: survey.directories,
        rules,
        permitted,
        old_contexts,
        new_contexts: Vec::new(),
        stale,
        carried,
        warnings: survey.warnings,
    };
    selinux::plan(&mut plan, &request.options.selinux, &mut survey.problems);
    Ok(Draft {
        plan,
        problems: survey.problems,
    })
}

/// A file's content, none when it does not exist.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, PlanError> {
    match fs_err::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PlanError::Io {
            action: "read the record",
            path: path.to_owned(),
            source,
        }),
    }
}

struct Planner<'a> {
    request: &'a InstallRequest<'a>,
    survey: Survey,
    sources: Sources,
    sequence: Vec<NodeId>,
    /// Foreign files in the way under DISALLOW.
    conflicts: Vec<PathBuf>,
    through_links: usize,
}

/// A source directory that is being walked.
struct Level {
    source: u32,
    destination: NodeId,
    entries: std::vec::IntoIter<(Box<OsStr>, Existing)>,
    through_link: bool,
}

impl Planner<'_> {
    fn problem(&mut self, problem: Problem) {
        self.survey.problems.push(problem);
    }

    fn unreadable(&self, source: u32, name: &OsStr) -> impl Fn(Errno) -> PlanError + use<> {
        let path = self.sources.path(source, name);
        move |error| PlanError::Io {
            action: "read",
            path: path.clone(),
            source: error.into(),
        }
    }

    fn plan_entry(&mut self, index: usize) -> Result<(), PlanError> {
        let Some(entry) = self.request.appspec.files.get(index) else {
            return Ok(());
        };
        let mut source = Sources::ARCHIVE;
        let mut file = None;
        let mut names = names(&entry.source).peekable();
        while let Some(name) = names.next() {
            let kind = self.sources.classify(source, name, Existing::Unknown);
            let kind = kind.map_err(self.unreadable(source, name))?;
            let preserves = self.request.options.preserve_directory_symlinks;
            match kind {
                SourceKind::DirectoryLink if preserves && names.peek().is_none() => {
                    file = Some((name, SourceKind::Link));
                }
                SourceKind::Directory | SourceKind::DirectoryLink => {
                    let followed = kind == SourceKind::DirectoryLink;
                    match self.enter_source(source, name, followed)? {
                        Some(entered) => source = entered,
                        None => return Ok(()),
                    }
                }
                SourceKind::File | SourceKind::Link if names.peek().is_none() => {
                    file = Some((name, kind));
                }
                SourceKind::Special if names.peek().is_none() => {
                    let path = self.sources.path(source, name);
                    self.problem(Problem::SpecialFile { path });
                    return Ok(());
                }
                _ => {
                    self.problem(Problem::MissingSource {
                        source_path: entry.source.clone(),
                        entry: index + 1,
                        archive: self.request.archive.to_owned(),
                    });
                    return Ok(());
                }
            }
        }
        let mut destination = ROOT;
        for name in self::names(&entry.destination) {
            destination = self.survey.tree.child(destination, name.as_bytes());
            if !self.plan_directory(destination)? {
                return Ok(());
            }
        }
        match file {
            Some((name, kind)) => self.plan_file(destination, name, source, kind),
            None => self.walk(source, destination),
        }
    }

    /// None (and a problem) for a link to a directory that contains it.
    fn enter_source(
        &mut self,
        parent: u32,
        name: &OsStr,
        followed: bool,
    ) -> Result<Option<u32>, PlanError> {
        let entered = self.sources.enter(parent, name, followed);
        let entered = entered.map_err(self.unreadable(parent, name))?;
        if entered.is_none() {
            let path = self.sources.path(parent, name);
            self.problem(Problem::LinkLoop { path });
        }
        Ok(entered)
    }

    /// Plans the content of a source directory, names sorted, directories before their content.
    fn walk(&mut self, source: u32, destination: NodeId) -> Result<(), PlanError> {
        let mut levels = vec![self.level(source, destination, false)?];
        while let Some(level) = levels.last_mut() {
            let Some((name, listed)) = level.entries.next() else {
                levels.pop();
                continue;
            };
            let (source, destination, through_link) =
                (level.source, level.destination, level.through_link);
            if self.request.look_for_interruption().is_err() {
                return Err(PlanError::Interrupted);
            }
            let kind = self.sources.classify(source, &name, listed);
            let kind = kind.map_err(self.unreadable(source, &name))?;
            if through_link {
                self.through_links += 1;
            }
            let excess = if levels.len() >= MOST_LEVELS {
                Some("is more than 512 directories deep")
            } else if self.through_links > MOST_THROUGH_LINKS {
                Some("brings more than 1000000 entries through links to directories")
            } else {
                None
            };
            if let Some(what) = excess {
                let path = self.sources.path(source, &name);
                self.problem(Problem::TooMuch { path, what });
                return Ok(());
            }
            let followed = kind == SourceKind::DirectoryLink;
            match kind {
                // It went since the listing.
                SourceKind::Missing => {}
                SourceKind::Special => {
                    let path = self.sources.path(source, &name);
                    self.problem(Problem::SpecialFile { path });
                }
                SourceKind::DirectoryLink if self.request.options.preserve_directory_symlinks => {
                    self.plan_file(destination, &name, source, SourceKind::Link)?;
                }
                SourceKind::File | SourceKind::Link => {
                    self.plan_file(destination, &name, source, kind)?;
                }
                SourceKind::Directory | SourceKind::DirectoryLink => {
                    let Some(entered) = self.enter_source(source, &name, followed)? else {
                        continue;
                    };
                    let below = self.survey.tree.child(destination, name.as_bytes());
                    if self.plan_directory(below)? {
                        levels.push(self.level(entered, below, through_link || followed)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn level(
        &mut self,
        source: u32,
        destination: NodeId,
        through_link: bool,
    ) -> Result<Level, PlanError> {
        let entries = self.sources.list(source);
        let entries = entries
            .map_err(self.unreadable(source, OsStr::new("")))?
            .into_iter();
        Ok(Level {
            source,
            destination,
            entries,
            through_link,
        })
    }

    fn set(&mut self, id: NodeId, planned: Planned, merged: bool) {
        let node = self.survey.tree.node_mut(id);
        node.planned = planned;
        node.merged = merged;
        self.sequence.push(id);
        let parent = node.parent;
        if planned != Planned::Kept && self.survey.tree.node(parent).merged {
            self.survey.check_writable(parent);
        }
    }

    /// Keeps or makes a directory; false (and a problem) when that cannot be.
    fn plan_directory(&mut self, id: NodeId) -> Result<bool, PlanError> {
        let node = self.survey.tree.node(id);
        match node.planned {
            Planned::Kept | Planned::Made => return Ok(true),
            Planned::Nothing => {}
            Planned::File | Planned::Link | Planned::Retained => {
                let path = self.survey.path(id);
                self.problem(Problem::NotADirectory { path });
                return Ok(false);
            }
        }
        if !self.survey.tree.node(node.parent).merged {
            self.set(id, Planned::Made, false);
            return Ok(true);
        }
        let existing = self.survey.existing(id)?;
        let gone = self.survey.is_gone(id);
        match existing {
            Existing::Absent | Existing::Unknown => self.set(id, Planned::Made, false),
            Existing::Directory => {
                if let Err(error) = self.survey.enter(id) {
                    return self.cannot_enter(id, error);
                }
                if gone {
                    self.survey.remember(id)?;
                }
                self.set(id, if gone { Planned::Made } else { Planned::Kept }, true);
            }
            Existing::File | Existing::Link | Existing::Other if gone => {
                self.set(id, Planned::Made, false);
            }
            Existing::Link => match self.survey.enter(id) {
                Ok(()) => self.set(id, Planned::Kept, true),
                Err(error) => return self.cannot_enter(id, error),
            },
            Existing::File | Existing::Other => {
                let path = self.survey.path(id);
                self.problem(Problem::NotADirectory { path });
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn cannot_enter(&mut self, id: NodeId, error: OpenError) -> Result<bool, PlanError> {
        let path = self.survey.path(id);
        let problem = match error {
            OpenError::Untrusted { owner } => Problem::UntrustedLink { path, owner },
            OpenError::Io(Errno::ENOENT)
                if self.survey.tree.node(id).existing == Existing::Link =>
            {
                Problem::DanglingLink { path }
            }
            OpenError::Io(Errno::ENOENT | Errno::ENOTDIR) => Problem::NotADirectory { path },
            error => return Err(self.survey.failure("enter", id, error)),
        };
        self.problem(problem);
        Ok(false)
    }

    fn plan_file(
        &mut self,
        directory: NodeId,
        name: &OsStr,
        source: u32,
        kind: SourceKind,
    ) -> Result<(), PlanError> {
        // A copy would not have the bits any more.
        let is_unpacked = self.request.form == SourceForm::Unpacked;
        let rejects = self.request.options.reject_unsafe_permissions;
        if kind == SourceKind::File && rejects && is_unpacked {
            let is_unsafe = self.sources.is_unsafe(source, name);
            if is_unsafe.map_err(self.unreadable(source, name))? {
                let path = self.sources.path(source, name);
                self.problem(Problem::UnsafeFile { path });
            }
        }
        let id = self.survey.tree.child(directory, name.as_bytes());
        let node = self.survey.tree.node(id);
        match node.planned {
            Planned::Nothing => {}
            Planned::Kept | Planned::Made => {
                let path = self.survey.path(id);
                self.problem(Problem::DirectoryThere { path, keeper: None });
                return Ok(());
            }
            Planned::File | Planned::Link | Planned::Retained => {
                let first = self.sources.path(node.source, name);
                let second = self.sources.path(source, name);
                let path = self.survey.path(id);
                self.problem(Problem::TwoSources {
                    path,
                    first,
                    second,
                });
                return Ok(());
            }
        }
        let mut planned = if kind == SourceKind::Link {
            Planned::Link
        } else {
            Planned::File
        };
        if self.survey.tree.node(directory).merged {
            let existing = self.survey.existing(id)?;
            if existing != Existing::Absent && !self.survey.is_gone(id) {
                let is_directory = existing == Existing::Directory
                    || existing == Existing::Link && self.survey.leads_to_directory(id);
                if is_directory {
                    let path = self.survey.path(id);
                    let keeper = self.survey.keeper(id);
                    self.problem(Problem::DirectoryThere { path, keeper });
                    return Ok(());
                }
                match self.request.behavior {
                    FileExistsBehavior::Overwrite => {}
                    FileExistsBehavior::Retain => planned = Planned::Retained,
                    FileExistsBehavior::Disallow => {
                        let path = self.survey.path(id);
                        self.conflicts.push(path);
                    }
                    FileExistsBehavior::Invalid(value) => {
                        let path = self.survey.path(id);
                        self.problem(Problem::UnknownBehavior {
                            path,
                            value: value.clone(),
                        });
                    }
                }
            }
        }
        self.survey.tree.node_mut(id).source = source;
        self.set(id, planned, false);
        Ok(())
    }

    /// Turns the foreign files that DISALLOW met into problems, with the groups they belong to.
    fn name_owners(&mut self) {
        if self.conflicts.is_empty() {
            return;
        }
        let mut owners = previous::owners(self.request.records, &self.conflicts);
        for path in std::mem::take(&mut self.conflicts) {
            let group = owners.remove(&path);
            self.problem(Problem::Exists { path, group });
        }
    }
}

/// The names of a path that has been resolved by text.
fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}
