//! Writing the on-premises file.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::config::Config;
use crate::daemon::{PrivilegeError, configured_user};
use crate::files::write_atomically;
use crate::identity::{OnPremises, OnPremisesError, OnPremisesWarning};

/// For its owner alone: it may hold a key.
const MODE: u32 = 0o600;

/// The file cannot be written, or should not be.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("cannot look at {}", path.display())]
    Look {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{} is no regular file, so it is not replaced; name the file itself with --file", path.display()
    )]
    NoFile { path: PathBuf },
    #[error(
        "other users can write to {}, so the file would not stay what it is; run chmod o-w on it",
        path.display()
    )]
    Open { path: PathBuf },
    #[error(
        "{} says that this host is {existing}; register that identity, or replace it with --force, \
         which keeps the old file beside the new one", path.display()
    )]
    Other { path: PathBuf, existing: String },
    #[error(
        "{} is there, and it says of no identity; look at it, and replace it with --force, which \
         keeps the old file beside the new one", path.display()
    )]
    Nobody { path: PathBuf },
    #[error("the file that is there is not understood; look at it, or replace it with --force")]
    Unusable(#[source] OnPremisesError),
    #[error("the agent's user cannot be told")]
    User(#[source] PrivilegeError),
    #[error("cannot write the on-premises file")]
    Write(#[source] io::Error),
}

/// Why nobody can be told from the file.
fn nobody(path: &Path, warnings: Vec<OnPremisesWarning>) -> FileError {
    let path = path.to_owned();
    let unreadable = warnings.into_iter().find_map(|warning| match warning {
        OnPremisesWarning::Unreadable(source) => Some(source),
        _ => None,
    });
    match unreadable {
        Some(source) => FileError::Look { path, source },
        None => FileError::Nobody { path },
    }
}

/// A place that may be written to.
#[derive(Debug)]
pub(super) struct Place<'a> {
    path: &'a Path,
    /// Where what is there is kept.
    backup: Option<PathBuf>,
}

impl<'a> Place<'a> {
    /// Looks what is there.
    pub(super) fn look(
        path: &'a Path,
        identity: &OnPremises,
        force: bool,
    ) -> Result<Self, FileError> {
        let failed = |source| FileError::Look {
            path: path.to_owned(),
            source,
        };
        let mut place = Self { path, backup: None };
        place.look_at_directory()?;
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.is_file() => {
                return Err(FileError::NoFile {
                    path: path.to_owned(),
                });
            }
            Ok(_) => {}
        }
        let objection = match OnPremises::read(path) {
            Ok((Some(existing), _)) if existing.host_identifier == identity.host_identifier => {
                return Ok(place);
            }
            Ok((Some(existing), _)) => FileError::Other {
                path: path.to_owned(),
                existing: existing.host_identifier,
            },
            Ok((None, warnings)) => nobody(path, warnings),
            Err(error) => FileError::Unusable(error),
        };
        if !force {
            return Err(objection);
        }
        place.backup = Some(replaced(path));
        Ok(place)
    }

    fn directory(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn look_at_directory(&self) -> Result<(), FileError> {
        let path = self.directory();
        match fs::metadata(&path) {
            // The sticky bit does not keep others from a name that is free.
            Ok(found) if found.mode() & 0o002 != 0 => Err(FileError::Open { path }),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(FileError::Look { path, source }),
        }
    }

    /// Writes the file; returns where the one before is now, when it was another's.
    pub(super) fn write(
        self,
        identity: &OnPremises,
        config: &Config,
    ) -> Result<Option<PathBuf>, FileError> {
        let (user, group) = configured_user(config).map_err(FileError::User)?;
        fs::create_dir_all(self.directory()).map_err(FileError::Write)?;
        if let Some(backup) = &self.backup {
            let content = fs::read(self.path).map_err(FileError::Write)?;
            write_atomically(backup, &content, MODE).map_err(FileError::Write)?;
        }
        let content = identity.to_yaml();
        write_atomically(self.path, content.expose().as_bytes(), MODE).map_err(FileError::Write)?;
        // The agent reads it as the user that it becomes.
        if nix::unistd::geteuid().is_root()
            && let Some(user) = user
        {
            let group = group.unwrap_or(user.gid).as_raw();
            fs_err::os::unix::fs::lchown(self.path, Some(user.uid.as_raw()), Some(group))
                .map_err(FileError::Write)?;
        }
        Ok(self.backup)
    }
}

/// Where the file of an identity that was replaced is kept.
pub(in crate::cli) fn replaced(path: &Path) -> PathBuf {
    let mut replaced = path.as_os_str().to_owned();
    replaced.push(".replaced");
    replaced.into()
}
