//! A host in a temporary directory.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Bundle, Deployment};

/// Directories of a host of one's own: a deployment root with a configuration file that names it,
/// a place for bundles and a place for destinations. All of it goes when dropped.
#[derive(Debug)]
pub struct TestHost {
    directory: TempDir,
    bundles: Cell<u32>,
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// A host with the default configuration, but for its directories.
    #[must_use]
    pub fn new() -> Self {
        Self::with_configuration("")
    }

    /// A host whose configuration file has these lines as well.
    ///
    /// # Panics
    /// When the temporary directory cannot be made.
    #[must_use]
    pub fn with_configuration(lines: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        // Scripts of other users must be able to pass.
        let open = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(directory.path(), open).unwrap();
        let host = Self {
            directory,
            bundles: Cell::new(0),
        };
        let configuration = format!(
            "root_dir: {}\nlog_dir: {}\non_premises_config_file: {}\n{lines}\n",
            host.root().display(),
            host.path("log").display(),
            host.on_premises_file().display()
        );
        fs_err::write(host.configuration(), configuration).unwrap();
        fs_err::create_dir(host.destination()).unwrap();
        host
    }

    /// A path in the host's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `root_dir`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.path("deployment-root")
    }

    /// The configuration file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.path("codedeployagent.yml")
    }

    /// Where the configuration looks for the on-premises file; there is none at first.
    #[must_use]
    pub fn on_premises_file(&self) -> PathBuf {
        self.path("codedeploy.onpremises.yml")
    }

    /// An empty directory for AppSpecs' destinations.
    #[must_use]
    pub fn destination(&self) -> PathBuf {
        self.path("destination")
    }

    /// A new, empty bundle.
    #[must_use]
    pub fn bundle(&self) -> Bundle {
        let number = self.bundles.get();
        self.bundles.set(number + 1);
        Bundle::new(self.path(&format!("bundle-{number}")))
    }

    /// A deployment of `bundle` to this host, to be refined and run.
    #[must_use]
    pub fn deploy(&self, bundle: &Bundle) -> Deployment {
        self.deploy_from(bundle.path())
    }

    /// A deployment from any location.
    #[must_use]
    pub fn deploy_from(&self, location: impl AsRef<Path>) -> Deployment {
        Deployment::new(&self.configuration(), location.as_ref())
    }

    /// A file of `deployment-instructions`, as text; none when it is not there.
    #[must_use]
    pub fn instructions(&self, name: &str) -> Option<String> {
        fs_err::read_to_string(self.root().join("deployment-instructions").join(name)).ok()
    }
}
