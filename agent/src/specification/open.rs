//! The way in.

use std::time::SystemTime;

use super::content::parse;
use super::content_error::ContentError;
use super::excerpt::Excerpt;
use super::signature_error::SignatureError;
use super::trust::SignerTrust;
use super::verify::verify;
use super::warning::SpecificationWarning;
use crate::deployment::DeploymentSpec;

/// The one format that is accepted from the service.
const SIGNED: &str = "PKCS7/JSON";

/// A deployment specification is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecificationError {
    /// An envelope of another format, a plain one (`TEXT/JSON`) included.
    #[error(
        "the deployment specification has the format {}; from the service only {SIGNED} is \
         accepted",
        Excerpt(format)
    )]
    Format {
        /// The format.
        format: String,
    },
    /// The signature cannot be relied upon.
    #[error("the signature of the deployment specification does not verify")]
    Signature(#[source] SignatureError),
    /// It verified, and breaks a rule.
    #[error("the deployment specification is not valid")]
    Content(#[source] ContentError),
}

/// A specification that is accepted.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What to deploy.
    pub spec: DeploymentSpec,
    /// What the operator should know; the same for every command of a deployment.
    pub warnings: Vec<SpecificationWarning>,
}

/// Opens the envelope that the service sent: verifies, then parses it.
///
/// # Errors
/// When the format is another than `PKCS7/JSON`, the signature does not verify or its signer is
/// not to be trusted, or the content breaks a rule. No error shows a token.
pub fn open(
    format: &str,
    payload: &str,
    trust: &SignerTrust,
) -> Result<Opened, SpecificationError> {
    if format != SIGNED {
        return Err(SpecificationError::Format {
            format: format.to_owned(),
        });
    }
    let verified =
        verify(payload, trust, SystemTime::now()).map_err(SpecificationError::Signature)?;
    let (spec, warnings) = parse(&verified.content).map_err(SpecificationError::Content)?;
    let warnings = verified.warnings.into_iter().chain(warnings).collect();
    Ok(Opened { spec, warnings })
}
