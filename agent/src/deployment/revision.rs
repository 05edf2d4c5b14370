//! Where a revision comes from.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The form in which a revision is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BundleType {
    /// A tar archive; compression (gzip, bzip2, xz, zstd) is detected.
    Tar,
    /// A tar archive compressed with gzip.
    Tgz,
    /// A zip archive.
    Zip,
    /// A directory on this host (local deployments only).
    Directory,
}

impl fmt::Display for BundleType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tar => "tar",
            Self::Tgz => "tgz",
            Self::Zip => "zip",
            Self::Directory => "directory",
        })
    }
}

/// A GitHub access token. Neither `Debug` nor an error ever shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct GitHubToken(String);

impl GitHubToken {
    /// Wraps a token; an empty one is none.
    #[must_use]
    pub fn new(token: String) -> Option<Self> {
        (!token.is_empty()).then_some(Self(token))
    }

    /// The token itself, for the `Authorization` header only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for GitHubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitHubToken(hidden)")
    }
}

/// Where a revision comes from (contract: protocol, deployment specification, `Revision`).
///
/// A token is never serialized: what was written down and read again has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Revision {
    /// An object in S3.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
        /// The archive's type.
        bundle_type: BundleType,
        /// The object version, when the revision names one.
        version: Option<String>,
        /// The expected `ETag`, compared without quotes.
        etag: Option<String>,
    },
    /// A commit on GitHub.
    GitHub {
        /// The account that owns the repository.
        account: String,
        /// The repository's name.
        repository: String,
        /// A commit id, branch, tag or `HEAD`.
        commit: String,
        /// `tar` (the default) or `zip`.
        bundle_type: BundleType,
        /// The access token; anonymous without.
        #[serde(skip)]
        token: Option<GitHubToken>,
    },
    /// An archive on this host.
    LocalFile {
        /// The archive's path.
        location: PathBuf,
        /// The archive's type.
        bundle_type: BundleType,
    },
    /// A directory on this host.
    LocalDirectory {
        /// The directory's path.
        location: PathBuf,
    },
}

impl fmt::Display for Revision {
    /// In words, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 {
                bucket,
                key,
                version,
                ..
            } => {
                write!(f, "s3://{bucket}/{key}")?;
                match version {
                    Some(version) => write!(f, " (version {version})"),
                    None => Ok(()),
                }
            }
            Self::GitHub {
                account,
                repository,
                commit,
                ..
            } => write!(f, "GitHub {account}/{repository} at {commit}"),
            Self::LocalFile { location, .. } | Self::LocalDirectory { location } => {
                write!(f, "{}", location.display())
            }
        }
    }
}

impl Revision {
    /// The type of the bundle that is fetched.
    #[must_use]
    pub fn bundle_type(&self) -> BundleType {
        match self {
            Self::S3 { bundle_type, .. }
            | Self::GitHub { bundle_type, .. }
            | Self::LocalFile { bundle_type, .. } => *bundle_type,
            Self::LocalDirectory { .. } => BundleType::Directory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_neither_shown_nor_serialized() {
        let with = |token: &str| Revision::GitHub {
            account: "a".into(),
            repository: "r".into(),
            commit: "HEAD".into(),
            bundle_type: BundleType::Tar,
            token: GitHubToken::new(token.into()),
        };
        let revision = with("ghp_secret");
        let written = serde_json::to_string(&revision).unwrap();
        for text in [&written, &format!("{revision:?}"), &revision.to_string()] {
            assert!(!text.contains("ghp_secret"), "{text}");
        }
        let read: Revision = serde_json::from_str(&written).unwrap();
        assert_eq!(read, with(""));
    }
}
