//! The directories that a deployment's files go to.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::Host;
use crate::deployment::DeploymentSpec;
use crate::deployment_root::DeploymentDirectory;
use crate::files::{Lock, LockError, make_directory};

impl Host {
    /// The deployment's directory; it and what else a deployment needs are made if they are not
    /// there yet. Their mode is exact, whatever the umask: host tooling reads them (contract:
    /// deployment, "Modes").
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make_directories(&self, spec: &DeploymentSpec) -> io::Result<DeploymentDirectory> {
        let root = &self.root;
        if let Some(problem) = self.reserved(spec) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let deployment = root.deployment(&spec.deployment_group_id, &spec.deployment_id);
        for directory in [
            root.path(),
            root.instructions_directory().as_path(),
            root.logs_directory().as_path(),
            root.group(&spec.deployment_group_id).as_path(),
            deployment.path(),
        ] {
            make_directory(directory, self.directory_mode)?;
        }
        // What the runner is asked is nobody else's business.
        make_directory(&deployment.hook_runs(), 0o700)?;
        Ok(deployment)
    }

    /// What would keep [`Self::make_directories`], and what a deployment writes there, from being
    /// made. Changes nothing.
    #[must_use]
    pub fn foresee_directories(&self, spec: &DeploymentSpec) -> Vec<String> {
        let root = &self.root;
        if let Some(problem) = self.reserved(spec) {
            return vec![problem];
        }
        let needed = [
            root.path().to_owned(),
            root.instructions_directory(),
            root.logs_directory(),
            root.group(&spec.deployment_group_id),
        ];
        let mut problems: Vec<String> = needed.iter().filter_map(|path| closed(path)).collect();
        problems.dedup();
        problems
    }

    /// What is wrong with the group's name.
    fn reserved(&self, spec: &DeploymentSpec) -> Option<String> {
        let group = &spec.deployment_group_id;
        self.root.reserves(group).then(|| {
            format!(
                "the deployment group id {group} is a name that {} has for the agent's own \
                 records; use another id",
                self.root.path().display()
            )
        })
    }
}

/// Why nothing can be made in the directory `path`, or in the nearest one above it when it is still
/// to be made.
fn closed(path: &Path) -> Option<String> {
    let there = nearest(path);
    if !there.is_dir() {
        return Some(format!("{} is no directory", there.display()));
    }
    let wanted = AccessFlags::W_OK | AccessFlags::X_OK;
    let error = faccessat(AT_FDCWD, there, wanted, AtFlags::AT_EACCESS).err()?;
    Some(format!(
        "cannot write to {}: {}",
        there.display(),
        error.desc()
    ))
}

/// `path` itself, or the nearest above it that is there.
pub(super) fn nearest(path: &Path) -> &Path {
    path.ancestors()
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or(Path::new("/"))
}

/// A deployment's directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It, or one that a deployment needs, cannot be made.
    #[error("cannot prepare the deployment's directory")]
    Make(#[source] io::Error),
    /// It cannot be kept from being removed.
    #[error("cannot prepare the deployment's directory")]
    Lock(#[source] LockError),
}

/// Keeps a deployment's directory from being removed until it is dropped.
#[derive(Debug)]
pub struct Claim {
    /// None: another process is at work in it, for longer than any removal would look at it.
    _in_use: Option<Lock>,
}

/// Whoever removes deployments has the lock for no longer than a rename takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at a lock that somebody has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Host {
    /// Makes the deployment's directory, and what else it needs, and keeps it from being removed.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub async fn claim(
        &self,
        spec: &DeploymentSpec,
    ) -> Result<(DeploymentDirectory, Claim), ClaimError> {
        let began = Instant::now();
        loop {
            let waits = began.elapsed() < PATIENCE;
            match self.try_claim(spec) {
                Ok((directory, Some(lock))) => {
                    let claim = Claim {
                        _in_use: Some(lock),
                    };
                    return Ok((directory, claim));
                }
                Ok(_) if waits => tokio::time::sleep(LOOK_AGAIN).await,
                Ok((directory, None)) => return Ok((directory, Claim { _in_use: None })),
                Err(error) if waits && error.is_removal() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// None: somebody has the lock.
    fn try_claim(
        &self,
        spec: &DeploymentSpec,
    ) -> Result<(DeploymentDirectory, Option<Lock>), ClaimError> {
        let directory = self.make_directories(spec).map_err(ClaimError::Make)?;
        let path = directory.in_use();
        let lock = Lock::try_acquire(&path).map_err(ClaimError::Lock)?;
        match lock {
            Some(lock) if !lock.is_at(&path) => {
                Err(ClaimError::Make(io::ErrorKind::NotFound.into()))
            }
            lock => Ok((directory, lock)),
        }
    }
}

impl ClaimError {
    /// Whether the directory was removed between two steps; then it is made again.
    fn is_removal(&self) -> bool {
        let (Self::Make(source) | Self::Lock(LockError::Io { source, .. })) = self;
        source.kind() == io::ErrorKind::NotFound
    }
}
