//! Envelopes that are not as they should be.

use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerInfos};
use der::asn1::ObjectIdentifier;
use der::{Any, Decode as _, Encode as _};
use proptest::prelude::*;
use rstest::rstest;

use super::fixtures::{CONTENT, FORMAT, fixture};
use super::message;
use crate::specification::signing::{
    CONTENT_TYPE, DATA, Identity, MESSAGE_DIGEST, Message, SIGNER, attribute, content_type,
    message_digest, pem, signer,
};
use crate::specification::{SignatureError, SignerTrust, SpecificationError, open};

const OTHER_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.3.4");

fn refusal(format: &str, payload: &str) -> String {
    message(&open(format, payload, &SignerTrust::any_signer()).unwrap_err())
}

fn refused_signature(payload: &str) -> SignatureError {
    match open(FORMAT, payload, &SignerTrust::any_signer()).unwrap_err() {
        SpecificationError::Signature(error) => error,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::plain("TEXT/JSON")]
#[case::other_case("pkcs7/json")]
#[case::nothing("")]
#[case::unknown("PKCS9/YAML")]
fn a_format_other_than_pkcs7_is_refused_and_named(#[case] format: &str) {
    for payload in [CONTENT, fixture!("rsa-sha256")] {
        let error = refusal(format, payload);
        assert!(error.contains(&format!("{format:?}")), "{error}");
        assert!(error.contains("PKCS7/JSON"), "{error}");
    }
}

#[test]
fn a_long_format_does_not_make_a_long_message() {
    assert!(refusal(&"\u{1b}x".repeat(10_000), "").len() < 2000);
}

#[test]
fn plain_text_is_no_envelope() {
    assert!(refusal(FORMAT, CONTENT).contains("not a PEM text"));
}

#[test]
fn a_run_time_signer_is_accepted() {
    let identity = Identity::self_signed(signer(SIGNER));
    let payload = Message::new(CONTENT.as_bytes()).signed_by(&identity);
    assert_eq!(
        open(FORMAT, &payload, &SignerTrust::any_signer())
            .unwrap()
            .warnings,
        []
    );
}

#[rstest]
#[case::no_attributes_and_another_type(OTHER_TYPE, None)]
#[case::type_differs(OTHER_TYPE, Some(vec![content_type(DATA), message_digest(CONTENT.as_bytes())]))]
fn the_type_of_the_content_must_be_signed(
    #[case] actual: ObjectIdentifier,
    #[case] attributes: Option<Vec<cms::cert::x509::attr::Attribute>>,
) {
    let identity = Identity::self_signed(signer(SIGNER));
    let mut message = Message::new(CONTENT.as_bytes());
    message.content_type = actual;
    message.attributes = attributes;
    assert_eq!(
        refused_signature(&message.signed_by(&identity)),
        SignatureError::ContentType
    );
}

#[test]
fn the_attributes_must_be_there_once_with_one_value() {
    let content = CONTENT.as_bytes();
    let identity = Identity::self_signed(signer(SIGNER));
    let type_ = || Any::encode_from(&DATA).unwrap();
    let other = || Any::encode_from(&OTHER_TYPE).unwrap();
    let cases = [
        (vec![], CONTENT_TYPE),
        (vec![message_digest(content)], CONTENT_TYPE),
        (vec![content_type(DATA)], MESSAGE_DIGEST),
        (
            vec![
                message_digest(content),
                content_type(DATA),
                content_type(OTHER_TYPE),
            ],
            CONTENT_TYPE,
        ),
        (
            vec![
                message_digest(content),
                attribute(CONTENT_TYPE, vec![type_(), other()]),
            ],
            CONTENT_TYPE,
        ),
        (
            vec![message_digest(content), attribute(CONTENT_TYPE, vec![])],
            CONTENT_TYPE,
        ),
        (
            vec![
                content_type(DATA),
                message_digest(content),
                message_digest(b"other"),
            ],
            MESSAGE_DIGEST,
        ),
    ];
    for (attributes, missing) in cases {
        let mut message = Message::new(content);
        message.attributes = Some(attributes);
        let error = refused_signature(&message.signed_by(&identity));
        assert_eq!(error, SignatureError::Attribute(missing));
    }
}

#[test]
fn attributes_of_other_content_are_refused() {
    let identity = Identity::self_signed(signer(SIGNER));
    let mut message = Message::new(CONTENT.as_bytes());
    message.attributes = Some(vec![content_type(DATA), message_digest(b"other")]);
    assert_eq!(
        refused_signature(&message.signed_by(&identity)),
        SignatureError::Digest
    );
}

#[test]
fn signed_attributes_cannot_pass_for_content() {
    // What was signed for one content, as content of its own without attributes.
    let identity = Identity::self_signed(signer(SIGNER));
    let attributes: der::asn1::SetOfVec<_> =
        vec![content_type(DATA), message_digest(CONTENT.as_bytes())]
            .try_into()
            .unwrap();
    let bytes = attributes.to_der().unwrap();
    let mut message = Message::new(&bytes);
    message.attributes = None;
    let payload = message.signed_by(&identity);
    assert!(refusal(FORMAT, &payload).contains("is not JSON"));
}

#[test]
fn two_certificates_of_one_name_are_ambiguous() {
    let authority = Identity::self_signed(signer("one"));
    let twin = |common_name| {
        let mut params = signer(common_name);
        params.serial_number = Some(7_u64.into());
        authority.issue(params)
    };
    let (one, other) = (twin(SIGNER), twin("other"));
    let mut message = Message::new(CONTENT.as_bytes());
    message.certificates.push(&other);
    let error = refused_signature(&message.signed_by(&one));
    assert_eq!(error, SignatureError::SignerCertificate { found: 2 });
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let (genuine, other) = (signer(SIGNER), signer(SIGNER));
    let authority = Identity::self_signed(signer("one"));
    let serial = |mut params: rcgen::CertificateParams| {
        params.serial_number = Some(7_u64.into());
        params
    };
    let genuine = authority.issue(serial(genuine));
    let other = authority.issue(serial(other));
    let mut message = Message::new(CONTENT.as_bytes());
    message.certificates.push(&genuine);
    let payload = pem("PKCS7", &message.der(&other));
    let error = refused_signature(&payload);
    assert!(
        matches!(error, SignatureError::Signature { .. }),
        "{error:?}"
    );
}

#[test]
fn too_many_certificates_are_refused() {
    let identities: Vec<Identity> = (0..33)
        .map(|number| Identity::self_signed(signer(&number.to_string())))
        .collect();
    let mut message = Message::new(CONTENT.as_bytes());
    message.certificates.extend(&identities);
    let identity = Identity::self_signed(signer(SIGNER));
    assert_eq!(
        refused_signature(&message.signed_by(&identity)),
        SignatureError::TooMany {
            certificates: 34,
            signers: 1
        }
    );
}

#[test]
fn content_that_nobody_signed_is_refused() {
    let identity = Identity::self_signed(signer(SIGNER));
    let mut info = ContentInfo::from_der(&Message::new(b"{}").der(&identity)).unwrap();
    let mut data: SignedData = info.content.decode_as().unwrap();
    data.signer_infos = SignerInfos::try_from(vec![]).unwrap();
    info.content = Any::encode_from(&data).unwrap();
    let payload = pem("PKCS7", &info.to_der().unwrap());
    assert_eq!(refused_signature(&payload), SignatureError::NoSigner);
}

#[test]
fn an_empty_content_verifies_and_is_no_specification() {
    let identity = Identity::self_signed(signer(SIGNER));
    let error = refusal(FORMAT, &Message::new(b"").signed_by(&identity));
    assert!(error.contains("it is not JSON"), "{error}");
}

#[test]
fn garbage_is_refused() {
    for payload in [
        "",
        "-----BEGIN PKCS7-----",
        "garbage",
        "\0",
        "-----BEGIN PKCS7-----\n-----END PKCS7-----",
    ] {
        refused_signature(payload);
    }
    assert_eq!(
        refused_signature(&"A".repeat(2 << 20)),
        SignatureError::TooLong(2 << 20)
    );
}

#[test]
fn every_truncation_is_refused() {
    for payload in [fixture!("rsa-sha256"), fixture!("rsa-sha256-stream")] {
        let end = payload.find("-----END").unwrap() + "-----END PKCS7-----".len();
        let label_length = if payload.contains("BEGIN CMS") {
            end - 2
        } else {
            end
        };
        for length in 0..label_length {
            refused_signature(&payload[..length]);
        }
    }
}

#[test]
fn every_truncation_of_what_the_pem_holds_is_refused() {
    let identity = Identity::self_signed(signer(SIGNER));
    let mut message = Message::new(CONTENT.as_bytes());
    message.certificates.push(&identity);
    let der = message.der(&identity);
    for length in 0..der.len() {
        refused_signature(&pem("PKCS7", &der[..length]));
    }
    open(FORMAT, &pem("PKCS7", &der), &SignerTrust::any_signer()).unwrap();
}

#[test]
fn deep_nesting_and_huge_lengths_are_refused_at_once() {
    for bytes in [[0x30, 0x80].repeat(200_000), [0x24, 0x80].repeat(200_000)] {
        refused_signature(&pem("PKCS7", &bytes));
    }
    let mut flat = vec![0x30, 0x83, 0x0a, 0xae, 0x60];
    flat.extend([0x05, 0x00].repeat(350_000));
    refused_signature(&pem("PKCS7", &flat));
    refused_signature(&pem(
        "PKCS7",
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x05, 0x00],
    ));
    refused_signature(&pem(
        "PKCS7",
        &[0x30, 0x88, 0x7f, 255, 255, 255, 255, 255, 255, 255],
    ));
}

proptest! {
    #[test]
    fn no_envelope_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open(FORMAT, &pem("PKCS7", &bytes), &SignerTrust::any_signer()).is_err());
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        prop_assert!(open(FORMAT, &text, &SignerTrust::any_signer()).is_err());
    }
}
