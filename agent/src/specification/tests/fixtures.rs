//! Envelopes that another implementation made (see `fixtures/make.sh`).

use rstest::rstest;

use super::{message, pinned};
use crate::deployment::Revision;
use crate::specification::{SignerTrust, SpecificationWarning, open};

pub(super) const FORMAT: &str = "PKCS7/JSON";

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".pem"))
    };
}
pub(super) use fixture;

/// The content of every fixture.
pub(super) const CONTENT: &str = include_str!("../fixtures/content.json");

#[rstest]
#[case::smime_sha1(fixture!("smime-sha1"))]
#[case::smime_sha256_without_attributes(fixture!("smime-sha256-noattr"))]
#[case::rsa_sha1(fixture!("rsa-sha1"))]
#[case::rsa_sha1_without_attributes(fixture!("rsa-sha1-noattr"))]
#[case::rsa_sha1_ber(fixture!("rsa-sha1-stream"))]
#[case::rsa_sha256(fixture!("rsa-sha256"))]
#[case::rsa_sha256_without_attributes(fixture!("rsa-sha256-noattr"))]
#[case::rsa_sha256_ber(fixture!("rsa-sha256-stream"))]
#[case::rsa_sha384(fixture!("rsa-sha384"))]
#[case::rsa_sha384_without_attributes(fixture!("rsa-sha384-noattr"))]
#[case::rsa_sha384_ber(fixture!("rsa-sha384-stream"))]
#[case::rsa_sha512(fixture!("rsa-sha512"))]
#[case::rsa_sha512_without_attributes(fixture!("rsa-sha512-noattr"))]
#[case::rsa_sha512_ber(fixture!("rsa-sha512-stream"))]
#[case::pss_sha256(fixture!("pss-sha256-digest"))]
#[case::pss_sha256_longest_salt(fixture!("pss-sha256-max"))]
#[case::pss_sha384(fixture!("pss-sha384-digest"))]
#[case::pss_sha384_longest_salt(fixture!("pss-sha384-max"))]
#[case::pss_sha512(fixture!("pss-sha512-digest"))]
#[case::pss_sha512_longest_salt(fixture!("pss-sha512-max"))]
#[case::pss_key(fixture!("pss-key"))]
#[case::ecdsa_p256_sha256(fixture!("p256-sha256"))]
#[case::ecdsa_p256_sha512_without_attributes(fixture!("p256-sha512-noattr"))]
#[case::ecdsa_p384_sha384(fixture!("p384-sha384"))]
#[case::signer_named_by_key_id(fixture!("key-id"))]
#[case::two_signers(fixture!("two-signers"))]
fn is_accepted(#[case] payload: &str) {
    let windows = payload.replace('\n', "\r\n");
    let relabelled = payload.replace("-----BEGIN PKCS7", "-----BEGIN CMS");
    let relabelled = relabelled.replace("-----END PKCS7", "-----END CMS");
    for payload in [payload, &windows, &relabelled] {
        let opened = open(FORMAT, payload, &SignerTrust::any_signer()).unwrap();
        assert_eq!(opened.warnings, []);
        assert_eq!(opened.spec.deployment_id.as_str(), "d-ABCDEF123");
        let Revision::GitHub { token, .. } = opened.spec.revision else {
            panic!("no GitHub")
        };
        assert_eq!(token.unwrap().reveal(), "a-token-that-no-message-may-show");
    }
}

#[rstest]
#[case::rsa(fixture!("rsa-sha256"))]
#[case::smime(fixture!("smime-sha1"))]
#[case::ecdsa(fixture!("p256-sha256"))]
#[case::by_key_id(fixture!("key-id"))]
#[case::two(fixture!("two-signers"))]
fn leads_to_the_root_through_the_authority_inside(#[case] payload: &str) {
    let opened = open(FORMAT, payload, &pinned(&[fixture!("root")])).unwrap();
    assert_eq!(opened.warnings, []);
}

#[test]
fn without_the_authority_in_between_the_root_is_not_reached() {
    let trust = pinned(&[fixture!("root")]);
    let error = message(&open(FORMAT, fixture!("rsa-sha256-noattr"), &trust).unwrap_err());
    assert!(
        error.contains("does not lead to one in signer_ca_file"),
        "{error}"
    );
}

#[test]
fn a_stranger_is_a_warning_and_with_signer_ca_file_an_error() {
    let payload = fixture!("stranger");
    let opened = open(FORMAT, payload, &SignerTrust::any_signer()).unwrap();
    let [SpecificationWarning::StrangeSigner { signer }] = &opened.warnings[..] else {
        panic!("{:?}", opened.warnings);
    };
    assert!(signer.contains("CN=somebody.example.com"), "{signer}");
    let error = message(&open(FORMAT, payload, &pinned(&[fixture!("root")])).unwrap_err());
    assert!(error.contains("CN=somebody.example.com"), "{error}");
    assert!(error.contains("does not lead"), "{error}");
}

#[rstest]
#[case::small_key(fixture!("small-key"), "an RSA key of 1024 bits is not accepted")]
#[case::md5(fixture!("md5"), "digest algorithm 1.2.840.113549.2.5 is not accepted")]
#[case::no_certificate(fixture!("no-certificate"), "0 of the certificates in the envelope")]
#[case::detached(fixture!("detached"), "a signature and no content")]
#[case::certificates_only(fixture!("certificates-only"), "a signature and no content")]
#[case::encrypted(fixture!("encrypted"), "of the kind 1.2.840.113549.1.7.3, not a signed one")]
#[case::a_certificate(fixture!("root"), "no PEM block of the kind PKCS7")]
fn is_refused(#[case] payload: &str, #[case] expected: &str) {
    let error = message(&open(FORMAT, payload, &SignerTrust::any_signer()).unwrap_err());
    assert!(error.contains(expected), "{error}");
}
