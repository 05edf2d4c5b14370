//! What an Install is asked to do.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::stat::FileStat;
use nix::unistd::{getegid, geteuid};

use super::error::StepError;
use crate::appspec::AppSpec;
use crate::deployment::FileExistsBehavior;
use crate::deployment_root::InstructionFiles;

/// One Install of one deployment group. The caller holds the group's lock.
#[derive(Debug, Clone, Copy)]
pub struct InstallRequest<'a> {
    /// The unpacked revision.
    pub archive: &'a Path,
    /// What its files are to the revision.
    pub form: SourceForm,
    /// The deployment's directory as configured: becomes the last successful one.
    pub deployment_directory: &'a Path,
    /// The revision's AppSpec.
    pub appspec: &'a AppSpec,
    /// What happens to foreign files: the AppSpec's own, else the deployment's.
    pub behavior: &'a FileExistsBehavior,
    /// The group's records.
    pub records: &'a InstructionFiles,
    /// The agent's settings.
    pub options: &'a InstallOptions,
    /// Turns true when the agent is to end: what has not begun to commit is given up.
    pub interrupted: &'a AtomicBool,
}

impl InstallRequest<'_> {
    pub(super) fn look_for_interruption(&self) -> Result<(), StepError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(StepError::Interrupted);
        }
        Ok(())
    }
}

/// What the files below [`InstallRequest::archive`] are to the revision that is installed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SourceForm {
    /// The revision's own.
    #[default]
    Unpacked,
    /// Those of a directory that a DownloadBundle would copy first: the revision's would be this
    /// process's, new, and have the mode less this umask. For plans that nobody carries out.
    ToBeCopied {
        /// Permission bits that are taken away.
        umask: u32,
    },
}

impl SourceForm {
    /// The status of the revision's file, from that of the file that is there.
    pub(super) fn of_revision(self, mut status: FileStat) -> FileStat {
        if let Self::ToBeCopied { umask } = self {
            status.st_mode &= !(0o6000 | umask);
            status.st_uid = geteuid().as_raw();
            status.st_gid = getegid().as_raw();
        }
        status
    }
}

/// The agent's settings that change how an Install works (contract: host, hardening keys).
#[derive(Debug, Clone, Default)]
pub struct InstallOptions {
    /// Recreate links to directories instead of copying what they lead to.
    pub preserve_directory_symlinks: bool,
    /// Setuid or setgid in the bundle or in a mode fails.
    pub reject_unsafe_permissions: bool,
    /// Context types `unconfined_t`, `kernel_t` and `init_t` fail.
    pub reject_unconfined_selinux: bool,
    /// The records are for root only (0600 instead of 0644).
    pub restrict_records: bool,
    /// The programs that SELinux contexts are set with.
    pub selinux: SelinuxTools,
    /// Nothing is synced to the disk: quicker, and the two promises then hold for a killed agent
    /// but not for a power cut.
    pub unsynced: bool,
}

/// The programs that SELinux contexts are set with.
#[derive(Debug, Clone)]
pub struct SelinuxTools {
    /// `semanage`.
    pub semanage: PathBuf,
    /// `restorecon`.
    pub restorecon: PathBuf,
}

impl Default for SelinuxTools {
    fn default() -> Self {
        Self {
            semanage: PathBuf::from("/usr/sbin/semanage"),
            restorecon: PathBuf::from("/usr/sbin/restorecon"),
        }
    }
}
