//! Why a plan or an Install failed.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::journal::JournalError;
use super::problem::Problem;

/// All the problems that a plan found; shown one a line.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "{only}");
        }
        write!(f, "{} problems:", self.0.len())?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// No plan could be made. Nothing has been touched.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The revision cannot be installed here; everything that stands against it is listed.
    #[error("the revision cannot be installed, and nothing has been changed: {0}")]
    Conflicts(Problems),
    /// Something could not be read.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The agent is to end.
    #[error("the plan was given up, because the agent is to end")]
    Interrupted,
}

/// A single operation of an Install failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A file operation.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what: the destination, also while it is being staged.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The destination's file system has no ACLs.
    #[error(
        "cannot set the ACL of {}: its file system does not support ACLs; mount it with them or \
         remove `acls` from line {line} of the AppSpec", path.display()
    )]
    AclUnsupported {
        /// The destination.
        path: PathBuf,
        /// The rule's line.
        line: usize,
    },
    /// `semanage` or `restorecon` failed.
    #[error("{} failed ({outcome}){output}", program.display())]
    Selinux {
        /// The program.
        program: PathBuf,
        /// Exit status.
        outcome: String,
        /// `: ` and the last of what it wrote; or nothing.
        output: String,
    },
    /// Somebody else changed a destination while the Install ran.
    #[error(
        "{} changed while it was being installed; stop what writes there and deploy again",
        path.display()
    )]
    Changed {
        /// The destination.
        path: PathBuf,
    },
    /// The agent is to end.
    #[error("the Install was given up, because the agent is to end")]
    Interrupted,
}

/// An Install failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No plan could be made; nothing has been touched.
    #[error(transparent)]
    Plan(PlanError),
    /// The agent is to end; nothing has been changed.
    #[error("the Install was given up because the agent is to end; nothing has been changed")]
    Interrupted,
    /// A file system is too small; nothing has been changed.
    #[error(
        "the file system of {} has too little space for the revision: {needed} bytes are needed beside what \
         is installed, and {free} are free; nothing has been changed", path.display()
    )]
    NoSpace {
        /// A directory on the file system.
        path: PathBuf,
        /// Bytes, at least.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// A file system has too few inodes; nothing has been changed.
    #[error(
        "the file system of {} has too few inodes for the revision: {needed} are needed beside \
         what is installed, and {free} are free; nothing has been changed", path.display()
    )]
    NoInodes {
        /// A directory on the file system.
        path: PathBuf,
        /// Inodes needed.
        needed: u64,
        /// Inodes that are free.
        free: u64,
    },
    /// The journal of a killed Install cannot be used; nothing has been touched.
    #[error(
        "an Install was killed half way, and its journal in {} cannot be used; nothing has been \
         touched. Replaced files may be in {}: put back what is missing, remove {} and deploy again",
        working.display(), listed(areas), working.display()
    )]
    Journal {
        /// The directory with the journal.
        working: PathBuf,
        /// The staging directories.
        areas: Vec<PathBuf>,
        /// What is wrong with it.
        #[source]
        source: JournalError,
    },
    /// What a killed Install left could not be looked at.
    #[error("cannot recover from the killed Install whose journal is in {}", working.display())]
    Recovery {
        /// The directory with the journal.
        working: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What a killed Install did could not all be undone.
    #[error(
        "an Install was killed half way and cannot be undone: {}; correct this and deploy again. If \
         the files of before are not wanted any more, remove {} instead (they are in {})",
        problems.join("; "), working.display(), listed(kept)
    )]
    NotRecovered {
        /// The staging directories, with the previous files.
        kept: Vec<PathBuf>,
        /// The directory with the journal.
        working: PathBuf,
        /// What could not be undone, and why.
        problems: Vec<String>,
    },
    /// A step failed, and everything is again as it was.
    #[error("the Install failed, and everything is again as it was before")]
    Undone(#[source] StepError),
    /// A step failed, and so did undoing some of what was done.
    #[error(
        "the Install failed, and undoing it was not complete; what could not be put back is kept in \
         {}, and the next Install tries again: {}", listed(kept), problems.join("; ")
    )]
    NotUndone {
        /// The staging directories, with the previous files that could not be put back.
        kept: Vec<PathBuf>,
        /// What could not be undone, and why.
        problems: Vec<String>,
        /// Why the Install failed at first.
        #[source]
        source: StepError,
    },
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

impl From<PlanError> for InstallError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Interrupted => Self::Interrupted,
            error => Self::Plan(error),
        }
    }
}

impl InstallError {
    /// A step failed, and everything is as it was.
    pub(super) fn from_step(error: StepError) -> Self {
        match error {
            StepError::Interrupted => Self::Interrupted,
            error => Self::Undone(error),
        }
    }
}

impl StepError {
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Io {
            action,
            path: path.into(),
            source: source.into(),
        }
    }
}
