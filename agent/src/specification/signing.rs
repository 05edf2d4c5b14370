//! Test support: identities with certificates made at run time, and envelopes signed by them.
//! ECDSA, because its keys are made at once; other algorithms are in the fixtures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::x509::Certificate as X509;
use cms::cert::x509::attr::Attribute;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode as _, Encode as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SigningKey as _,
};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::algorithm::Digest;

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ECDSA_WITH_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
pub(super) const CONTENT_TYPE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
pub(super) const MESSAGE_DIGEST: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");

/// The name of a genuine signer.
pub(super) const SIGNER: &str = "codedeploy-signer-eu-west-1.amazonaws.com";

/// A key and its certificate.
pub(super) struct Identity {
    params: CertificateParams,
    key: KeyPair,
    pub(super) certificate: Vec<u8>,
}

/// Parameters of a signer's certificate.
pub(super) fn signer(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

/// Parameters of an authority's certificate.
pub(super) fn authority(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Identity {
    pub(super) fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            params,
            key,
            certificate,
        }
    }

    pub(super) fn issue(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self {
            params,
            key,
            certificate,
        }
    }

    /// Another certificate for the key of this identity, signed with that key.
    pub(super) fn certified_again(&self, params: CertificateParams) -> Self {
        let key = KeyPair::try_from(self.key.serialize_der()).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self {
            params,
            key,
            certificate,
        }
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }
}

pub(super) fn pem(label: &str, bytes: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(bytes)
    )
}

/// What to sign and how; the default signs as RFC 5652 has it.
pub(super) struct Message<'a> {
    pub(super) content: &'a [u8],
    pub(super) content_type: ObjectIdentifier,
    /// None: the content itself is signed.
    pub(super) attributes: Option<Vec<Attribute>>,
    pub(super) certificates: Vec<&'a Identity>,
}

pub(super) fn attribute(oid: ObjectIdentifier, values: Vec<Any>) -> Attribute {
    Attribute {
        oid,
        values: values.try_into().unwrap(),
    }
}

pub(super) fn content_type(oid: ObjectIdentifier) -> Attribute {
    attribute(CONTENT_TYPE, vec![Any::encode_from(&oid).unwrap()])
}

pub(super) fn message_digest(content: &[u8]) -> Attribute {
    let digest = OctetString::new(Digest::Sha256.of(content).as_ref()).unwrap();
    attribute(MESSAGE_DIGEST, vec![Any::encode_from(&digest).unwrap()])
}

impl<'a> Message<'a> {
    pub(super) fn new(content: &'a [u8]) -> Self {
        Self {
            content,
            content_type: DATA,
            attributes: Some(vec![content_type(DATA), message_digest(content)]),
            certificates: vec![],
        }
    }

    /// The envelope's payload, signed by `signer`, whose certificate is inside with the others.
    pub(super) fn signed_by(mut self, signer: &'a Identity) -> String {
        self.certificates.push(signer);
        pem("PKCS7", &self.der(signer))
    }

    pub(super) fn der(&self, signer: &Identity) -> Vec<u8> {
        let certificate = X509::from_der(&signer.certificate).unwrap();
        let tbs = certificate.tbs_certificate();
        let attributes: Option<SetOfVec<Attribute>> = self
            .attributes
            .clone()
            .map(|attributes| attributes.try_into().unwrap());
        let signed = match &attributes {
            Some(attributes) => attributes.to_der().unwrap(),
            None => self.content.to_vec(),
        };
        let sid = SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: tbs.issuer().clone(),
            serial_number: tbs.serial_number().clone(),
        });
        let algorithm = |oid| AlgorithmIdentifierOwned {
            oid,
            parameters: None,
        };
        let info = SignerInfo {
            version: CmsVersion::V1,
            sid,
            digest_alg: algorithm(SHA_256),
            signed_attrs: attributes,
            signature_algorithm: algorithm(ECDSA_WITH_SHA_256),
            signature: OctetString::new(signer.key.sign(&signed).unwrap()).unwrap(),
            unsigned_attrs: None,
        };
        let content = OctetString::new(self.content).unwrap();
        let certificates: Vec<CertificateChoices> = self
            .certificates
            .iter()
            .map(|one| X509::from_der(&one.certificate).unwrap())
            .map(CertificateChoices::Certificate)
            .collect();
        let data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: vec![algorithm(SHA_256)].try_into().unwrap(),
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: self.content_type,
                econtent: Some(Any::encode_from(&content).unwrap()),
            },
            certificates: Some(CertificateSet::try_from(certificates).unwrap()),
            crls: None,
            signer_infos: SignerInfos::try_from(vec![info]).unwrap(),
        };
        let info = ContentInfo {
            content_type: SIGNED_DATA,
            content: Any::encode_from(&data).unwrap(),
        };
        info.to_der().unwrap()
    }
}
