//! Why a specification that verified cannot be used.

use super::excerpt::Excerpt;
use crate::deployment::InvalidId;

/// A deployment specification breaks its rules. Members are named by their path, such as
/// `Revision.S3Revision.Bucket`; of the content only values that are no secrets are shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Not JSON. The parser's own words could quote the text, so only the place is told.
    #[error("it is not JSON: line {line}, column {column} cannot be understood")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of a line before.
        column: usize,
    },
    /// A member is not there, null, or empty.
    #[error("{member} is missing or empty")]
    Missing {
        /// The member.
        member: String,
    },
    /// A member of the wrong type.
    #[error("{member} is {found}, not {expected}")]
    Type {
        /// The member.
        member: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A text that no file name, header or environment variable can hold.
    #[error("{member} contains a NUL character")]
    Nul {
        /// The member.
        member: String,
    },
    /// Too long to be an id.
    #[error("{member} is {length} bytes long, which no id is")]
    LongId {
        /// The member.
        member: String,
        /// Its length in bytes.
        length: usize,
    },
    /// An id that is not one.
    #[error("{member} is not valid")]
    Id {
        /// The member.
        member: String,
        /// Why.
        #[source]
        source: InvalidId,
    },
    /// One of a few words was expected.
    #[error("{member} is {}; {allowed} are possible", Excerpt(value))]
    Word {
        /// The member.
        member: String,
        /// Its value.
        value: String,
        /// What is possible.
        allowed: &'static str,
    },
    /// Files of this host, from the network.
    #[error(
        "Revision.RevisionType is {}, which is for local deployments only; the service must name \
         S3 or GitHub",
        Excerpt(value)
    )]
    LocalRevision {
        /// The revision's type.
        value: String,
    },
    /// A restart of itself.
    #[error("ReuseArchiveFromDeploymentId is {id}, which is this deployment itself")]
    ReusesItself {
        /// The deployment's id.
        id: String,
    },
}
