//! The records' own staging: their new contents are complete and on disk beside them before the
//! first destination changes, so that finishing takes renames only and cannot run out of space.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;

use nix::sys::stat::Mode;

use super::cleanup;
use super::error::{PlanError, StepError};
use super::instructions;
use super::journal::{self, Entry};
use super::plan::Plan;
use super::planner::read_if_there;
use super::request::InstallRequest;
use crate::deployment_root::InstructionFiles;

/// Where the records are kept that an undo puts back.
const PREVIOUS: &str = "previous";

/// When a record takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before the first destination changes: old and new together.
    Before,
    /// At the end: the new alone.
    After,
}

impl When {
    fn directory(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What happens to a record's name.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) when: When,
    path: PathBuf,
    /// It goes, because nothing needs it any more.
    removed: bool,
}

/// The staged records of one Install.
#[derive(Debug)]
pub(super) struct StagedRecords {
    working: PathBuf,
    mode: u32,
    pub(super) changes: Vec<Change>,
    /// What an undo has to know.
    pub(super) entries: Vec<Entry>,
}

/// Makes the directories for records and for work beside them.
pub(super) fn prepare(working: &Path) -> Result<(), StepError> {
    let failed = |error: io::Error| StepError::io("prepare", working, error);
    if let Some(directory) = working.parent() {
        fs_err::create_dir_all(directory).map_err(failed)?;
    }
    let private =
        |path: &Path| nix::unistd::mkdir(path, Mode::S_IRWXU).map_err(|error| failed(error.into()));
    private(working)?;
    for name in [When::Before.directory(), When::After.directory(), PREVIOUS] {
        private(&working.join(name))?;
    }
    Ok(())
}

/// The records that an Install may change.
fn all(files: &InstructionFiles) -> [PathBuf; 4] {
    [
        files.exact_cleanup(),
        files.cleanup(),
        files.install(),
        files.last_successful(),
    ]
}

impl StagedRecords {
    /// Writes all new records in `working`, and keeps the present ones there.
    pub(super) fn stage(
        plan: &Plan,
        request: &InstallRequest<'_>,
        working: &Path,
    ) -> Result<Self, StepError> {
        let files = request.records;
        let mut staged = Self {
            working: working.to_owned(),
            mode: if request.options.restrict_records {
                0o600
            } else {
                0o644
            },
            changes: Vec::new(),
            entries: Vec::new(),
        };
        for path in all(files) {
            let existed = keep(&path, working).map_err(|e| StepError::io("keep", &path, e))?;
            staged.entries.push(Entry::Record {
                name: path.file_name().unwrap_or_default().to_owned(),
                existed,
            });
        }
        let old = read_if_there(&files.cleanup()).map_err(|error| match error {
            PlanError::Io {
                action,
                path,
                source,
            } => StepError::Io {
                action,
                path,
                source,
            },
            _ => StepError::Changed {
                path: files.cleanup(),
            },
        })?;
        staged
            .entries
            .push(Entry::Version(version_of(old.as_deref())));
        let mut before = cleanup::digest(old.as_deref().unwrap_or_default());
        drop(old);
        let mut has_exact = files.exact_cleanup().exists();
        for when in [When::Before, When::After] {
            let records = cleanup::of_plan(plan, when == When::Before, &before);
            before = cleanup::digest(&records.cleanup);
            staged.entries.push(Entry::Version(before.clone()));
            has_exact |= records.exact.is_some();
            // The exact record first: it belongs to the old `-cleanup` as well as to the new one.
            match records.exact {
                Some(exact) => {
                    staged.write(when, files.exact_cleanup(), |file| file.write_all(&exact))?;
                }
                None if when == When::After && has_exact => {
                    staged.changes.push(Change {
                        when,
                        path: files.exact_cleanup(),
                        removed: true,
                    });
                }
                None => {}
            }
            staged.write(when, files.cleanup(), |file| {
                file.write_all(&records.cleanup)
            })?;
        }
        staged.write(When::After, files.install(), |file| {
            instructions::write(plan, file)
        })?;
        let pointer = request.deployment_directory.as_os_str().as_bytes();
        staged.write(When::After, files.last_successful(), |file| {
            file.write_all(pointer)
        })?;
        Ok(staged)
    }

    fn write(
        &mut self,
        when: When,
        path: PathBuf,
        content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), StepError> {
        let staged = self.staged(when, &path);
        let written = (|| {
            let file = fs_err::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&staged)?;
            // Exact, whatever the umask: host tooling reads the records.
            file.set_permissions(Permissions::from_mode(self.mode))?;
            // Synced with its file system, before the journal is put in force.
            let mut file = BufWriter::new(file.into_file());
            content(&mut file)?;
            file.flush()
        })();
        written.map_err(|error| StepError::io("write", &path, error))?;
        self.changes.push(Change {
            when,
            path,
            removed: false,
        });
        Ok(())
    }

    fn staged(&self, when: When, path: &Path) -> PathBuf {
        let directory = self.working.join(when.directory());
        directory.join(path.file_name().unwrap_or_default())
    }

    /// Gives a record its name, or takes it away.
    pub(super) fn place(&self, change: &Change) -> Result<(), StepError> {
        let placed = if change.removed {
            match fs_err::remove_file(&change.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        } else {
            fs_err::rename(self.staged(change.when, &change.path), &change.path)
        };
        placed.map_err(|error| StepError::io("write", &change.path, error))
    }

    /// Syncs the directory of the records.
    pub(super) fn sync(&self) -> Result<(), StepError> {
        let directory = self.working.parent().unwrap_or(&self.working);
        journal::sync_directory(directory).map_err(|e| StepError::io("sync", directory, e))
    }
}

/// What tells contents of `-cleanup` apart; none when there is no such record.
fn version_of(cleanup: Option<&[u8]>) -> String {
    cleanup.map(cleanup::digest).unwrap_or_default()
}

/// Keeps a record for an undo; false when there is none.
fn keep(path: &Path, working: &Path) -> io::Result<bool> {
    let kept = working
        .join(PREVIOUS)
        .join(path.file_name().unwrap_or_default());
    match fs_err::hard_link(path, &kept) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        // No hard links on this file system.
        Err(_) => {}
    }
    let content = fs_err::read(path)?;
    let mode = fs_err::metadata(path)?.permissions();
    fs_err::write(&kept, content)?;
    fs_err::set_permissions(&kept, mode)?;
    Ok(true)
}

/// Whether the `-cleanup` that is there is one of those that the journal knows: otherwise another
/// agent has installed since.
pub(super) fn are_of(files: &InstructionFiles, entries: &[Entry]) -> io::Result<bool> {
    let now = match fs_err::read(files.cleanup()) {
        Ok(content) => version_of(Some(&content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => version_of(None),
        Err(error) => return Err(error),
    };
    let known = |entry: &Entry| matches!(entry, Entry::Version(version) if *version == now);
    Ok(entries.iter().any(known))
}

/// Puts a record back as it was.
pub(super) fn restore(
    files: &InstructionFiles,
    working: &Path,
    name: &OsString,
    existed: bool,
) -> io::Result<()> {
    // Only names of ours: the journal says which record, never where.
    let known = all(files)
        .into_iter()
        .find(|path| path.file_name() == Some(name));
    let path = known.ok_or_else(|| io::Error::other("this is no record of the group"))?;
    if !existed {
        return match fs_err::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        };
    }
    match fs_err::rename(working.join(PREVIOUS).join(name), &path) {
        // Restored by an undo that was interrupted.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => Ok(()),
        result => result,
    }
}

/// The paths that the Install was to leave behind, as far as its records can be read.
pub(super) fn new_paths(
    files: &InstructionFiles,
    working: &Path,
) -> std::collections::HashSet<Vec<u8>> {
    let staged = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_owned();
        // Where it is depends on how far the Install came.
        let places = [working.join(When::After.directory()).join(name), path];
        places
            .into_iter()
            .find_map(|place| fs_err::read(place).ok())
    };
    let cleanup = staged(files.cleanup()).unwrap_or_default();
    let exact = staged(files.exact_cleanup());
    cleanup::parse(&cleanup, exact.as_deref())
        .into_iter()
        .filter_map(|entry| match entry {
            cleanup::Entry::Path(path) => Some(path.to_vec()),
            cleanup::Entry::Semanage(_) => None,
        })
        .collect()
}
