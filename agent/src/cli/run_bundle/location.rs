//! From `--bundle-location` and `--type` to a revision.

use std::path::{Path, PathBuf};

use crate::deployment::{BundleType, GitHubToken, Revision};

/// A location that cannot be used; bad usage, not a failed deployment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum LocationError {
    #[error("{location} uses plain http; bundles come over https, from s3:// or from this machine")]
    PlainHttp { location: String },
    #[error(
        "{location} is no location of a bundle; use https://github.com/OWNER/REPO or \
         https://api.github.com/repos/OWNER/REPO/zipball/REF"
    )]
    UnknownAddress { location: String },
    #[error("{location} does not name an object; use s3://BUCKET/KEY[?versionId=V&etag=E]")]
    IncompleteS3 { location: String },
    #[error("{parameter:?} in {location} is not understood; versionId and etag are")]
    UnknownParameter { location: String, parameter: String },
    #[error("the bundle {} does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("the bundle {} is a directory, and --type says {said}", path.display())]
    DirectoryAs { path: PathBuf, said: BundleType },
    #[error("the bundle {} is a file, and --type says directory; use tar, tgz or zip", path.display())]
    FileAsDirectory { path: PathBuf },
    #[error("the name {location} does not tell the bundle's type; add --type tar, tgz or zip")]
    UnknownType { location: String },
    #[error("{location} cannot be fetched as a directory; use --type tar, tgz or zip")]
    RemoteDirectory { location: String },
    #[error("the current directory cannot be told, so {location} leads nowhere")]
    NoCurrentDirectory { location: String },
}

/// Works out what to deploy. Local paths become absolute, since hooks run in `/`.
pub(super) fn revision(
    location: &str,
    given: Option<BundleType>,
    token: Option<GitHubToken>,
) -> Result<Revision, LocationError> {
    if let Some(object) = location.strip_prefix("s3://") {
        return s3(location, object, given);
    }
    if let Some(rest) = location.strip_prefix("https://") {
        return github(location, rest, given, token);
    }
    if location.starts_with("http://") {
        return Err(LocationError::PlainHttp {
            location: location.to_owned(),
        });
    }
    local(location, given)
}

fn s3(location: &str, object: &str, given: Option<BundleType>) -> Result<Revision, LocationError> {
    let incomplete = || LocationError::IncompleteS3 {
        location: location.to_owned(),
    };
    let (bucket, rest) = object.split_once('/').ok_or_else(incomplete)?;
    let (key, query) = match rest.rsplit_once('?') {
        // A key may hold a question mark; only what reads like our parameters is taken off.
        Some((key, query)) if query.contains('=') => (key, query),
        _ => (rest, ""),
    };
    if bucket.is_empty() || key.is_empty() {
        return Err(incomplete());
    }
    let (mut version, mut etag) = (None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("versionId", value)) => version = Some(value.to_owned()),
            Some(("etag", value)) => etag = Some(value.to_owned()),
            _ => {
                return Err(LocationError::UnknownParameter {
                    location: location.to_owned(),
                    parameter: parameter.to_owned(),
                });
            }
        }
    }
    Ok(Revision::S3 {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        bundle_type: archive_type(location, key, given)?,
        version,
        etag,
    })
}

fn github(
    location: &str,
    rest: &str,
    given: Option<BundleType>,
    token: Option<GitHubToken>,
) -> Result<Revision, LocationError> {
    let unknown = || LocationError::UnknownAddress {
        location: location.to_owned(),
    };
    let (host, path) = rest.split_once('/').ok_or_else(unknown)?;
    let path = path.trim_end_matches('/');
    let (account, repository, kind, commit) = match host {
        "github.com" | "www.github.com" => {
            let (account, repository) = path.split_once('/').ok_or_else(unknown)?;
            let repository = repository.strip_suffix(".git").unwrap_or(repository);
            (account, repository, None, "HEAD")
        }
        "api.github.com" => {
            let mut parts = path
                .strip_prefix("repos/")
                .ok_or_else(unknown)?
                .splitn(4, '/');
            let mut part = || parts.next().ok_or_else(unknown);
            let (account, repository, form, commit) = (part()?, part()?, part()?, part()?);
            let kind = match form {
                "zipball" => BundleType::Zip,
                "tarball" => BundleType::Tar,
                _ => return Err(unknown()),
            };
            // The whole rest is the ref: branches may have slashes.
            (account, repository, Some(kind), commit)
        }
        _ => return Err(unknown()),
    };
    if account.is_empty() || repository.is_empty() || repository.contains('/') || commit.is_empty()
    {
        return Err(unknown());
    }
    // As v1 has it: any type but tar is zip.
    let bundle_type = match given.or(kind) {
        Some(BundleType::Tar) => BundleType::Tar,
        _ => BundleType::Zip,
    };
    Ok(Revision::GitHub {
        account: account.to_owned(),
        repository: repository.to_owned(),
        commit: commit.to_owned(),
        bundle_type,
        token,
    })
}

fn local(location: &str, given: Option<BundleType>) -> Result<Revision, LocationError> {
    let path = std::path::absolute(location).map_err(|_| LocationError::NoCurrentDirectory {
        location: location.to_owned(),
    })?;
    if path.is_dir() {
        return match given {
            None | Some(BundleType::Directory) => Ok(Revision::LocalDirectory { location: path }),
            Some(said) => Err(LocationError::DirectoryAs { path, said }),
        };
    }
    if !path.exists() {
        return Err(LocationError::Missing { path });
    }
    if given == Some(BundleType::Directory) {
        return Err(LocationError::FileAsDirectory { path });
    }
    let bundle_type = archive_type(location, location, given)?;
    Ok(Revision::LocalFile {
        location: path,
        bundle_type,
    })
}

/// The type as given, else as the name's ending tells.
fn archive_type(
    location: &str,
    name: &str,
    given: Option<BundleType>,
) -> Result<BundleType, LocationError> {
    if given == Some(BundleType::Directory) {
        return Err(LocationError::RemoteDirectory {
            location: location.to_owned(),
        });
    }
    if let Some(given) = given {
        return Ok(given);
    }
    let name = Path::new(name)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".zip"]) {
        Ok(BundleType::Zip)
    } else if ends(&[".tgz", ".tar.gz"]) {
        Ok(BundleType::Tgz)
    } else if ends(&[".tar", ".tar.bz2", ".tar.xz", ".tar.zst"]) {
        Ok(BundleType::Tar)
    } else {
        Err(LocationError::UnknownType {
            location: location.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn github_parts(location: &str, given: Option<BundleType>) -> (String, BundleType) {
        let Revision::GitHub {
            account,
            repository,
            commit,
            bundle_type,
            ..
        } = revision(location, given, None).unwrap()
        else {
            panic!("{location} is on GitHub");
        };
        (format!("{account} {repository} {commit}"), bundle_type)
    }

    #[rstest]
    #[case("https://github.com/o/r", None, "o r HEAD", BundleType::Zip)]
    #[case(
        "https://github.com/o/r.git/",
        Some(BundleType::Tar),
        "o r HEAD",
        BundleType::Tar
    )]
    #[case(
        "https://github.com/o/r",
        Some(BundleType::Tgz),
        "o r HEAD",
        BundleType::Zip
    )]
    #[case(
        "https://api.github.com/repos/o/r/zipball/main",
        None,
        "o r main",
        BundleType::Zip
    )]
    #[case(
        "https://api.github.com/repos/o/r/tarball/v1",
        None,
        "o r v1",
        BundleType::Tar
    )]
    #[case(
        "https://api.github.com/repos/o/r/tarball/feature/x",
        None,
        "o r feature/x",
        BundleType::Tar
    )]
    fn addresses_on_github(
        #[case] location: &str,
        #[case] given: Option<BundleType>,
        #[case] parts: &str,
        #[case] bundle_type: BundleType,
    ) {
        assert_eq!(
            github_parts(location, given),
            (parts.to_owned(), bundle_type)
        );
    }

    #[test]
    fn an_s3_location_may_name_version_and_etag() {
        assert_eq!(
            revision("s3://b/dir/k.zip?versionId=v1&etag=abc", None, None).unwrap(),
            Revision::S3 {
                bucket: "b".into(),
                key: "dir/k.zip".into(),
                bundle_type: BundleType::Zip,
                version: Some("v1".into()),
                etag: Some("abc".into()),
            }
        );
        let Revision::S3 { key, version, .. } = revision("s3://b/odd?.tgz", None, None).unwrap()
        else {
            panic!("it is on S3");
        };
        assert_eq!((key.as_str(), version), ("odd?.tgz", None));
    }

    #[rstest]
    #[case("http://github.com/o/r")]
    #[case("https://example.com/x.zip")]
    #[case("https://github.com/o")]
    #[case("https://github.com/o/r/tree/main")]
    #[case("https://api.github.com/repos/o/r/zipball")]
    #[case("https://api.github.com/repos/o/r/raw/main")]
    #[case("s3://bucket")]
    #[case("s3:///key.zip")]
    #[case("s3://b/")]
    #[case("s3://b/k.zip?version=1")]
    #[case("s3://b/key-without-ending")]
    #[case("/does/not/exist")]
    fn what_cannot_be_a_bundle_is_bad_usage(#[case] location: &str) {
        assert!(revision(location, None, None).is_err(), "{location}");
    }

    #[test]
    fn the_type_must_fit_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("b.tar.gz");
        fs_err::write(&file, "").unwrap();
        let (directory, file) = (directory.path().to_str().unwrap(), file.to_str().unwrap());
        assert!(revision(directory, Some(BundleType::Zip), None).is_err());
        assert!(revision(file, Some(BundleType::Directory), None).is_err());
        assert_eq!(
            revision(file, None, None).unwrap().bundle_type(),
            BundleType::Tgz
        );
        assert_eq!(
            revision(file, Some(BundleType::Zip), None)
                .unwrap()
                .bundle_type(),
            BundleType::Zip
        );
    }
}
