//! The directories that a deployment's files go to.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use fs_err as fs;

use super::Executor;

impl Executor<'_> {
    /// Makes those of this deployment's directories that are not there yet. `mode` is exact,
    /// whatever the umask: host tooling reads them (contract: deployment, "Modes").
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make_directories(&self) -> io::Result<()> {
        let root = &self.host.root;
        fs::create_dir_all(root.path())?;
        for directory in [
            root.instructions_directory(),
            root.logs_directory(),
            root.group(&self.spec.deployment_group_id),
            self.directory.path().to_owned(),
        ] {
            make(&directory, self.host.directory_mode)?;
        }
        Ok(())
    }
}

fn make(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("cannot make {}: {error}", path.display())))
        }
    }
}
