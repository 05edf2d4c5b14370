//! The deployment specification: from the service's envelope to a checked [`DeploymentSpec`].
//!
//! Invariant: [`open`] is the only way from the network, and nothing of an envelope is looked at
//! before its signature has verified; what does not verify yields an error and never content.
//! A specification says which program runs as root, so this is the place to be strict; which
//! signers are acceptable is [`SignerTrust`]'s to say.
//!
//! ```text
//! envelope --pem--> BER --ber--> DER --signed_data--> content + signers
//!          --verify: each signer's certificate, digest, signature, trust--> verified content
//!          --content: JSON, member by member--> DeploymentSpec
//! ```
//!
//! [`DeploymentSpec`]: crate::deployment::DeploymentSpec

mod algorithm;
mod ber;
mod certificate;
mod content;
mod content_error;
mod excerpt;
mod members;
mod open;
mod pem;
mod revision;
mod signature_error;
mod signed_data;
mod trust;
mod verify;
mod warning;

#[cfg(test)]
mod signing;
#[cfg(test)]
mod tests;

pub use content_error::ContentError;
pub use open::{Opened, SpecificationError, open};
pub use signature_error::SignatureError;
pub use trust::{SignerCaError, SignerTrust};
pub use warning::SpecificationWarning;
