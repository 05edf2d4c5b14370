//! The way in.

use std::time::SystemTime;

use super::content::parse;
use super::content_error::ContentError;
use super::excerpt::Excerpt;
use super::revision::Origin;
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
    let mut opened = opened(&verified.content, Origin::Network)?;
    opened.warnings.splice(0..0, verified.warnings);
    Ok(opened)
}

/// Parses a plain specification (`TEXT/JSON`) that a user of this host wrote. It is not signed,
/// and may name files of this host: never for what came over the network.
///
/// # Errors
/// When the content breaks a rule.
pub fn open_local(payload: &str) -> Result<Opened, SpecificationError> {
    opened(payload.as_bytes(), Origin::Local)
}

fn opened(content: &[u8], origin: Origin) -> Result<Opened, SpecificationError> {
    let (spec, warnings) = parse(content, origin).map_err(SpecificationError::Content)?;
    Ok(Opened { spec, warnings })
}
