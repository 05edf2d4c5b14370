//! A certificate authority of the test run.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

use super::der::{
    RSA_SHA256, algorithm, bits, context, integer, octets, oid, sequence, set, tagged, text,
};

/// A key with its certificate.
#[derive(Debug)]
pub(super) struct Certified {
    key: RsaKeyPair,
    /// DER.
    pub(super) certificate: Vec<u8>,
    name: Vec<u8>,
    /// DER of the issuer's name.
    pub(super) issuer: Vec<u8>,
    /// DER.
    pub(super) serial: Vec<u8>,
}

impl Certified {
    /// An authority that has certified itself.
    pub(super) fn authority(name: &str) -> Self {
        Self::make(name, 1, None)
    }

    /// A signer that this authority has certified.
    pub(super) fn certify(&self, name: &str) -> Self {
        Self::make(name, 2, Some(self))
    }

    fn make(name: &str, serial: u8, authority: Option<&Self>) -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let serial = integer(serial);
        let name = common_name(name);
        let issuer = authority.map_or_else(|| name.clone(), |authority| authority.name.clone());
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let valid = sequence(&[
            &tagged(0x17, b"200101000000Z"),
            &tagged(0x17, b"491231235959Z"),
        ]);
        // BasicConstraints, critical; an empty one says that it is no authority.
        let is_authority = if authority.is_none() {
            tagged(0x01, &[0xff])
        } else {
            Vec::new()
        };
        let constraints = sequence(&[
            &oid(&[2, 5, 29, 19]),
            &tagged(0x01, &[0xff]),
            &octets(&sequence(&[&is_authority])),
        ]);
        let to_sign = sequence(&[
            &context(0, &integer(2)),
            &serial,
            &algorithm(RSA_SHA256),
            &issuer,
            &valid,
            &name,
            public.as_ref(),
            &context(3, &sequence(&[&constraints])),
        ]);
        let signing_key = authority.map_or(&key, |authority| &authority.key);
        let signature = bits(&sign(signing_key, &to_sign));
        let certificate = sequence(&[&to_sign, &algorithm(RSA_SHA256), &signature]);
        Self {
            key,
            certificate,
            name,
            issuer,
            serial,
        }
    }

    /// An RSA signature with SHA-256 over `message`.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        sign(&self.key, message)
    }
}

fn sign(key: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
        .unwrap();
    signature
}

fn common_name(name: &str) -> Vec<u8> {
    sequence(&[&set(&[sequence(&[&oid(&[2, 5, 4, 3]), &text(name)])])])
}
