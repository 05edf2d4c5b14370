//! Why a bundle could not be fetched.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::network::{Cause, NetworkProblem};
use crate::http::TrustError;

/// Why a bundle could not be fetched. Nothing is left under the bundle's name that was not there
/// before.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The archive on this host could not be read.
    #[error("cannot read the bundle {}", path.display())]
    Local {
        /// The archive.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The path on this host is no file.
    #[error(
        "the bundle {} is not a regular file; a directory is deployed with the type directory",
        path.display()
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The revision is a directory, which is copied and not fetched.
    #[error("the directory {} is copied, not fetched", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The download could not be stored.
    #[error("cannot store the bundle as {}", path.display())]
    Store {
        /// Where to.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The bundle cannot fit.
    #[error(
        "the bundle needs {needed} more bytes, and {} has {free} free; make room, keep fewer \
         revisions (max_revisions), or move root_dir", directory.display()
    )]
    NoSpace {
        /// Where it goes.
        directory: PathBuf,
        /// Bytes that are still to be downloaded.
        needed: u64,
        /// Bytes that may be written.
        free: u64,
    },
    /// Somebody wanted the download to end; what is there is kept where it can be of use.
    #[error("the download was interrupted; the next start goes on with it")]
    Interrupted,
    /// Trusted certificates that were asked for are of no use.
    #[error("cannot tell which certificates to trust")]
    Trust(#[source] TrustError),
    /// A setting makes no HTTP client.
    #[error("cannot set up the connection to {target}")]
    Setup {
        /// S3 or GitHub.
        target: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// No region is known.
    #[error(
        "no AWS region is known for s3://{bucket}; set AWS_REGION, or region in the on-premises \
         configuration file"
    )]
    NoRegion {
        /// The bucket.
        bucket: String,
    },
    /// S3 or the way to it refused.
    #[error("cannot download s3://{bucket}/{key}{}: {reason}", versioned(version.as_deref()))]
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The version, when the revision names one.
        version: Option<String>,
        /// Why.
        reason: S3Refusal,
        /// What was answered.
        #[source]
        source: Cause,
    },
    /// The object is not the one that the revision names.
    #[error(
        "s3://{bucket}/{key} has the ETag {found}, but the revision names {expected}; the object \
         was replaced after the revision was registered: deploy the new revision, or name a version"
    )]
    ETag {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What the revision names.
        expected: String,
        /// What S3 has.
        found: String,
    },
    /// The part of a GitHub revision that cannot be in a URL.
    #[error("the GitHub revision {account}/{repository} at {commit} is not valid: {why}")]
    GitHubName {
        /// The account.
        account: String,
        /// The repository.
        repository: String,
        /// The commit.
        commit: String,
        /// What is wrong.
        why: &'static str,
    },
    /// GitHub or the way to it refused.
    #[error("cannot download {account}/{repository} at {commit} from GitHub: {reason}")]
    GitHub {
        /// The account.
        account: String,
        /// The repository.
        repository: String,
        /// The commit.
        commit: String,
        /// Why.
        reason: GitHubRefusal,
        /// What was answered.
        #[source]
        source: Cause,
    },
}

impl FetchError {
    /// Whether S3 has answered and does not want to give the object, now or later.
    pub(super) fn is_refusal_of_s3(&self) -> bool {
        use S3Refusal::{Busy, Network};
        matches!(self, Self::S3 { reason, .. } if !matches!(reason, Busy | Network(_)))
    }
}

fn versioned(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| format!(" (version {version})"))
}

/// Why S3 did not give an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum S3Refusal {
    /// No such key.
    #[error("there is no such object; check the key, and that the upload was complete")]
    NoSuchKey,
    /// No such bucket.
    #[error("there is no such bucket; check its name and account")]
    NoSuchBucket,
    /// No such version.
    #[error("the object has no such version; it may have been deleted")]
    NoSuchVersion,
    /// The version is a delete marker.
    #[error("the object was deleted: this version is a delete marker")]
    Deleted,
    /// Not allowed.
    #[error(
        "access denied; allow s3:GetObject (and s3:GetObjectVersion for a version) on it to this \
         host's role or user; without s3:ListBucket this is also the answer for objects that do \
         not exist"
    )]
    AccessDenied,
    /// The object's key may not be used.
    #[error(
        "its KMS key may not be used; allow kms:Decrypt on the key to this host's role or user"
    )]
    KeyDenied,
    /// There are no credentials.
    #[error(
        "no AWS credentials; give this host an instance role, or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, a profile in ~/.aws, a web identity or container credentials, or \
         the on-premises configuration file"
    )]
    NoCredentials,
    /// The credentials have expired.
    #[error("the AWS credentials have expired; renew the session")]
    Expired,
    /// The credentials are not valid.
    #[error("the AWS credentials are not valid; check access key, secret and session token")]
    BadCredentials,
    /// The clocks differ.
    #[error("this host's clock is wrong; synchronise it (chronyd, systemd-timesyncd)")]
    ClockSkew,
    /// In cold storage.
    #[error("the object is archived; restore it from its storage class first")]
    Archived,
    /// The object changes under the download.
    #[error("the object was replaced while it was downloaded")]
    Changed,
    /// The service is busy or broken.
    #[error("S3 is busy or failed; try again later")]
    Busy,
    /// The content does not match its checksum.
    #[error("what arrived does not match the object's checksum; try again")]
    Checksum,
    /// The connection.
    #[error("{0}")]
    Network(NetworkProblem),
    /// Anything else.
    #[error("S3 refused the request")]
    Other,
}

/// Why GitHub did not give an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubRefusal {
    /// 401.
    #[error(
        "the token is not valid (401); connect the application to GitHub again, or renew the token"
    )]
    Unauthorized,
    /// 403, and not because of a rate.
    #[error("access denied (403); the token must be allowed to read the repository's contents")]
    Forbidden,
    /// 404 with a token.
    #[error(
        "not found (404); check account, repository and commit, and that the token may read them"
    )]
    NotFound,
    /// 404 without a token.
    #[error(
        "not found (404); check account, repository and commit; a private repository needs a token"
    )]
    NotFoundAnonymously,
    /// Too many requests.
    #[error("GitHub limits the rate of requests for {} s more; deploy later, or with a token", .0.as_secs())]
    RateLimited(Duration),
    /// Another status.
    #[error("GitHub answered with status {0}")]
    Status(u16),
    /// A redirect that must not be followed.
    #[error("GitHub redirects to a place that is refused: {0}")]
    Redirect(&'static str),
    /// The connection.
    #[error("{0}")]
    Network(NetworkProblem),
}
