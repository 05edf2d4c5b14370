//! CMS SignedData (RFC 5652, 5; PKCS #7 is its older name) taken apart. Nothing is verified here.

use cms::cert::x509::attr::Attributes;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{EncapsulatedContentInfo, SignerInfo};
use der::asn1::{ObjectIdentifier, OctetStringRef, SetOfVec};
use der::{Any, Decode as _, Encode as _, Sequence, Tag, Tagged as _};

use super::certificate::Certificate;
use super::signature_error::SignatureError;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// More than any signer has. Each costs time before anything is verified.
const MOST_CERTIFICATES: usize = 32;
const MOST_SIGNERS: usize = 8;

/// As the `cms` crate has it, but certificates and revocation lists are left as they are: one that
/// does not concern us must not make the message unreadable, and their order is free in BER.
#[derive(Sequence)]
struct SignedData {
    version: CmsVersion,
    /// Each signer names its own.
    digest_algorithms: Any,
    content: EncapsulatedContentInfo,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<Vec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    revocations: Option<Vec<Any>>,
    signers: SetOfVec<SignerInfo>,
}

/// A signed message, not verified.
pub(super) struct SignedMessage {
    pub(super) content_type: ObjectIdentifier,
    pub(super) content: Vec<u8>,
    /// Those that can be read; in no order that means anything.
    pub(super) certificates: Vec<Certificate>,
    /// At least one.
    pub(super) signers: Vec<SignerInfo>,
}

impl SignedMessage {
    pub(super) fn from_der(bytes: &[u8]) -> Result<Self, SignatureError> {
        let info = ContentInfo::from_der(bytes).map_err(SignatureError::Structure)?;
        if info.content_type != SIGNED_DATA {
            return Err(SignatureError::NotSigned(info.content_type));
        }
        let data: SignedData = info
            .content
            .decode_as()
            .map_err(SignatureError::Structure)?;
        let content = data.content.econtent.ok_or(SignatureError::NoContent)?;
        let content: &OctetStringRef = content.decode_as().map_err(SignatureError::Structure)?;

        let certificates = data.certificates.unwrap_or_default();
        let signers = data.signers.into_vec();
        if certificates.len() > MOST_CERTIFICATES || signers.len() > MOST_SIGNERS {
            return Err(SignatureError::TooMany {
                certificates: certificates.len(),
                signers: signers.len(),
            });
        }
        if signers.is_empty() {
            return Err(SignatureError::NoSigner);
        }
        Ok(Self {
            content_type: data.content.econtent_type,
            content: content.as_bytes().to_vec(),
            certificates: certificates.iter().filter_map(readable).collect(),
            signers,
        })
    }
}

/// The certificate, when it is one of X.509 (other kinds have other tags) and can be read.
fn readable(any: &Any) -> Option<Certificate> {
    if any.tag() != Tag::Sequence {
        return None;
    }
    Certificate::from_der(&any.to_der().ok()?).ok()
}

/// The single value of the attribute `oid`, which must be there once.
pub(super) fn single_value(
    attributes: &Attributes,
    oid: ObjectIdentifier,
) -> Result<&Any, SignatureError> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    match (
        found.next().map(|attribute| attribute.values.as_slice()),
        found.next(),
    ) {
        (Some([value]), None) => Ok(value),
        _ => Err(SignatureError::Attribute(oid)),
    }
}
