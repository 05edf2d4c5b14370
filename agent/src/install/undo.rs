//! Undoing a commit by its journal, after a failed step or a crash.
//!
//! What has been done is read from the file system: a name that leads to the staged object (by its
//! inode) has been given; a staged object that is still staged has not. Every step can be repeated,
//! so an undo may be interrupted and begun again. Nothing is removed on a doubt: what somebody else
//! has put under a name stays, and what cannot be given back stays in its staging area, whose path
//! is then told.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::fstat;

use super::apply::{Moment, Watch};
use super::commit::RULES_BEGUN;
use super::descriptors::{self, Identity, OpenError, Seen};
use super::error::StepError;
use super::journal::{self, Entry};
use super::place::{self, Abilities, Name};
use super::records;
use super::request::SelinuxTools;
use super::selinux;
use super::staging::{self, Areas};
use super::tree::Existing;
use crate::deployment_root::InstructionFiles;

/// A staging area that is not removed.
pub(super) fn kept(area: &Path) -> String {
    format!(
        "{} is kept with what is in it; look at it, and remove it when nothing is missing",
        area.display()
    )
}

/// Undoes a failed commit in `working`; the areas stay to be dropped. Returns warnings.
pub(super) fn undo_failed(
    areas: &Areas<'_>,
    files: &InstructionFiles,
    tools: &SelinuxTools,
    watch: &Watch<'_>,
    durable: bool,
) -> Result<Vec<String>, NotUndone> {
    let working = &files.installing();
    let entries = match journal::read(working, journal::JOURNAL) {
        // Nothing had been changed.
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(entries)) => entries,
        Err(error) => {
            return Err(NotUndone {
                // The journal's trouble is the one to tell.
                kept: staging::listed(working).unwrap_or_default(),
                problems: vec![format!("the journal: {}", crate::error::chain(&error))],
            });
        }
    };
    let mut undo = Undo::new(files, working, tools, watch, &entries);
    undo.known = Some(areas);
    undo.run(durable)
}

/// What could not be undone.
#[derive(Debug)]
pub(super) struct NotUndone {
    /// The areas, with the previous files.
    pub(super) kept: Vec<PathBuf>,
    pub(super) problems: Vec<String>,
}

/// One undo.
pub(super) struct Undo<'a> {
    files: &'a InstructionFiles,
    working: &'a Path,
    tools: &'a SelinuxTools,
    watch: &'a Watch<'a>,
    entries: &'a [Entry],
    /// The areas of an Install that is still at work: they may have been moved meanwhile.
    known: Option<&'a Areas<'a>>,
    areas: Vec<Area<'a>>,
    directories: Vec<Directory<'a>>,
    /// The directory that was opened last.
    open: Option<Open>,
    can: Abilities,
    problems: Vec<String>,
    warnings: Vec<String>,
    /// Areas that may hold something that somebody misses.
    doubtful: HashSet<usize>,
    new_paths: Option<HashSet<Vec<u8>>>,
}

/// A staging area of the journal.
struct Area<'a> {
    path: &'a Path,
    old: &'a OsStr,
    /// None: it was in memory, and went with the host's last boot.
    opened: Option<OwnedFd>,
}

/// A directory of the journal.
#[derive(Clone, Copy)]
struct Directory<'a> {
    path: &'a Path,
    area: usize,
    staged: &'a Path,
    identity: Option<Identity>,
}

/// A directory of the journal that is at work.
struct Open {
    number: u32,
    /// What is staged for it.
    staged: Option<OwnedFd>,
    /// What was set aside in its area.
    old: OwnedFd,
    /// Itself, once it is needed.
    directory: Option<OwnedFd>,
}

/// Opens the directory with this path; `ESTALE` when it is another one than was recorded.
fn reach(path: &Path, recorded: Option<Identity>) -> Result<OwnedFd, OpenError> {
    let directory = descriptors::walk(path)?;
    match recorded {
        Some(recorded) if !recorded.is_directory(&descriptors::see_open(&directory)?) => {
            Err(Errno::ESTALE.into())
        }
        _ => Ok(directory),
    }
}

fn is(seen: Option<Seen>, identity: Identity) -> bool {
    seen.is_some_and(|seen| seen.identity == identity)
}

fn is_directory(seen: Option<Seen>) -> bool {
    seen.is_some_and(|seen| seen.kind == Existing::Directory)
}

impl<'a> Undo<'a> {
    pub(super) fn new(
        files: &'a InstructionFiles,
        working: &'a Path,
        tools: &'a SelinuxTools,
        watch: &'a Watch<'a>,
        entries: &'a [Entry],
    ) -> Self {
        Self {
            files,
            working,
            tools,
            watch,
            entries,
            known: None,
            areas: Vec::new(),
            directories: Vec::new(),
            open: None,
            can: Abilities::ALL,
            problems: Vec::new(),
            warnings: Vec::new(),
            doubtful: HashSet::new(),
            new_paths: None,
        }
    }

    /// Undoes everything, last first; goes on after an error. At the end the journal is out of
    /// force, unless something could not be undone.
    pub(super) fn run(mut self, durable: bool) -> Result<Vec<String>, NotUndone> {
        let entries = self.entries;
        for entry in entries {
            match entry {
                Entry::Area {
                    path,
                    in_memory,
                    old,
                } => {
                    let known = self.known.and_then(|areas| areas.opened(path));
                    let opened = known.map_or_else(
                        || staging::open_area(path, old).map(|(_, opened)| opened),
                        |known| Ok(staging::open_below(known, Path::new(""))?),
                    );
                    let opened = match opened {
                        Ok(opened) => Some(opened),
                        Err(OpenError::Io(Errno::ENOENT | Errno::ENOTDIR)) if *in_memory => {
                            self.lost(path);
                            None
                        }
                        Err(error) => return Err(self.no_area(path, error)),
                    };
                    self.areas.push(Area { path, old, opened });
                }
                Entry::Directory {
                    path,
                    area,
                    staged,
                    identity,
                } => self.directories.push(Directory {
                    path,
                    area: usize::try_from(*area).unwrap_or(usize::MAX),
                    staged,
                    identity: *identity,
                }),
                _ => {}
            }
        }
        let mut rules_undone = false;
        for entry in entries.iter().rev() {
            let (is_rule, is_step) = match entry {
                Entry::Version(_)
                | Entry::Area { .. }
                | Entry::Directory { .. }
                | Entry::Stale { .. } => (false, false),
                Entry::Context { .. } => (true, !std::mem::replace(&mut rules_undone, true)),
                _ => (false, true),
            };
            if !is_step {
                continue;
            }
            let passed: io::Result<()> = self.watch.at(Moment::Restore);
            let passed = passed.map_err(|error| StepError::io("go on with", "the undo", error));
            let done = passed.and_then(|()| {
                if is_rule {
                    self.rules()
                } else {
                    self.entry(entry)
                }
            });
            if let Err(error) = done {
                self.problems.push(crate::error::chain(&error));
            }
        }
        if self.problems.is_empty()
            && let Err(error) = self.finish(durable)
        {
            self.problems.push(crate::error::chain(&error));
        }
        if self.problems.is_empty() {
            Ok(self.warnings)
        } else {
            Err(NotUndone {
                kept: self.areas.iter().map(|area| area.path.to_owned()).collect(),
                problems: self.problems,
            })
        }
    }

    /// Nothing can be given back to a file system in memory that is no more: what the revision
    /// had there went the same way.
    fn lost(&mut self, path: &Path) {
        self.warnings.push(format!(
            "{} was on a file system in memory and is gone, with what was installed there; the \
             next deployment installs it again",
            path.display()
        ));
    }

    fn no_area(self, path: &Path, error: OpenError) -> NotUndone {
        let why = match error {
            OpenError::Io(Errno::ENOENT | Errno::ENOTDIR) => {
                "is not there: mount its file system".to_owned()
            }
            OpenError::Io(Errno::EPERM) => "is not the agent's own any more".to_owned(),
            OpenError::Io(error) => format!("cannot be opened: {error}"),
            OpenError::Untrusted { owner } => {
                format!("is reached through a link that user {owner} could have made")
            }
        };
        NotUndone {
            kept: vec![path.to_owned()],
            problems: vec![format!("{} {why}", path.display())],
        }
    }

    fn finish(&mut self, durable: bool) -> Result<(), StepError> {
        let failed = |error| StepError::io("end the undo in", self.working, error);
        let keep: Vec<&Path> = self
            .doubtful
            .iter()
            .filter_map(|area| Some(self.areas.get(*area)?.path))
            .collect();
        self.warnings.extend(keep.iter().map(|area| kept(area)));
        if durable {
            for area in self.areas.iter().filter_map(|area| area.opened.as_ref()) {
                descriptors::sync_file_system(area).map_err(failed)?;
            }
            fs_err::File::open(self.working)
                .and_then(descriptors::sync_file_system)
                .map_err(failed)?;
        }
        if !keep.is_empty() {
            staging::forget(self.working, |area| keep.contains(&area)).map_err(failed)?;
        }
        journal::retire(self.working, journal::UNDONE, durable).map_err(failed)
    }

    fn doubt(&mut self, area: usize, path: &Path, what: &str) {
        self.doubtful.insert(area);
        self.warnings.push(format!("{} {what}", path.display()));
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), StepError> {
        match entry {
            Entry::Placed {
                directory,
                name,
                existing,
                staged,
                aside,
            } => {
                let Some((path, area)) = self.open(*directory, name, *aside, Some(*staged))? else {
                    return Ok(());
                };
                let undone = self.placed(area, &path, name, *existing, *staged, *aside);
                undone.map_err(|error| StepError::io("restore", path, error))
            }
            Entry::SetAside {
                directory,
                name,
                aside,
            } => {
                let Some((path, area)) = self.open(*directory, name, *aside, None)? else {
                    return Ok(());
                };
                let undone = self.set_aside(area, &path, name, *aside);
                undone.map_err(|error| StepError::io("restore", path, error))
            }
            Entry::Reshaped {
                path,
                identity,
                before,
            } => {
                let applied = match reach(path, *identity) {
                    Ok(directory) => descriptors::reopen(&directory)
                        .map_err(io::Error::from)
                        .and_then(|directory| before.apply(&directory)),
                    Err(error) => return self.unreachable(path, None, error),
                };
                applied.map_err(|error| StepError::io("restore", path, error))
            }
            Entry::Record { name, existed } => {
                records::restore(self.files, self.working, name, *existed)
                    .map_err(|error| StepError::io("restore", name, error))
            }
            Entry::Version(_)
            | Entry::Area { .. }
            | Entry::Directory { .. }
            | Entry::Stale { .. }
            | Entry::Context { .. } => Ok(()),
        }
    }

    /// A directory cannot be entered: what belongs there cannot be given back.
    fn unreachable(
        &mut self,
        path: &Path,
        area: Option<usize>,
        error: OpenError,
    ) -> Result<(), StepError> {
        match error {
            // The file system is there (its staging area is): somebody removed the directory.
            OpenError::Io(Errno::ENOENT | Errno::ENOTDIR) => {
                if let Some(area) = area {
                    self.doubtful.insert(area);
                }
                let path = path.display();
                self.warnings
                    .push(format!("{path} is gone since: nothing is restored there"));
                Ok(())
            }
            // What belongs there must not get into what somebody else has given the path to.
            OpenError::Io(Errno::ESTALE) => {
                if let Some(area) = area {
                    self.doubtful.insert(area);
                }
                self.warnings.push(format!(
                    "{} is another directory since: it is left as it is, and nothing is restored \
                     there",
                    path.display()
                ));
                Ok(())
            }
            OpenError::Io(error) => Err(StepError::io("open", path, error)),
            OpenError::Untrusted { .. } => Err(StepError::io("follow", path, Errno::ELOOP)),
        }
    }

    /// Opens what is staged for a directory of the journal, and the directory. Returns the path of
    /// `name` in it and the number of its area; none when the directory is gone, or there is
    /// nothing to undo: nothing was set aside, and what was to come, if anything, is still staged.
    fn open(
        &mut self,
        number: u32,
        name: &OsStr,
        aside: u32,
        new: Option<Identity>,
    ) -> Result<Option<(PathBuf, usize)>, StepError> {
        let found = self.directories.get(number as usize).copied();
        let damaged = || StepError::io("restore", name, io::Error::other("the journal is damaged"));
        let Directory {
            path,
            area,
            staged,
            identity,
        } = found.ok_or_else(damaged)?;
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.open = None;
            let Area { old, opened, .. } = self.areas.get(area).ok_or_else(damaged)?;
            let Some(opened) = opened else {
                return Ok(None);
            };
            let failed = |error: Errno| StepError::io("open what is staged for", path, error);
            let staged = match staging::open_below(opened, staged) {
                // Nothing was staged for it: something is only removed there.
                Err(Errno::ENOENT) => None,
                result => Some(result.map_err(failed)?),
            };
            self.open = Some(Open {
                number,
                staged,
                old: staging::open_below(opened, Path::new(old)).map_err(failed)?,
                directory: None,
            });
        }
        let Some(open) = &self.open else {
            return Ok(None);
        };
        let failed = |error: Errno| StepError::io("look at", path.join(name), error);
        let is_staged = match (new, &open.staged) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(new), Some(staged)) => {
                let seen = descriptors::see(staged, name).map_err(failed)?;
                // A file with two names may have its second one in the directory.
                seen.is_some_and(|seen| {
                    let one_name = seen.kind == Existing::Directory || seen.links == 1;
                    seen.identity == new && one_name
                })
            }
        };
        let aside = descriptors::look(&open.old, OsStr::new(&aside.to_string()));
        if is_staged && aside.map_err(failed)? == Existing::Absent {
            return Ok(None);
        }
        if open.directory.is_none() {
            let reached = reach(path, identity).and_then(|directory| {
                let (there, area) = (fstat(&directory)?, fstat(&open.old)?);
                if there.st_dev == area.st_dev {
                    Ok(directory)
                } else {
                    Err(Errno::ESTALE.into())
                }
            });
            match reached {
                Ok(directory) => {
                    if let Some(open) = &mut self.open {
                        open.directory = Some(directory);
                    }
                }
                Err(error) => {
                    self.unreachable(path, Some(area), error)?;
                    return Ok(None);
                }
            }
        }
        Ok(Some((path.join(name), area)))
    }

    fn placed(
        &mut self,
        area: usize,
        path: &Path,
        name: &OsStr,
        existing: Existing,
        identity: Identity,
        aside: u32,
    ) -> io::Result<()> {
        let Some(Open {
            staged: Some(staged),
            old,
            directory: Some(directory),
            ..
        }) = &self.open
        else {
            return Err(io::Error::other("what was staged for it is not there"));
        };
        let aside_name = OsString::from(aside.to_string());
        let there_name = Name::new(directory, name);
        let staged_name = Name::new(staged, name);
        let aside_at = Name::new(old, &aside_name);
        let there = descriptors::see(directory, name)?;
        let waiting = descriptors::see(staged, name)?;
        let set_aside = descriptors::see(old, &aside_name)?;
        let placed = is(there, identity);
        let mut came_back = false;
        if existing == Existing::Absent {
            if placed && is(waiting, identity) {
                // Linked under both names.
                there_name.remove()?;
            } else if placed {
                place::move_new(&there_name, &staged_name, &mut self.can)?;
                came_back = true;
            }
        } else if placed {
            if set_aside.is_some() {
                if is_directory(set_aside) || is_directory(there) {
                    place::move_new(&there_name, &staged_name, &mut self.can)?;
                    place::move_new(&aside_at, &there_name, &mut self.can)?;
                    came_back = true;
                } else {
                    // A second name for the new one, so that a repeated undo knows it; without
                    // hard links it cannot be, and is not needed.
                    let _ = there_name.link(&staged_name);
                    aside_at.rename(&there_name)?;
                }
            } else if waiting.is_some() && !is(waiting, identity) {
                place::exchange(&staged_name, &there_name, &aside_at, &mut self.can)?;
                came_back = true;
            } else {
                let what = "cannot be restored: its previous file is not in the staging directory";
                self.doubt(area, path, what);
            }
        } else if there.is_none() && set_aside.is_some() {
            place::move_new(&aside_at, &there_name, &mut self.can)?;
        } else if there.is_none() && waiting.is_some() && !is(waiting, identity) {
            // Somebody removed the new one since.
            place::move_new(&staged_name, &there_name, &mut self.can)?;
        } else if !is(waiting, identity) && waiting.is_some() {
            let what = "was replaced by somebody else since and stays as it is; its previous file \
                        is in the staging directory";
            self.doubt(area, path, what);
        }
        if came_back && is_directory(there) && self.has_strangers(path, name)? {
            let what = "held files that the revision did not bring; they are with it in the \
                        staging directory";
            self.doubt(area, path, what);
        }
        Ok(())
    }

    /// Whether a directory that was taken back has what the Install did not put there.
    fn has_strangers(&mut self, path: &Path, name: &OsStr) -> io::Result<bool> {
        let (files, working) = (self.files, self.working);
        let ours = self
            .new_paths
            .get_or_insert_with(|| records::new_paths(files, working));
        let Some(staged) = self.open.as_ref().and_then(|open| open.staged.as_ref()) else {
            return Ok(false);
        };
        let mut ahead = vec![PathBuf::from(name)];
        while let Some(directory) = ahead.pop() {
            let opened = staging::open_below(staged, &directory)?;
            let mut stranger = false;
            let below = directory.strip_prefix(name).unwrap_or(Path::new(""));
            descriptors::list(&opened, |entry, kind| {
                let entry = OsStr::from_bytes(entry);
                let mut full = path.as_os_str().as_bytes().to_vec();
                for step in below.iter().chain([entry]) {
                    full.push(b'/');
                    full.extend_from_slice(step.as_bytes());
                }
                stranger |= !ours.contains(&full);
                if kind == Existing::Directory {
                    ahead.push(directory.join(entry));
                }
            })?;
            if stranger {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn set_aside(&mut self, area: usize, path: &Path, name: &OsStr, aside: u32) -> io::Result<()> {
        let Some(Open {
            old,
            directory: Some(directory),
            ..
        }) = &self.open
        else {
            return Ok(());
        };
        let aside_name = OsString::from(aside.to_string());
        let there = descriptors::see(directory, name)?;
        let aside = Name::new(old, &aside_name);
        match (descriptors::see(old, &aside_name)?, there) {
            (None, _) => {}
            (Some(_), None) => {
                place::move_new(&aside, &Name::new(directory, name), &mut self.can)?;
            }
            // Linked under both names.
            (Some(old), Some(there)) if old.identity == there.identity => aside.remove()?,
            (Some(_), Some(_)) => {
                let what = "was made by somebody else since and stays as it is; the file of the \
                            revision before is in the staging directory";
                self.doubt(area, path, what);
            }
        }
        Ok(())
    }

    /// Puts the SELinux rules back, when they were or may have been replaced.
    fn rules(&mut self) -> Result<(), StepError> {
        if !self.working.join(RULES_BEGUN).exists() {
            return Ok(());
        }
        let rules = self.entries.iter().filter_map(|entry| match entry {
            Entry::Context { old, context } => Some((*old, context)),
            _ => None,
        });
        selinux::restore(self.tools, rules)
    }
}
