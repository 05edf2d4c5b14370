//! Why an envelope is not accepted.

use der::asn1::ObjectIdentifier;

use super::algorithm::AlgorithmError;
use super::ber::BerError;
use super::certificate::SIGNER_PREFIX;
use super::pem::PemError;
use super::verify::LONGEST;

/// The signature on a specification cannot be relied upon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Far longer than any specification.
    #[error("the envelope is {0} bytes long; at most {LONGEST} are read")]
    TooLong(usize),
    /// Not PEM.
    #[error("the envelope is not a PEM text")]
    Pem(#[source] PemError),
    /// Not BER.
    #[error("the envelope is damaged")]
    Ber(#[source] BerError),
    /// Not a signed message.
    #[error("the envelope is not a PKCS #7 message")]
    Structure(#[source] der::Error),
    /// Another kind of message, such as an encrypted one.
    #[error("the envelope is a PKCS #7 message of the kind {0}, not a signed one")]
    NotSigned(ObjectIdentifier),
    /// The content is elsewhere.
    #[error("the envelope has a signature and no content")]
    NoContent,
    /// Certificates only.
    #[error("nobody signed the envelope")]
    NoSigner,
    /// More signers or certificates than are looked at.
    #[error("the envelope has {certificates} certificates and {signers} signers: too many")]
    TooMany {
        /// How many certificates.
        certificates: usize,
        /// How many signers.
        signers: usize,
    },
    /// The signer's certificate is missing, or there are several.
    #[error("{found} of the certificates in the envelope are the signer's; there must be one")]
    SignerCertificate {
        /// How many there are.
        found: usize,
    },
    /// An attribute that the signature must cover.
    #[error("the signed attribute {0} is not there exactly once with one value")]
    Attribute(ObjectIdentifier),
    /// The content is of another type than the signed attributes say, or of one that needs them.
    #[error("the signed attributes are not those of the content's type")]
    ContentType,
    /// The content was changed.
    #[error("the content is not what was signed: its digest is another one")]
    Digest,
    /// The signature was changed, or cannot be checked.
    #[error("the signature of {signer} does not verify")]
    Signature {
        /// The subject of the signer's certificate.
        signer: String,
        /// Why.
        #[source]
        source: AlgorithmError,
    },
    /// With `signer_ca_file`: no chain.
    #[error(
        "the certificate of the signer {signer} does not lead to one in signer_ca_file; if it is \
         genuine, add the certificate of its authority there"
    )]
    Untrusted {
        /// The subject of the signer's certificate.
        signer: String,
    },
    /// With `signer_ca_file`: a certificate that is not for signing.
    #[error("the certificate of the signer {signer} is not one for signing messages")]
    Usage {
        /// The subject of the signer's certificate.
        signer: String,
    },
    /// With `signer_ca_file`: a chain to somebody else's certificate.
    #[error(
        "the signer {signer} is not one of CodeDeploy's: with signer_ca_file set the common name \
         must begin with {SIGNER_PREFIX}"
    )]
    Stranger {
        /// The subject of the signer's certificate.
        signer: String,
    },
}
