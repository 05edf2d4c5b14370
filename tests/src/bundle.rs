//! Bundles written in a few lines.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A directory that is a revision. Made by [`crate::TestHost::bundle`].
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
}

impl Bundle {
    pub(crate) fn new(path: PathBuf) -> Self {
        fs_err::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds `appspec.yml`: `version` and `os`, then `rest`.
    #[must_use]
    pub fn appspec(self, rest: &str) -> Self {
        self.file("appspec.yml", &format!("version: 0.0\nos: linux\n{rest}"))
    }

    /// Adds a file (0644); directories are made.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, content: &str) -> Self {
        self.write(name, content, 0o644);
        self
    }

    /// Adds an executable shell script: `#!/bin/sh`, then `body`.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn script(self, name: &str, body: &str) -> Self {
        self.write(name, &format!("#!/bin/sh\n{body}\n"), 0o755);
        self
    }

    /// Adds a symbolic link.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn link(self, name: &str, target: &str) -> Self {
        let path = self.path.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.path.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}
