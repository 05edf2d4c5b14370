//! One changed byte anywhere: an error, or the content that was signed, and never another one.

use proptest::prelude::*;
use rstest::rstest;

use super::fixtures::{CONTENT, FORMAT, fixture};
use super::pinned;
use crate::specification::pem::block;
use crate::specification::signed_data::SignedMessage;
use crate::specification::signing::pem;
use crate::specification::verify::verify;
use crate::specification::{SignatureError, SignerTrust, SpecificationError, ber, open};

fn decode(payload: &str) -> Vec<u8> {
    block(payload, &["PKCS7", "CMS"], "PKCS7").unwrap()
}

fn position(haystack: &[u8], needle: &[u8]) -> usize {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap()
}

/// The content that verifies.
fn content(bytes: &[u8], trust: &SignerTrust) -> Result<Vec<u8>, SignatureError> {
    verify(&pem("PKCS7", bytes), trust, std::time::SystemTime::now()).map(|found| found.content)
}

#[rstest]
#[case::attributes(fixture!("rsa-sha256"))]
#[case::no_attributes(fixture!("rsa-sha256-noattr"))]
#[case::ber(fixture!("rsa-sha1-stream"))]
#[case::pss(fixture!("pss-sha256-digest"))]
#[case::ecdsa(fixture!("p256-sha256"))]
#[case::two_signers(fixture!("two-signers"))]
fn every_byte_in_turn(#[case] payload: &str) {
    let original = decode(payload);
    let trust = SignerTrust::any_signer();
    for index in 0..original.len() {
        for flip in [0x01, 0x80] {
            let mut changed = original.clone();
            changed[index] ^= flip;
            if let Ok(content) = content(&changed, &trust) {
                assert!(content == CONTENT.as_bytes(), "byte {index} ^ {flip:#x}");
            }
        }
    }
}

/// With a pinned root nothing that matters is left unsigned: the whole certificates are covered.
#[test]
fn every_byte_of_the_certificates_with_a_pinned_root() {
    let original = decode(fixture!("p256-sha256"));
    let trust = pinned(&[fixture!("root")]);
    assert!(content(&original, &trust).is_ok());
    let message = SignedMessage::from_der(&original).unwrap();
    assert_eq!(message.certificates.len(), 2);
    let covered = message.certificates.iter().flat_map(|certificate| {
        let start = position(&original, certificate.bytes());
        start..start + certificate.bytes().len()
    });
    for index in covered {
        let mut changed = original.clone();
        changed[index] ^= 0x01;
        assert!(content(&changed, &trust).is_err(), "byte {index}");
    }
}

#[rstest]
#[case::attributes(fixture!("rsa-sha256"))]
#[case::no_attributes(fixture!("rsa-sha256-noattr"))]
#[case::ber(fixture!("rsa-sha512-stream"))]
#[case::pss(fixture!("pss-sha512-max"))]
#[case::ecdsa(fixture!("p384-sha384"))]
#[case::one_of_two_signers(fixture!("two-signers"))]
fn every_byte_of_the_content_and_of_the_signature(#[case] payload: &str) {
    let original = decode(payload);
    let trust = SignerTrust::any_signer();
    let start = position(&original, CONTENT.as_bytes());
    // The last element of a signer is its signature; BER has only ends of lengths after it.
    let der = ber::to_der(&original).unwrap();
    let signature = position(&original, &der[der.len() - 64..]);
    for index in (start..start + CONTENT.len()).chain(signature..signature + 64) {
        let mut changed = original.clone();
        changed[index] ^= 0x10;
        let error = content(&changed, &trust).unwrap_err();
        assert!(
            matches!(
                error,
                SignatureError::Digest | SignatureError::Signature { .. }
            ),
            "byte {index}: {error:?}"
        );
    }
}

#[test]
fn every_byte_of_the_signed_attributes() {
    let original = decode(fixture!("rsa-sha256"));
    // From the first attribute's identifier to the end of the message digest.
    let start = position(&original, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3]);
    let digest = crate::specification::algorithm::Digest::Sha256.of(CONTENT.as_bytes());
    let end = position(&original, digest.as_ref()) + 32;
    assert!(start < end);
    for index in start..end {
        let mut changed = original.clone();
        changed[index] ^= 0x04;
        assert!(
            content(&changed, &SignerTrust::any_signer()).is_err(),
            "byte {index}"
        );
    }
}

#[test]
fn the_content_of_one_envelope_in_another_is_refused() {
    let (one, other) = (
        decode(fixture!("rsa-sha256")),
        CONTENT.replace("Shop", "Evil"),
    );
    let start = position(&one, CONTENT.as_bytes());
    let mut forged = one;
    forged[start..start + other.len()].copy_from_slice(other.as_bytes());
    let error = open(FORMAT, &pem("PKCS7", &forged), &SignerTrust::any_signer()).unwrap_err();
    assert_eq!(error, SpecificationError::Signature(SignatureError::Digest));
}

proptest! {
    #[test]
    fn several_changed_bytes(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        for payload in [fixture!("rsa-sha256"), fixture!("rsa-sha256-stream"), fixture!("pss-sha384-max")] {
            let mut bytes = decode(payload);
            for (index, flip) in &changes {
                let index = index.index(bytes.len());
                bytes[index] ^= flip;
            }
            if let Some(cut) = &cut {
                bytes.remove(cut.index(bytes.len()));
            }
            if let Ok(content) = content(&bytes, &SignerTrust::any_signer()) {
                prop_assert_eq!(content, CONTENT.as_bytes());
            }
        }
    }
}
