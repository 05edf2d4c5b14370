//! From the command line to an identity.

use std::path::PathBuf;
use std::time::SystemTime;

use super::key_pair::{self, KeyPairError};
use crate::cli::arguments::RegisterArguments;
use crate::identity::{
    CredentialsFile, CredentialsFileError, IamArn, InvalidArn, InvalidRegion, OnPremises,
    OnPremisesCredentials, Region,
};

/// What was given makes no identity.
#[derive(Debug, thiserror::Error)]
pub(super) enum CandidateError {
    #[error("--region cannot be used")]
    Region(#[source] InvalidRegion),
    #[error("--iam-user-arn cannot be used")]
    UserArn(#[source] InvalidArn),
    #[error("--iam-session-arn cannot be used")]
    SessionArn(#[source] InvalidArn),
    #[error("--credentials-file {} cannot be used; give an absolute path in UTF-8", path.display())]
    Path { path: PathBuf },
    #[error("--credentials-file cannot be used")]
    Credentials(#[source] CredentialsFileError),
    #[error("the user's key pair cannot be used")]
    KeyPair(#[source] KeyPairError),
    #[error("neither --iam-user-arn nor --iam-session-arn says who the host is; give one of them")]
    Nobody,
}

/// The identity, with credentials that are there and look like some.
pub(super) fn identity(arguments: &RegisterArguments) -> Result<OnPremises, CandidateError> {
    let region = Region::new(&arguments.region).map_err(CandidateError::Region)?;
    let (arn, credentials) = match (
        &arguments.iam_user_arn,
        &arguments.iam_session_arn,
        &arguments.credentials_file,
    ) {
        (Some(arn), ..) => {
            let arn = IamArn::user(arn, &region).map_err(CandidateError::UserArn)?;
            (arn, key_pair::read().map_err(CandidateError::KeyPair)?)
        }
        (None, Some(arn), Some(file)) => {
            let arn = IamArn::session(arn, &region).map_err(CandidateError::SessionArn)?;
            let is_plain = |text: &str| !text.contains(char::is_control) && text.trim() == text;
            if !file.is_absolute() || !file.to_str().is_some_and(is_plain) {
                return Err(CandidateError::Path { path: file.clone() });
            }
            CredentialsFile::new(file.clone())
                .load(SystemTime::now())
                .map_err(CandidateError::Credentials)?;
            let credentials = OnPremisesCredentials::Session {
                credentials_file: file.clone(),
            };
            (arn, credentials)
        }
        _ => return Err(CandidateError::Nobody),
    };
    Ok(OnPremises {
        region,
        host_identifier: arn.as_str().to_owned(),
        credentials,
    })
}
