//! One certificate, with the bytes that its issuer signed kept as they came.

use std::time::SystemTime;

use cms::signed_data::SignerIdentifier;
use der::asn1::{BitString, ObjectIdentifier};
use der::{Any, Decode as _, Encode as _, Sequence};
use x509_cert::TbsCertificate;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::algorithm::Scheme;
use super::excerpt::Excerpt;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// How AWS's signers are called: `codedeploy-signer-<region>.amazonaws.com`.
pub(super) const SIGNER_PREFIX: &str = "codedeploy-signer-";

/// Extensions that are obeyed here, or that say nothing about who may sign a specification:
/// subjectAltName, keyUsage, basicConstraints, certificatePolicies, extKeyUsage. Any other one
/// that is critical makes a certificate unusable in a chain (RFC 5280, 4.2), name constraints too.
const UNDERSTOOD: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// RFC 5280, 4.1, with the signed part left alone: decoding and encoding it again would repair
/// what is not quite DER in it, and the signature would not match any more.
#[derive(Sequence)]
struct Outer {
    signed: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// A certificate.
#[derive(Clone)]
pub(super) struct Certificate {
    whole: Vec<u8>,
    signed: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
    fields: TbsCertificate,
}

impl Certificate {
    pub(super) fn from_der(bytes: &[u8]) -> der::Result<Self> {
        let outer = Outer::from_der(bytes)?;
        let signed = outer.signed.to_der()?;
        Ok(Self {
            whole: bytes.to_vec(),
            fields: TbsCertificate::from_der(&signed)?,
            signed,
            algorithm: outer.algorithm,
            signature: outer.signature.as_bytes().unwrap_or_default().to_vec(),
        })
    }

    /// All of it, as it came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.whole
    }

    /// Whether a signer names this certificate as its own.
    pub(super) fn is_named_by(&self, signer: &SignerIdentifier) -> bool {
        match signer {
            SignerIdentifier::IssuerAndSerialNumber(name) => {
                self.fields.issuer() == &name.issuer
                    && self.fields.serial_number() == &name.serial_number
            }
            SignerIdentifier::SubjectKeyIdentifier(name) => {
                matches!(self.fields.get_extension::<SubjectKeyIdentifier>(),
                    Ok(Some((_, id))) if &id == name)
            }
        }
    }

    pub(super) fn key(&self) -> &SubjectPublicKeyInfoOwned {
        self.fields.subject_public_key_info()
    }

    /// The subject's name, for messages.
    pub(super) fn subject(&self) -> String {
        Excerpt(&self.fields.subject().to_string()).to_string()
    }

    /// Whether the common name is that of a signer of AWS's. Of several names each must be one:
    /// which of them a reader takes is not ours to guess.
    pub(super) fn is_codedeploy_signer(&self) -> bool {
        let mut names = self
            .fields
            .subject()
            .iter()
            .filter(|part| part.oid == COMMON_NAME)
            .peekable();
        names.peek().is_some()
            && names.all(|name| {
                name.value
                    .value()
                    .strip_prefix(SIGNER_PREFIX.as_bytes())
                    .is_some_and(|rest| !rest.is_empty())
            })
    }

    /// The dates outside of which it is not meant to be used, when `now` is.
    pub(super) fn expired_dates(&self, now: SystemTime) -> Option<(String, String)> {
        let validity = self.fields.validity();
        let valid = validity.not_before.to_system_time()..=validity.not_after.to_system_time();
        (!valid.contains(&now)).then(|| {
            (
                validity.not_before.to_string(),
                validity.not_after.to_string(),
            )
        })
    }

    /// Whether this certificate's key signed `other`, and the names say so too. The algorithm
    /// beside the signature is not covered by it; its copy in the signed part is.
    pub(super) fn issued(&self, other: &Self) -> bool {
        self.fields.subject() == other.fields.issuer()
            && other.fields.signature() == &other.algorithm
            && Scheme::of_certificate(&other.algorithm)
                .and_then(|scheme| scheme.verify(self.key(), &other.signed, &other.signature))
                .is_ok()
    }

    /// Whether it may issue a certificate that has `below` authorities between it and the signer.
    pub(super) fn may_issue(&self, below: usize) -> bool {
        let authority = match self.fields.get_extension::<BasicConstraints>() {
            Ok(Some((_, constraints))) => {
                constraints.ca
                    && constraints
                        .path_len_constraint
                        .is_none_or(|most| below <= most.into())
            }
            Ok(None) | Err(_) => false,
        };
        authority && self.usage_allows(KeyUsage::key_cert_sign) && self.is_understood()
    }

    /// As [`may_issue`](Self::may_issue), for a certificate that the operator trusts: roots from
    /// before extensions existed are authorities too.
    pub(super) fn may_issue_as_anchor(&self, below: usize) -> bool {
        self.fields.version() == Version::V1 || self.may_issue(below)
    }

    /// Whether its key may sign messages.
    pub(super) fn may_sign(&self) -> bool {
        self.usage_allows(|usage| usage.digital_signature() || usage.non_repudiation())
            && self.is_understood()
    }

    fn usage_allows(&self, allows: impl Fn(&KeyUsage) -> bool) -> bool {
        match self.fields.get_extension::<KeyUsage>() {
            Ok(Some((_, usage))) => allows(&usage),
            Ok(None) => true,
            Err(_) => false,
        }
    }

    fn is_understood(&self) -> bool {
        let extensions = self
            .fields
            .extensions()
            .map(Vec::as_slice)
            .unwrap_or_default();
        extensions
            .iter()
            .all(|one| !one.critical || UNDERSTOOD.contains(&one.extn_id))
    }
}
