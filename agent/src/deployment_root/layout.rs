//! Where things are. No I/O: only names. Paths stay as configured, because AWS's agents compare
//! them as text.

use std::path::{Path, PathBuf};

use crate::deployment::{DeploymentGroupId, DeploymentId};

/// The tracking directory's name, unless another is configured.
pub const DEFAULT_TRACKING_DIRECTORY: &str = "ongoing-deployment";

/// `root_dir` of the configuration: default `/opt/codedeploy-agent/deployment-root`.
#[derive(Debug, Clone)]
pub struct DeploymentRoot {
    path: PathBuf,
    tracking: PathBuf,
}

impl DeploymentRoot {
    /// The layout below `path`, with the default tracking directory.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            tracking: path.join(DEFAULT_TRACKING_DIRECTORY),
            path,
        }
    }

    /// The same with a tracking directory of this name.
    #[must_use]
    pub fn with_tracking_directory(self, name: &str) -> Self {
        Self {
            tracking: self.path.join(name),
            path: self.path,
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that holds a group's deployments; retention counts its entries.
    #[must_use]
    pub fn group(&self, group: &DeploymentGroupId) -> PathBuf {
        self.path.join(group)
    }

    /// The directories that are no groups'.
    pub(super) fn own_directories(&self) -> [PathBuf; 3] {
        [
            self.instructions_directory(),
            self.logs_directory(),
            self.tracking_directory(),
        ]
    }

    /// Whether `group` cannot have a directory because its name is for something else: retention
    /// would take the agent's records for its deployments.
    #[must_use]
    pub fn reserves(&self, group: &DeploymentGroupId) -> bool {
        let path = self.group(group);
        let others = [
            // Of agents that are configured otherwise.
            self.path.join(DEFAULT_TRACKING_DIRECTORY),
            self.commands_journal(),
            self.local_deployments(),
            self.local_deployments_lock(),
        ];
        self.own_directories().contains(&path) || others.contains(&path)
    }

    /// One deployment's directory.
    #[must_use]
    pub fn deployment(
        &self,
        group: &DeploymentGroupId,
        deployment: &DeploymentId,
    ) -> DeploymentDirectory {
        DeploymentDirectory {
            path: self.group(group).join(deployment),
        }
    }

    /// `deployment-instructions`.
    #[must_use]
    pub fn instructions_directory(&self) -> PathBuf {
        self.path.join("deployment-instructions")
    }

    /// The records of a group's Installs.
    #[must_use]
    pub fn instructions(&self, group: &DeploymentGroupId) -> InstructionFiles {
        InstructionFiles {
            directory: self.instructions_directory(),
            group: group.clone(),
        }
    }

    /// The directory of tracking files: which commands are at work.
    #[must_use]
    pub fn tracking_directory(&self) -> PathBuf {
        self.tracking.clone()
    }

    /// `commands.journal`: the service's commands, at work and over (ours).
    #[must_use]
    pub fn commands_journal(&self) -> PathBuf {
        self.path.join("commands.journal")
    }

    /// `local-deployments.history`: what `agent run-bundle` has deployed (ours).
    #[must_use]
    pub fn local_deployments(&self) -> PathBuf {
        self.path.join("local-deployments.history")
    }

    /// The lock that the writers of [`Self::local_deployments`] contend for (ours).
    #[must_use]
    pub fn local_deployments_lock(&self) -> PathBuf {
        self.path.join(".local-deployments.lock")
    }

    /// `deployment-logs`.
    #[must_use]
    pub fn logs_directory(&self) -> PathBuf {
        self.path.join("deployment-logs")
    }

    /// The log of all deployments' hook output.
    #[must_use]
    pub fn deployments_log(&self, program_name: &str) -> PathBuf {
        self.logs_directory()
            .join(format!("{program_name}-deployments.log"))
    }
}

/// `<root>/<group id>/<deployment id>`.
#[derive(Debug, Clone)]
pub struct DeploymentDirectory {
    path: PathBuf,
}

impl DeploymentDirectory {
    /// A deployment directory found through a pointer file.
    #[must_use]
    pub fn from_pointer(path: PathBuf) -> Self {
        Self { path }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The download; named `bundle.tar` whatever its type.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.path.join("bundle.tar")
    }

    /// The unpacked revision.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.path.join("deployment-archive")
    }

    /// What becomes [`Self::archive`] when unpacking is complete.
    #[must_use]
    pub fn partial_archive(&self) -> PathBuf {
        self.path.join("deployment-archive.partial")
    }

    /// An archive of an earlier try, while another takes its place.
    #[must_use]
    pub fn replaced_archive(&self) -> PathBuf {
        self.path.join("deployment-archive.replaced")
    }

    /// What becomes [`Self::bundle`] when all of it is there.
    #[must_use]
    pub fn partial_bundle(&self) -> PathBuf {
        self.path.join("bundle.tar.partial")
    }

    /// Which parts of a download are there, until the bundle is unpacked.
    #[must_use]
    pub fn bundle_parts(&self) -> PathBuf {
        self.path.join("bundle.tar.parts")
    }

    /// `logs/scripts.log`: the output of this deployment's hooks.
    #[must_use]
    pub fn scripts_log(&self) -> PathBuf {
        self.path.join("logs").join("scripts.log")
    }

    /// Held locked while the deployment runs, so that no other one's retention removes it (ours).
    #[must_use]
    pub fn in_use(&self) -> PathBuf {
        self.path.join(".in-use")
    }

    /// Requests and outcomes of hook scripts, one directory a run (ours; AWS's agents ignore it).
    #[must_use]
    pub fn hook_runs(&self) -> PathBuf {
        self.path.join("hook-runs")
    }
}

/// The files in `deployment-instructions` that belong to one group.
#[derive(Debug, Clone)]
pub struct InstructionFiles {
    directory: PathBuf,
    group: DeploymentGroupId,
}

impl InstructionFiles {
    fn named(&self, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}{suffix}", self.group))
    }

    /// `<group>-install.json`: what the last Install did.
    #[must_use]
    pub fn install(&self) -> PathBuf {
        self.named("-install.json")
    }

    /// `<group>-cleanup`: what the next Install removes.
    #[must_use]
    pub fn cleanup(&self) -> PathBuf {
        self.named("-cleanup")
    }

    /// `<group>-cleanup.exact`: ours; the same with each path ended by a NUL, for names that one
    /// line a path cannot hold.
    #[must_use]
    pub fn exact_cleanup(&self) -> PathBuf {
        self.named("-cleanup.exact")
    }

    /// `<group>_last_successful_install`: path of the deployment directory, no newline.
    #[must_use]
    pub fn last_successful(&self) -> PathBuf {
        self.named("_last_successful_install")
    }

    /// `<group>_most_recent_install`: path of the deployment directory, no newline.
    #[must_use]
    pub fn most_recent(&self) -> PathBuf {
        self.named("_most_recent_install")
    }

    /// `.<group>-install`: ours; what an Install that is going on keeps beside the records.
    #[must_use]
    pub fn installing(&self) -> PathBuf {
        self.directory.join(format!(".{}-install", self.group))
    }

    /// The lock that two deployments of one group on one root directory contend for.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.directory.join(format!(".{}.lock", self.group))
    }

    /// The lock that a local deployment of the group holds from its first event to its last (ours).
    #[must_use]
    pub fn turn(&self) -> PathBuf {
        self.directory.join(format!(".{}.turn", self.group))
    }
}
