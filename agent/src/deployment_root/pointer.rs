//! Pointer files: the absolute path of a deployment directory and nothing else, no newline.
//!
//! AWS's agents read and compare them as text, so the path is written as it was configured.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::DeploymentDirectory;
use crate::files::{small_file, write_atomically};

/// A pointer file could not be read, or does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum PointerError {
    /// It could not be read.
    #[error("cannot tell which revision came before")]
    Read(#[source] io::Error),
    /// It does not hold an absolute path.
    #[error(
        "{} does not hold the absolute path of a deployment directory but {content:?}; \
         remove the file to go on as if there had been no earlier deployment",
        path.display()
    )]
    Malformed {
        /// The pointer file.
        path: PathBuf,
        /// What is in it.
        content: PathBuf,
    },
}

/// The deployment directory that the pointer at `path` names, if there is such a pointer.
/// A trailing newline, as an editor leaves it, is tolerated.
///
/// # Errors
/// When the file is there and cannot be used.
pub fn read_pointer(path: &Path) -> Result<Option<DeploymentDirectory>, PointerError> {
    let mut content = match small_file::read(path) {
        Ok(file) => file.content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PointerError::Read(error)),
    };
    let trimmed = content.trim_ascii_end().len();
    content.truncate(trimmed);
    if content.is_empty() {
        return Ok(None);
    }
    let target = PathBuf::from(OsString::from_vec(content));
    if !target.is_absolute() {
        return Err(PointerError::Malformed {
            path: path.to_owned(),
            content: target,
        });
    }
    Ok(Some(DeploymentDirectory::from_pointer(target)))
}

/// Points `path` at `deployment`.
///
/// # Errors
/// When the file cannot be replaced; it then still holds what it held.
pub fn write_pointer(path: &Path, deployment: &Path, mode: u32) -> io::Result<()> {
    write_atomically(path, deployment.as_os_str().as_bytes(), mode)
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn a_pointer_holds_the_path_and_no_newline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pointer");
        write_pointer(&path, Path::new("/root/g/d-1"), 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"/root/g/d-1");
        assert_eq!(
            read_pointer(&path).unwrap().unwrap().path(),
            Path::new("/root/g/d-1")
        );
    }

    #[test]
    fn an_absent_or_empty_pointer_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pointer");
        assert!(read_pointer(&path).unwrap().is_none());
        fs::write(&path, "\n").unwrap();
        assert!(read_pointer(&path).unwrap().is_none());
    }

    #[test]
    fn a_newline_behind_the_path_is_tolerated_and_a_relative_path_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pointer");
        fs::write(&path, "/a/b\n").unwrap();
        assert_eq!(
            read_pointer(&path).unwrap().unwrap().path(),
            Path::new("/a/b")
        );
        fs::write(&path, "a/b").unwrap();
        assert!(matches!(
            read_pointer(&path),
            Err(PointerError::Malformed { .. })
        ));
    }
}
