//! Why a plan or an Install failed.

use std::fmt;
use std::io;
use std::path::PathBuf;

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
}

/// An Install failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// No plan could be made; nothing has been touched.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A step failed, and everything is again as it was.
    #[error("the Install failed, and everything is again as it was before")]
    Undone(#[source] StepError),
    /// A step failed, and so did undoing some of what was done.
    #[error(
        "the Install failed, and undoing it was not complete; what could not be put back is kept in \
         {}: {}", kept.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
        problems.join("; ")
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
