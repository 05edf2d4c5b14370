//! What an operator should know about a specification that is accepted.

use std::fmt;

use super::certificate::SIGNER_PREFIX;
use super::excerpt::Excerpt;

/// A specification is accepted, and something about it is odd. Every command of a deployment
/// brings the same ones again; equality is for telling what has been logged already.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecificationWarning {
    /// The signer is not called as AWS's are.
    StrangeSigner {
        /// The subject of the signer's certificate.
        signer: String,
    },
    /// With `signer_ca_file`: a certificate of the chain is used outside of its dates.
    OutOfDate {
        /// The certificate's subject.
        subject: String,
        /// Its first moment.
        not_before: String,
        /// Its last moment.
        not_after: String,
    },
    /// A deployment type of the future; treated as in place.
    UnknownDeploymentType(String),
}

impl fmt::Display for SpecificationWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StrangeSigner { signer } => write!(
                f,
                "the deployment specification is signed by {signer}, whose common name does not \
                 begin with {SIGNER_PREFIX}; set signer_ca_file to refuse such signers"
            ),
            Self::OutOfDate {
                subject,
                not_before,
                not_after,
            } => write!(
                f,
                "the certificate of {subject}, with which the deployment specification is signed, \
                 is meant to be used from {not_before} to {not_after}; check the clock, and renew \
                 signer_ca_file"
            ),
            Self::UnknownDeploymentType(value) => write!(
                f,
                "the deployment type {} is not known and is treated as IN_PLACE",
                Excerpt(value)
            ),
        }
    }
}
