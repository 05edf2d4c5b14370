//! Digests, signature schemes and keys: what a signer may use.
//!
//! RSA with SHA-1 or SHA-256 is what AWS signs with today; the rest is accepted so that a change
//! there is no outage (contract: protocol, deployment specification). The digest in a scheme must
//! be the signer's own: a signature is never checked with another one than it claims.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    self, RsaParameters, RsaPssSaltLength, UnparsedPublicKey, VerificationAlgorithm,
};
use der::asn1::{ObjectIdentifier, UintRef};
use der::{Decode as _, Sequence};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const SHA_1: ObjectIdentifier = oid("1.3.14.3.2.26");
const SHA_256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
const SHA_384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
const SHA_1_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.5");
const MGF_1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
const RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const SHA_256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
const SHA_384_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
const SHA_512_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
const EC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
const P_256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
const P_384: ObjectIdentifier = oid("1.3.132.0.34");
const ECDSA_WITH_SHA_256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA_384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA_512: ObjectIdentifier = oid("1.2.840.10045.4.3.4");

const fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

/// A signature that cannot be checked, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    /// A digest that is not accepted.
    #[error("the digest algorithm {0} is not accepted; SHA-1, SHA-256, SHA-384 and SHA-512 are")]
    Digest(ObjectIdentifier),
    /// A signature algorithm that is not accepted.
    #[error("the signature algorithm {0} is not accepted; RSA, RSA-PSS and ECDSA are")]
    Signature(ObjectIdentifier),
    /// A key that is not accepted, or not with this signature algorithm.
    #[error("a key of the kind {0} is not accepted for this signature algorithm")]
    Key(ObjectIdentifier),
    /// A key that is too short to mean anything, or longer than is reasonable.
    #[error("an RSA key of {0} bits is not accepted; 2048 to 8192 bits are")]
    KeySize(usize),
    /// The digest of the signature algorithm is not the one that the signer names.
    #[error("the signature algorithm and the signer name different digest algorithms")]
    DigestsDiffer,
    /// Parameters that mean nothing.
    #[error("the parameters of the signature algorithm are not valid")]
    Parameters(#[source] der::Error),
    /// RSA-PSS in a form that nobody uses.
    #[error("the RSA-PSS parameters are not accepted: {0}")]
    Pss(&'static str),
    /// The key itself is damaged.
    #[error("the public key is not valid")]
    DamagedKey,
    /// All is well-formed, and the signature is not that of these bytes with this key.
    #[error("the signature does not match what it signs: something was changed")]
    Mismatch,
}

/// A digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub(super) fn named(algorithm: &AlgorithmIdentifierOwned) -> Result<Self, AlgorithmError> {
        match algorithm.oid {
            SHA_1 => Ok(Self::Sha1),
            SHA_256 => Ok(Self::Sha256),
            SHA_384 => Ok(Self::Sha384),
            SHA_512 => Ok(Self::Sha512),
            other => Err(AlgorithmError::Digest(other)),
        }
    }

    pub(super) fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RSA PKCS#1 v1.5.
    Pkcs1(Digest),
    /// RSA-PSS with MGF1 over the same digest; the salt's length in bytes.
    Pss(Digest, u16),
    /// ECDSA.
    Ecdsa(Digest),
}

impl Scheme {
    /// The scheme of a signer who names `digest` apart from the signature algorithm.
    pub(super) fn of_signer(
        algorithm: &AlgorithmIdentifierOwned,
        digest: Digest,
    ) -> Result<Self, AlgorithmError> {
        if algorithm.oid == RSA {
            return Ok(Self::Pkcs1(digest));
        }
        let scheme = Self::of_certificate(algorithm)?;
        if scheme.digest() == digest {
            Ok(scheme)
        } else {
            Err(AlgorithmError::DigestsDiffer)
        }
    }

    /// The scheme of a certificate, whose signature algorithm names the digest too.
    pub(super) fn of_certificate(
        algorithm: &AlgorithmIdentifierOwned,
    ) -> Result<Self, AlgorithmError> {
        Ok(match algorithm.oid {
            SHA_1_WITH_RSA => Self::Pkcs1(Digest::Sha1),
            SHA_256_WITH_RSA => Self::Pkcs1(Digest::Sha256),
            SHA_384_WITH_RSA => Self::Pkcs1(Digest::Sha384),
            SHA_512_WITH_RSA => Self::Pkcs1(Digest::Sha512),
            RSA_PSS => pss(algorithm)?,
            ECDSA_WITH_SHA_256 => Self::Ecdsa(Digest::Sha256),
            ECDSA_WITH_SHA_384 => Self::Ecdsa(Digest::Sha384),
            ECDSA_WITH_SHA_512 => Self::Ecdsa(Digest::Sha512),
            other => return Err(AlgorithmError::Signature(other)),
        })
    }

    fn digest(self) -> Digest {
        match self {
            Self::Pkcs1(digest) | Self::Pss(digest, _) | Self::Ecdsa(digest) => digest,
        }
    }

    /// Checks that `signature` is that of `message` with `key`.
    pub(super) fn verify(
        self,
        key: &SubjectPublicKeyInfoOwned,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), AlgorithmError> {
        let bytes = key
            .subject_public_key
            .as_bytes()
            .ok_or(AlgorithmError::DamagedKey)?;
        let verified = match self {
            Self::Pkcs1(digest) => {
                check_rsa_key(self, key, bytes)?;
                UnparsedPublicKey::new(pkcs1_parameters(digest), bytes).verify(message, signature)
            }
            Self::Pss(digest, salt) => {
                check_rsa_key(self, key, bytes)?;
                pss_parameters(digest)?
                    .with_pss_salt_length(RsaPssSaltLength::Custom(salt))
                    .verify_sig(bytes, message, signature)
            }
            Self::Ecdsa(digest) => UnparsedPublicKey::new(ecdsa_algorithm(key, digest)?, bytes)
                .verify(message, signature),
        };
        verified.map_err(|_| AlgorithmError::Mismatch)
    }
}

fn pkcs1_parameters(digest: Digest) -> &'static RsaParameters {
    match digest {
        Digest::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Digest::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Digest::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    }
}

fn pss_parameters(digest: Digest) -> Result<RsaParameters, AlgorithmError> {
    match digest {
        Digest::Sha1 => Err(AlgorithmError::Pss("the digest is SHA-1")),
        Digest::Sha256 => Ok(signature::RSA_PSS_2048_8192_SHA256),
        Digest::Sha384 => Ok(signature::RSA_PSS_2048_8192_SHA384),
        Digest::Sha512 => Ok(signature::RSA_PSS_2048_8192_SHA512),
    }
}

fn ecdsa_algorithm(
    key: &SubjectPublicKeyInfoOwned,
    digest: Digest,
) -> Result<&'static dyn VerificationAlgorithm, AlgorithmError> {
    if key.algorithm.oid != EC_KEY {
        return Err(AlgorithmError::Key(key.algorithm.oid));
    }
    let parameters = key
        .algorithm
        .parameters
        .as_ref()
        .ok_or(AlgorithmError::DamagedKey)?;
    let curve: ObjectIdentifier = parameters
        .decode_as()
        .map_err(|_| AlgorithmError::Key(key.algorithm.oid))?;
    match (curve, digest) {
        (P_256, Digest::Sha256) => Ok(&signature::ECDSA_P256_SHA256_ASN1),
        (P_256, Digest::Sha384) => Ok(&signature::ECDSA_P256_SHA384_ASN1),
        (P_256, Digest::Sha512) => Ok(&signature::ECDSA_P256_SHA512_ASN1),
        (P_384, Digest::Sha256) => Ok(&signature::ECDSA_P384_SHA256_ASN1),
        (P_384, Digest::Sha384) => Ok(&signature::ECDSA_P384_SHA384_ASN1),
        (P_384, Digest::Sha512) => Ok(&signature::ECDSA_P384_SHA512_ASN1),
        (P_256 | P_384, Digest::Sha1) => Err(AlgorithmError::Digest(SHA_1)),
        (other, _) => Err(AlgorithmError::Key(other)),
    }
}

/// A key is for RSA with this scheme, and of a size that the library will take; otherwise it would
/// only say that the signature does not match.
fn check_rsa_key(
    scheme: Scheme,
    key: &SubjectPublicKeyInfoOwned,
    bytes: &[u8],
) -> Result<(), AlgorithmError> {
    match (key.algorithm.oid, scheme) {
        (RSA, _) => {}
        // A key for RSA-PSS alone; it may be bound to one digest (RFC 4055, 3.1).
        (RSA_PSS, Scheme::Pss(digest, _)) => {
            if key.algorithm.parameters.is_some() && pss(&key.algorithm)?.digest() != digest {
                return Err(AlgorithmError::DigestsDiffer);
            }
        }
        (other, _) => return Err(AlgorithmError::Key(other)),
    }
    let key = RsaPublicKey::from_der(bytes).map_err(|_| AlgorithmError::DamagedKey)?;
    let modulus = key.modulus.as_bytes();
    let unused = modulus
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    match modulus.len() * 8 - unused {
        2048..=8192 => Ok(()),
        bits => Err(AlgorithmError::KeySize(bits)),
    }
}

/// RFC 8017, A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// RFC 4055, 3.1. What is absent has a default: SHA-1, MGF1 with SHA-1, 20, 1.
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    digest: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt: Option<u16>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

fn pss(algorithm: &AlgorithmIdentifierOwned) -> Result<Scheme, AlgorithmError> {
    let parameters = algorithm
        .parameters
        .as_ref()
        .ok_or(AlgorithmError::Pss("there are none"))?;
    let parameters: PssParameters = parameters.decode_as().map_err(AlgorithmError::Parameters)?;
    let digest = match &parameters.digest {
        Some(named) => Digest::named(named)?,
        None => Digest::Sha1,
    };
    let mask_digest = match &parameters.mask {
        Some(mask) if mask.oid == MGF_1 => {
            let named = mask.parameters.as_ref();
            let named = named.ok_or(AlgorithmError::Pss("the mask names no digest"))?;
            Digest::named(&named.decode_as().map_err(AlgorithmError::Parameters)?)?
        }
        Some(_) => return Err(AlgorithmError::Pss("the mask is not MGF1")),
        None => Digest::Sha1,
    };
    if mask_digest != digest {
        return Err(AlgorithmError::Pss("the mask has a digest of its own"));
    }
    if parameters.trailer.is_some_and(|trailer| trailer != 1) {
        return Err(AlgorithmError::Pss("the trailer is not the standard one"));
    }
    Ok(Scheme::Pss(digest, parameters.salt.unwrap_or(20)))
}

#[cfg(test)]
mod tests {
    use der::Any;
    use rstest::rstest;

    use super::*;

    fn named(oid: ObjectIdentifier) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned {
            oid,
            parameters: None,
        }
    }

    fn with(oid: ObjectIdentifier, parameters: Any) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned {
            oid,
            parameters: Some(parameters),
        }
    }

    #[rstest]
    #[case(RSA, Digest::Sha1, Ok(Scheme::Pkcs1(Digest::Sha1)))]
    #[case(RSA, Digest::Sha512, Ok(Scheme::Pkcs1(Digest::Sha512)))]
    #[case(SHA_1_WITH_RSA, Digest::Sha1, Ok(Scheme::Pkcs1(Digest::Sha1)))]
    #[case(SHA_256_WITH_RSA, Digest::Sha256, Ok(Scheme::Pkcs1(Digest::Sha256)))]
    #[case(SHA_384_WITH_RSA, Digest::Sha384, Ok(Scheme::Pkcs1(Digest::Sha384)))]
    #[case(SHA_512_WITH_RSA, Digest::Sha512, Ok(Scheme::Pkcs1(Digest::Sha512)))]
    #[case(ECDSA_WITH_SHA_384, Digest::Sha384, Ok(Scheme::Ecdsa(Digest::Sha384)))]
    #[case(SHA_256_WITH_RSA, Digest::Sha1, Err(AlgorithmError::DigestsDiffer))]
    #[case(ECDSA_WITH_SHA_256, Digest::Sha512, Err(AlgorithmError::DigestsDiffer))]
    #[case(EC_KEY, Digest::Sha256, Err(AlgorithmError::Signature(EC_KEY)))]
    #[case(RSA_PSS, Digest::Sha256, Err(AlgorithmError::Pss("there are none")))]
    fn the_scheme_of_a_signer(
        #[case] algorithm: ObjectIdentifier,
        #[case] digest: Digest,
        #[case] expected: Result<Scheme, AlgorithmError>,
    ) {
        assert_eq!(Scheme::of_signer(&named(algorithm), digest), expected);
    }

    #[test]
    fn a_certificate_must_name_its_digest() {
        let error = Scheme::of_certificate(&named(RSA));
        assert_eq!(error, Err(AlgorithmError::Signature(RSA)));
    }

    fn pss_of(digest: ObjectIdentifier, mask: ObjectIdentifier, trailer: Option<u8>) -> Any {
        let mask = with(MGF_1, Any::encode_from(&named(mask)).unwrap());
        let parameters = PssParameters {
            digest: Some(named(digest)),
            mask: Some(mask),
            salt: Some(32),
            trailer,
        };
        Any::encode_from(&parameters).unwrap()
    }

    #[test]
    fn pss_parameters_must_be_the_usual_ones() {
        let scheme = |parameters| Scheme::of_certificate(&with(RSA_PSS, parameters));
        let good = Ok(Scheme::Pss(Digest::Sha256, 32));
        assert_eq!(scheme(pss_of(SHA_256, SHA_256, None)), good);
        assert_eq!(scheme(pss_of(SHA_256, SHA_256, Some(1))), good);
        for bad in [
            pss_of(SHA_256, SHA_1, None),
            pss_of(SHA_256, SHA_256, Some(2)),
        ] {
            assert!(matches!(scheme(bad), Err(AlgorithmError::Pss(_))));
        }
        assert!(matches!(
            scheme(Any::null()),
            Err(AlgorithmError::Parameters(_))
        ));
        // An empty sequence means SHA-1, which is not accepted with PSS.
        let defaults = PssParameters {
            digest: None,
            mask: None,
            salt: None,
            trailer: None,
        };
        let defaults = scheme(Any::encode_from(&defaults).unwrap());
        assert_eq!(defaults, Ok(Scheme::Pss(Digest::Sha1, 20)));
        assert!(pss_parameters(Digest::Sha1).is_err());
    }

    #[test]
    fn a_key_is_used_as_what_it_is_only() {
        let key = |algorithm| SubjectPublicKeyInfoOwned {
            algorithm,
            subject_public_key: der::asn1::BitString::from_bytes(&[4; 65]).unwrap(),
        };
        let curve = |oid| with(EC_KEY, Any::encode_from(&oid).unwrap());
        let (rsa, ecdsa) = (Scheme::Pkcs1(Digest::Sha256), Scheme::Ecdsa(Digest::Sha256));
        let verify = |scheme: Scheme, algorithm| scheme.verify(&key(algorithm), b"m", b"s");
        assert_eq!(verify(rsa, curve(P_256)), Err(AlgorithmError::Key(EC_KEY)));
        assert_eq!(
            verify(rsa, named(RSA_PSS)),
            Err(AlgorithmError::Key(RSA_PSS))
        );
        assert_eq!(verify(rsa, named(RSA)), Err(AlgorithmError::DamagedKey));
        assert_eq!(verify(ecdsa, named(RSA)), Err(AlgorithmError::Key(RSA)));
        assert_eq!(
            verify(ecdsa, named(EC_KEY)),
            Err(AlgorithmError::DamagedKey)
        );
        assert_eq!(verify(ecdsa, curve(SHA_1)), Err(AlgorithmError::Key(SHA_1)));
        assert_eq!(verify(ecdsa, curve(P_256)), Err(AlgorithmError::Mismatch));
    }
}
