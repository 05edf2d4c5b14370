//! Why instance metadata is not known.

use super::super::InvalidRegion;
use super::{InvalidDomain, InvalidPartition};

/// A request to the instance metadata service that failed. Holds nothing that is secret.
#[derive(Debug, thiserror::Error)]
pub enum ImdsError {
    /// The environment says not to ask.
    #[error(
        "instance metadata is switched off (AWS_EC2_METADATA_DISABLED is true); unset that on an \
         EC2 instance"
    )]
    Disabled,
    /// The HTTP client cannot be built.
    #[error("the client for instance metadata cannot be set up")]
    Client(#[source] reqwest::Error),
    /// No answer: nobody there, too slow, or cut off.
    #[error(
        "instance metadata at {endpoint} did not answer; on an EC2 instance check that it is \
         switched on and that no firewall is in the way, elsewhere fill in the on-premises file"
    )]
    NoAnswer {
        /// Where it was looked for.
        endpoint: String,
        /// What went wrong on the network.
        #[source]
        source: reqwest::Error,
    },
    /// No session token, and the old protocol is switched off.
    #[error(
        "instance metadata gave no session token (HTTP {status}) and disable_imds_v1 forbids to go \
         on without"
    )]
    NoToken {
        /// What it answered.
        status: u16,
    },
    /// The session token is none.
    #[error("instance metadata gave a session token that is not one word of ASCII characters")]
    InvalidToken,
    /// An answer with a status that is of no use.
    #[error("instance metadata answered HTTP {status} for {path}")]
    Status {
        /// What was asked.
        path: String,
        /// What it answered.
        status: u16,
    },
    /// An answer that is too large to be true.
    #[error("instance metadata answered more than {limit} bytes for {path}")]
    TooLarge {
        /// What was asked.
        path: String,
        /// The most that is read.
        limit: usize,
    },
    /// An answer that is no text.
    #[error("instance metadata answered something that is not text for {path}")]
    NotText {
        /// What was asked.
        path: String,
    },
    /// There is no instance identity document.
    #[error("instance metadata has no {path}; is this an EC2 instance?")]
    Absent {
        /// What was asked.
        path: String,
    },
    /// The instance identity document is not JSON of its form.
    #[error("the instance identity document cannot be understood")]
    Document(#[source] serde_json::Error),
    /// The document's region is none.
    #[error("the instance identity document has a wrong region")]
    Region(#[source] InvalidRegion),
    /// A member of the document has a value that it cannot have.
    #[error("the instance identity document has a wrong {member} ({value:?})")]
    Member {
        /// The member's name.
        member: &'static str,
        /// Its value, cut short.
        value: String,
    },
    /// The domain of services is none.
    #[error("instance metadata has a wrong services/domain")]
    Domain(#[source] InvalidDomain),
    /// The partition is none.
    #[error("instance metadata has a wrong services/partition")]
    Partition(#[source] InvalidPartition),
    /// The instance has no role, so there are no credentials.
    #[error("the instance has no IAM role; attach an instance profile to it")]
    NoRole,
    /// The role's name is none.
    #[error("instance metadata has a wrong name of the IAM role")]
    RoleName,
    /// The credentials are not JSON of their form. What they are is not said.
    #[error("the credentials of the IAM role {role} cannot be understood")]
    Credentials {
        /// The role.
        role: String,
    },
    /// The service says why it has no credentials.
    #[error("instance metadata has no credentials of the IAM role {role}: {code}")]
    CredentialsRefused {
        /// The role.
        role: String,
        /// The service's code, such as `AssumeRoleUnauthorizedAccess`.
        code: String,
    },
}
