//! Directories that have their mode whatever the umask: who starts the agent, from whichever shell,
//! does not decide who may pass (contract: deployment, "Modes").

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use fs_err as fs;

/// The mode of directories on the way to one that is made.
const ABOVE: u32 = 0o755;

/// Makes the directory `path` with exactly `mode`, and those above it with 0755. What is there
/// already stays as it is.
///
/// # Errors
/// When one cannot be made, with its path.
pub fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    match make(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(above) = path.parent().filter(|above| *above != Path::new("")) else {
                return Err(error);
            };
            make_directory(above, ABOVE)?;
            make(path, mode)
        }
        other => other,
    }
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("cannot make {}: {error}", path.display()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_directory_and_those_above_it_are_made_and_what_is_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (above, path) = (directory.path().join("a/b"), directory.path().join("a/b/c"));
        make_directory(&path, 0o711).unwrap();
        assert_eq!((mode(&above), mode(&path)), (0o755, 0o711));
        make_directory(&path, 0o755).unwrap();
        assert_eq!(mode(&path), 0o711);
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("link")).unwrap();
        for (path, named) in [
            ("file", "file"),
            ("file/below", "file/below"),
            ("link/below", "link"),
        ] {
            let error = make_directory(&at(path), 0o755).unwrap_err();
            let named = format!("cannot make {}:", at(named).display());
            assert!(error.to_string().contains(&named), "{error}");
        }
    }
}
