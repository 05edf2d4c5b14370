//! Finishing or undoing what a killed Install left, before anything else is planned: back when its
//! commit record is not on the disk, forward when it is (see [`super::journal`]).

use std::io;
use std::path::Path;

use nix::unistd::geteuid;

use super::apply::{Moment, Watch};
use super::commit;
use super::error::InstallError;
use super::journal::{self, Entry, JournalError};
use super::records;
use super::request::SelinuxTools;
use super::staging;
use super::undo::{Undo, kept};
use crate::deployment::DeploymentGroupId;
use crate::deployment_root::{DeploymentRoot, InstructionFiles};
use crate::files::Lock;

/// What was done about an Install that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What is installed now.
    pub outcome: Outcome,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// What is installed after a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The old revision: the Install had changed nothing yet.
    NotBegun,
    /// The old revision: every change was undone.
    RolledBack,
    /// The new revision: the Install had been committed.
    RolledForward,
    /// What another agent has installed since.
    Superseded,
}

impl Recovered {
    /// What is to be told of it: what happened, then the warnings.
    pub fn told(self) -> impl Iterator<Item = String> {
        std::iter::once(self.describe().to_owned()).chain(self.warnings)
    }

    /// What happened, in a sentence.
    fn describe(&self) -> &'static str {
        match self.outcome {
            Outcome::NotBegun => "an earlier Install was killed before it had changed anything",
            Outcome::RolledBack => {
                "an earlier Install was killed half way: the revision before it is in place again"
            }
            Outcome::RolledForward => {
                "an earlier Install was killed after its commit: its revision is in place, and \
                 what it replaced has been removed"
            }
            Outcome::Superseded => {
                "an earlier Install was killed half way, and another agent has installed since"
            }
        }
    }
}

/// Finishes or undoes what a killed Install left. Afterwards destinations and records are those of
/// one revision. None: there was nothing to do. The caller holds the group's lock.
///
/// # Errors
/// When the journal cannot be used, or something could not be put back: nothing is lost, and the
/// message says what to do. The next call tries again.
pub fn recover(
    records: &InstructionFiles,
    tools: &SelinuxTools,
) -> Result<Option<Recovered>, InstallError> {
    recover_watched(records, tools, Watch::NONE)
}

/// Does [`recover`] for every group of a deployment root. Takes each group's lock itself: the
/// caller holds none of them. A group that somebody is at work on is left alone.
///
/// # Errors
/// When the directory of the records cannot be listed.
pub fn recover_all(
    root: &DeploymentRoot,
    tools: &SelinuxTools,
) -> io::Result<Vec<(DeploymentGroupId, Result<Recovered, InstallError>)>> {
    let listed = match fs_err::read_dir(root.instructions_directory()) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut recovered = Vec::new();
    for entry in listed {
        let name = entry?.file_name();
        let group = name
            .to_str()
            .and_then(|name| name.strip_prefix('.')?.strip_suffix("-install"))
            .and_then(|group| DeploymentGroupId::new(group).ok());
        let Some(group) = group else { continue };
        let records = root.instructions(&group);
        let result = match Lock::try_acquire(&records.lock()) {
            Ok(None) => continue,
            Ok(Some(_held)) => recover(&records, tools),
            Err(error) => Err(InstallError::Recovery {
                working: records.installing(),
                source: io::Error::other(error),
            }),
        };
        if let Some(result) = result.transpose() {
            recovered.push((group, result));
        }
    }
    Ok(recovered)
}

pub(super) fn recover_watched(
    files: &InstructionFiles,
    tools: &SelinuxTools,
    watch: &Watch<'_>,
) -> Result<Option<Recovered>, InstallError> {
    let working = files.installing();
    let failed = |source| InstallError::Recovery {
        working: working.clone(),
        source,
    };
    match look(files)? {
        Left::Nothing => Ok(None),
        Left::Ended(outcome) => {
            let mut warnings = Vec::new();
            if outcome == Outcome::RolledForward {
                prune(files, &working, watch, &mut warnings);
            }
            drop_all(&working, watch, &mut warnings);
            Ok(Some(Recovered { outcome, warnings }))
        }
        Left::Superseded => {
            let mut warnings = Vec::new();
            for area in staging::listed(&working).map_err(failed)? {
                warnings.push(kept(&area));
            }
            staging::forget(&working, |_| true)
                .and_then(|()| journal::retire(&working, journal::UNDONE, true))
                .map_err(failed)?;
            drop_all(&working, watch, &mut warnings);
            let outcome = Outcome::Superseded;
            Ok(Some(Recovered { outcome, warnings }))
        }
        Left::HalfWay(entries) => {
            let undone = Undo::new(files, &working, tools, watch, &entries).run(true);
            let mut warnings = undone.map_err(|undo| InstallError::NotRecovered {
                kept: undo.kept,
                working: working.clone(),
                problems: undo.problems,
            })?;
            drop_all(&working, watch, &mut warnings);
            Ok(Some(Recovered {
                outcome: Outcome::RolledBack,
                warnings,
            }))
        }
    }
}

/// What a killed Install left.
enum Left {
    Nothing,
    /// No journal is in force any more: only remains are to be removed.
    Ended(Outcome),
    /// Another agent has installed since.
    Superseded,
    /// To be undone by its journal.
    HalfWay(Vec<Entry>),
}

/// What the next Install of the group would first recover, and to which revision; none when the
/// last one came to its end. Changes nothing.
///
/// # Errors
/// When the journal cannot be used: the next Install then fails in the same way.
pub fn unfinished(records: &InstructionFiles) -> Result<Option<Outcome>, InstallError> {
    Ok(match look(records)? {
        Left::Nothing => None,
        Left::Ended(outcome) => Some(outcome),
        Left::Superseded => Some(Outcome::Superseded),
        Left::HalfWay(_) => Some(Outcome::RolledBack),
    })
}

/// Finds out what a killed Install left.
fn look(files: &InstructionFiles) -> Result<Left, InstallError> {
    let working = files.installing();
    let failed = |source| InstallError::Recovery {
        working: working.clone(),
        source,
    };
    let unusable = |source| InstallError::Journal {
        working: working.clone(),
        // The journal's trouble is the one to tell.
        areas: staging::listed(&working).unwrap_or_default(),
        source,
    };
    match fs_err::symlink_metadata(&working) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::Nothing),
        Err(error) => return Err(failed(error)),
        Ok(found) => {
            use std::os::unix::fs::MetadataExt as _;

            let is_ours = found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
            if !found.is_dir() || !is_ours {
                return Err(unusable(JournalError::Foreign));
            }
        }
    }
    let Some(entries) = journal::read(&working, journal::JOURNAL).map_err(unusable)? else {
        let outcome = if working.join(journal::COMMITTED).exists() {
            Outcome::RolledForward
        } else if working.join(journal::UNDONE).exists() {
            Outcome::RolledBack
        } else {
            Outcome::NotBegun
        };
        return Ok(Left::Ended(outcome));
    };
    Ok(if records::are_of(files, &entries).map_err(failed)? {
        Left::HalfWay(entries)
    } else {
        Left::Superseded
    })
}

/// Removes the stale directories of a committed Install, as far as that is still its own to do.
fn prune(files: &InstructionFiles, working: &Path, watch: &Watch<'_>, warnings: &mut Vec<String>) {
    let entries = match journal::read(working, journal::COMMITTED) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(error) => {
            warnings.push(format!(
                "empty directories of the last revision may be left: {}",
                crate::error::chain(&error)
            ));
            return;
        }
    };
    if !records::are_of(files, &entries).unwrap_or(false) {
        return;
    }
    for entry in entries {
        if let Entry::Stale { path, identity } = entry {
            watch.pass(Moment::Prune);
            commit::prune(&path, identity, warnings);
        }
    }
}

/// Removes what is left when no journal is in force any more.
fn drop_all(working: &Path, watch: &Watch<'_>, warnings: &mut Vec<String>) {
    watch.pass(Moment::Discard);
    // Nothing that comes now needs their place, so they must not stop every later Install.
    staging::drop_listed(working, warnings);
    forget(working, watch, warnings);
}

/// Removes the working directory.
pub(super) fn forget(working: &Path, watch: &Watch<'_>, warnings: &mut Vec<String>) {
    watch.pass(Moment::Forget);
    if let Err(error) = fs_err::remove_dir_all(working)
        && error.kind() != io::ErrorKind::NotFound
    {
        warnings.push(format!("cannot clean up after the Install: {error}"));
    }
}
