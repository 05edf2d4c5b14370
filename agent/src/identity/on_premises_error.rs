//! What can be wrong with the on-premises file, and what is only odd about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::InvalidRegion;
use crate::config::DocumentError;

/// An on-premises file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OnPremisesError {
    /// The file is not a YAML mapping.
    #[error("cannot understand the on-premises file {}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// The file has no field at all.
    #[error(
        "the on-premises file {} is empty; fill it in (region, iam_user_arn or iam_session_arn, \
         credentials), or remove it if this is an EC2 instance",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file says two things about who the host is.
    #[error(
        "the on-premises file {} has both iam_user_arn and iam_session_arn; keep the one that \
         the host is registered with",
        path.display()
    )]
    BothArns {
        /// The file.
        path: PathBuf,
    },
    /// A field that the kind of ARN needs is absent or has no value.
    #[error("the on-premises file {} has {arn} but no {field}; add it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The absent field.
        field: &'static str,
        /// The ARN that needs it.
        arn: &'static str,
    },
    /// The region is none.
    #[error("the on-premises file {}, line {line}: region is wrong", path.display())]
    Region {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u32,
        /// What it is instead.
        #[source]
        source: InvalidRegion,
    },
    /// A field has a value that it cannot have. The value is not shown: it may be a secret.
    #[error(
        "the on-premises file {}, line {line}: {field} must be {allowed}",
        path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u32,
        /// The field.
        field: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
}

/// What an operator should know about an on-premises file.
#[derive(Debug)]
pub enum OnPremisesWarning {
    /// The file could not be read: the host counts as an EC2 instance. The source names it.
    Unreadable(io::Error),
    /// The file has neither ARN: the host counts as an EC2 instance.
    NoArn {
        /// The file.
        path: PathBuf,
    },
    /// A field occurs before; the later one counts.
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The field's line, counted from 1.
        line: u32,
        /// The line of the one that does not count.
        earlier_line: u32,
    },
    /// Other users can read or change the file.
    Access {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl fmt::Display for OnPremisesWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(
                f,
                "the on-premises file cannot be read, so this host counts as an EC2 instance: \
                 {error}"
            ),
            Self::NoArn { path } => write!(
                f,
                "the on-premises file {} has neither iam_user_arn nor iam_session_arn, so this \
                 host counts as an EC2 instance; remove the file if it is one",
                path.display()
            ),
            Self::Duplicate {
                path,
                line,
                earlier_line,
            } => write!(
                f,
                "the on-premises file {} has the field of line {line} on line {earlier_line}, \
                 too; the later one counts, remove the other",
                path.display()
            ),
            Self::Access { path, mode } => write!(
                f,
                "the on-premises file {} (mode {mode:04o}) can be {} by other users; run chmod \
                 o-rwx on it",
                path.display(),
                match (mode & 0o004 != 0, mode & 0o002 != 0) {
                    (true, false) => "read",
                    (false, _) => "changed",
                    (true, true) => "read and changed",
                }
            ),
        }
    }
}
