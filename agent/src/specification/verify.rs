//! From an envelope to content that is what the signers signed, or an error.

use std::time::SystemTime;

use cms::signed_data::SignerInfo;
use der::Encode as _;
use der::asn1::{ObjectIdentifier, OctetStringRef};

use super::algorithm::{AlgorithmError, Digest, Scheme};
use super::certificate::Certificate;
use super::signature_error::SignatureError;
use super::signed_data::{SignedMessage, single_value};
use super::trust::SignerTrust;
use super::warning::SpecificationWarning;
use super::{ber, pem};

/// As writers of PKCS #7 call the block.
const LABELS: [&str; 3] = ["PKCS7", "CMS", "PKCS #7 SIGNED DATA"];

/// Longest envelope, in bytes; AWS's are a few thousand.
pub(super) const LONGEST: usize = 1024 * 1024;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// Content that verified. It may hold a secret: no `Debug`.
pub(super) struct Verified {
    pub(super) content: Vec<u8>,
    pub(super) warnings: Vec<SpecificationWarning>,
}

/// Verifies a `PKCS7/JSON` payload. Of several signers all must verify and be acceptable.
///
/// # Errors
/// Whenever anything is not as it should be; there is no partial result.
pub(super) fn verify(
    payload: &str,
    trust: &SignerTrust,
    now: SystemTime,
) -> Result<Verified, SignatureError> {
    if payload.len() > LONGEST {
        return Err(SignatureError::TooLong(payload.len()));
    }
    let envelope = pem::block(payload, &LABELS, "PKCS7").map_err(SignatureError::Pem)?;
    let envelope = ber::to_der(&envelope).map_err(SignatureError::Ber)?;
    let message = SignedMessage::from_der(&envelope)?;
    let mut warnings = Vec::new();
    for signer in &message.signers {
        let certificate = certificate_of(signer, &message.certificates)?;
        verify_signer(signer, certificate, &message)?;
        warnings.extend(trust.judge(certificate, &message.certificates, now)?);
    }
    Ok(Verified {
        content: message.content,
        warnings,
    })
}

fn certificate_of<'a>(
    signer: &SignerInfo,
    certificates: &'a [Certificate],
) -> Result<&'a Certificate, SignatureError> {
    let mut found = certificates
        .iter()
        .filter(|one| one.is_named_by(&signer.sid));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(SignatureError::SignerCertificate { found: 0 }),
        (Some(_), Some(_)) => Err(SignatureError::SignerCertificate {
            found: 2 + found.count(),
        }),
    }
}

fn verify_signer(
    signer: &SignerInfo,
    certificate: &Certificate,
    message: &SignedMessage,
) -> Result<(), SignatureError> {
    let failed = |source: AlgorithmError| SignatureError::Signature {
        signer: certificate.subject(),
        source,
    };
    let digest = Digest::named(&signer.digest_alg).map_err(failed)?;
    let scheme = Scheme::of_signer(&signer.signature_algorithm, digest).map_err(failed)?;
    let signature = signer.signature.as_bytes();
    let signed: &[u8] = match &signer.signed_attrs {
        // Without attributes the content's type is not signed, so it must be the plain one
        // (RFC 5652, 5.3).
        None if message.content_type == DATA => &message.content,
        None => return Err(SignatureError::ContentType),
        Some(attributes) => {
            let content_type: ObjectIdentifier = single_value(attributes, CONTENT_TYPE)?
                .decode_as()
                .map_err(SignatureError::Structure)?;
            if content_type != message.content_type {
                return Err(SignatureError::ContentType);
            }
            let signed_digest: &OctetStringRef = single_value(attributes, MESSAGE_DIGEST)?
                .decode_as()
                .map_err(SignatureError::Structure)?;
            if signed_digest.as_bytes() != digest.of(&message.content).as_ref() {
                return Err(SignatureError::Digest);
            }
            // What is signed is the DER of the SET OF, whatever tag it has in the message.
            &attributes.to_der().map_err(SignatureError::Structure)?
        }
    };
    scheme
        .verify(certificate.key(), signed, signature)
        .map_err(failed)
}
