//! The records' own staging: their new contents are complete and on disk beside them before the
//! first destination changes, so that finishing takes renames only and cannot run out of space.

use std::ffi::OsStr;
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
use super::place::{self, Abilities, How, Name};
use super::plan::Plan;
use super::planner::read_if_there;
use super::request::InstallRequest;

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
    can: Abilities,
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
    private(&working.join(When::Before.directory()))?;
    private(&working.join(When::After.directory()))
}

impl StagedRecords {
    /// Writes all new records in `working`.
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
            can: Abilities::assumed(),
        };
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
            PlanError::Conflicts(_) => StepError::Changed {
                path: files.cleanup(),
            },
        })?;
        let union = cleanup::of_plan(plan, true, Some(&old.unwrap_or_default()));
        let last = cleanup::of_plan(plan, false, Some(&union.cleanup));
        let has_exact = union.exact.is_some() || files.exact_cleanup().exists();
        for (when, records) in [(When::Before, union), (When::After, last)] {
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
        let staged = self
            .working
            .join(when.directory())
            .join(path.file_name().unwrap_or_default());
        let written = (|| {
            let file = fs_err::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&staged)?;
            // Exact, whatever the umask: host tooling reads the records.
            file.set_permissions(Permissions::from_mode(self.mode))?;
            let mut file = BufWriter::new(file.into_file());
            content(&mut file)?;
            file.into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()
        })();
        written.map_err(|error| StepError::io("write", &path, error))?;
        self.changes.push(Change {
            when,
            path,
            removed: false,
        });
        Ok(())
    }

    fn with_names<R>(
        &mut self,
        change: &Change,
        act: impl FnOnce(
            Name<'_, &File>,
            Name<'_, &File>,
            Name<'_, &File>,
            &mut Abilities,
        ) -> io::Result<R>,
    ) -> io::Result<R> {
        let open = |path: &Path| fs_err::File::open(path).map(fs_err::File::into_file);
        let directory = change.path.parent().unwrap_or(Path::new("/"));
        let staged = open(&self.working.join(change.when.directory()))?;
        let records = open(directory)?;
        let name = change.path.file_name().unwrap_or_default();
        let mut aside_name = name.to_owned();
        aside_name.push(OsStr::new(".old"));
        let result = act(
            Name::new(&staged, name),
            Name::new(&records, name),
            Name::new(&staged, &aside_name),
            &mut self.can,
        )?;
        records.sync_all()?;
        Ok(result)
    }

    /// Gives a record its name, or takes it away. None: there was nothing to take away.
    pub(super) fn place(&mut self, change: &Change) -> Result<Option<How>, StepError> {
        let placed = self.with_names(change, |staged, record, aside, can| {
            if change.removed {
                return match place::move_new(&record, &staged, can) {
                    Ok(()) => Ok(Some(How::New)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error),
                };
            }
            match place::exchange(&staged, &record, &aside, can) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    place::move_new(&staged, &record, can).map(|()| Some(How::New))
                }
                result => result.map(Some),
            }
        });
        placed.map_err(|error| StepError::io("write", &change.path, error))
    }

    /// Puts back what [`Self::place`] replaced.
    pub(super) fn undo(&mut self, change: &Change, how: How) -> Result<(), StepError> {
        let undone = self.with_names(change, |staged, record, aside, can| {
            if change.removed {
                return place::move_new(&staged, &record, can);
            }
            place::undo(how, &staged, &record, &aside, can)
        });
        undone.map_err(|error| StepError::io("restore", &change.path, error))
    }
}
