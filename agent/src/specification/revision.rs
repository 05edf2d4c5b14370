//! The member `Revision` (contract: protocol, deployment specification).

use super::content_error::ContentError;
use super::members::Members;
use crate::deployment::{BundleType, GitHubToken, Revision};

/// The revision. One on this host's disk is for local deployments only, which need no specification.
pub(super) fn revision(members: &Members<'_>) -> Result<Revision, ContentError> {
    let revision = members.required_object("Revision")?;
    match revision.required_text("RevisionType")? {
        "S3" => s3(&revision.required_object("S3Revision")?),
        "GitHub" => {
            let token = members.text("GitHubAccessToken")?.map(str::to_owned);
            let token = token.and_then(GitHubToken::new);
            github(&revision.required_object("GitHubRevision")?, token)
        }
        local @ ("Local File" | "Local Directory") => Err(ContentError::LocalRevision {
            value: local.to_owned(),
        }),
        other => Err(ContentError::Word {
            member: revision.name("RevisionType"),
            value: other.to_owned(),
            allowed: "S3 and GitHub",
        }),
    }
}

fn s3(s3: &Members<'_>) -> Result<Revision, ContentError> {
    Ok(Revision::S3 {
        bucket: s3.required_text("Bucket")?.to_owned(),
        key: s3.required_text("Key")?.to_owned(),
        bundle_type: archive_type(s3)?,
        version: s3.text("Version")?.map(str::to_owned),
        etag: s3.text("ETag")?.map(str::to_owned),
    })
}

fn github(github: &Members<'_>, token: Option<GitHubToken>) -> Result<Revision, ContentError> {
    let bundle_type = match github.text("BundleType")? {
        None | Some("tar") => BundleType::Tar,
        Some("zip") => BundleType::Zip,
        Some(other) => return Err(unknown_type(github, other, "tar and zip")),
    };
    Ok(Revision::GitHub {
        account: github.required_text("Account")?.to_owned(),
        repository: github.required_text("Repository")?.to_owned(),
        commit: github.required_text("CommitId")?.to_owned(),
        bundle_type,
        token,
    })
}

fn archive_type(revision: &Members<'_>) -> Result<BundleType, ContentError> {
    match revision.required_text("BundleType")? {
        "tar" => Ok(BundleType::Tar),
        "tgz" => Ok(BundleType::Tgz),
        "zip" => Ok(BundleType::Zip),
        other => Err(unknown_type(revision, other, "tar, tgz and zip")),
    }
}

fn unknown_type(revision: &Members<'_>, value: &str, allowed: &'static str) -> ContentError {
    ContentError::Word {
        member: revision.name("BundleType"),
        value: value.to_owned(),
        allowed,
    }
}
