//! `signer_ca_file`: who leads there and who does not.

use std::path::Path;

use rcgen::{BasicConstraints, CustomExtension, DnType, IsCa, KeyUsagePurpose, date_time_ymd};

use super::fixtures::{CONTENT, FORMAT};
use super::pinned;
use crate::specification::signing::{Identity, Message, SIGNER, authority, signer};
use crate::specification::{
    SignatureError, SignerCaError, SignerTrust, SpecificationError, SpecificationWarning, open,
};

fn envelope<'a>(signer: &'a Identity, others: &[&'a Identity]) -> String {
    let mut message = Message::new(CONTENT.as_bytes());
    message.certificates.extend(others);
    message.signed_by(signer)
}

fn judged(
    signer: &Identity,
    others: &[&Identity],
    anchors: &[&Identity],
) -> Result<Vec<SpecificationWarning>, SignatureError> {
    let pems: Vec<String> = anchors.iter().map(|anchor| anchor.pem()).collect();
    let trust = pinned(&pems.iter().map(String::as_str).collect::<Vec<_>>());
    match open(FORMAT, &envelope(signer, others), &trust) {
        Ok(opened) => Ok(opened.warnings),
        Err(SpecificationError::Signature(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

fn untrusted(result: &Result<Vec<SpecificationWarning>, SignatureError>) {
    assert!(
        matches!(result, Err(SignatureError::Untrusted { .. })),
        "{result:?}"
    );
}

#[test]
fn a_signer_of_the_anchor_is_accepted() {
    let root = Identity::self_signed(authority("Root"));
    assert_eq!(
        judged(&root.issue(signer(SIGNER)), &[], &[&root]),
        Ok(vec![])
    );
}

#[test]
fn one_of_several_anchors_is_enough() {
    let (root, other) = (authority("Root"), authority("Other"));
    let (root, other) = (Identity::self_signed(root), Identity::self_signed(other));
    assert_eq!(
        judged(&root.issue(signer(SIGNER)), &[], &[&other, &root]),
        Ok(vec![])
    );
}

#[test]
fn authorities_in_between_come_from_the_envelope_in_any_order() {
    let root = Identity::self_signed(authority("Root"));
    let upper = root.issue(authority("Upper"));
    let lower = upper.issue(authority("Lower"));
    let leaf = lower.issue(signer(SIGNER));
    for others in [[&upper, &lower], [&lower, &upper]] {
        assert_eq!(judged(&leaf, &others, &[&root]), Ok(vec![]));
    }
    assert_eq!(
        judged(&leaf, &[&lower], &[&upper]),
        Ok(vec![]),
        "an intermediate as the anchor"
    );
    untrusted(&judged(&leaf, &[&upper], &[&root]));
}

#[test]
fn a_pinned_signer_is_accepted_and_is_no_authority() {
    let root = Identity::self_signed(authority("Root"));
    let leaf = root.issue(signer(SIGNER));
    assert_eq!(judged(&leaf, &[], &[&leaf]), Ok(vec![]));
    untrusted(&judged(&leaf.issue(signer(SIGNER)), &[&leaf], &[&leaf]));
    untrusted(&judged(&leaf.issue(signer(SIGNER)), &[&leaf], &[&root]));
}

#[test]
fn an_authority_of_the_same_name_and_another_key_is_not_the_anchor() {
    let root = Identity::self_signed(authority("Root"));
    let impostor = Identity::self_signed(authority("Root"));
    untrusted(&judged(
        &impostor.issue(signer(SIGNER)),
        &[&impostor],
        &[&root],
    ));
}

#[test]
fn a_stranger_with_a_chain_is_refused_for_its_name() {
    let root = Identity::self_signed(authority("Root"));
    for name in [
        "somebody",
        "codedeploy-signer-",
        "xcodedeploy-signer-a",
        "CodeDeploy-Signer-a",
    ] {
        let result = judged(&root.issue(signer(name)), &[], &[&root]);
        assert!(
            matches!(result, Err(SignatureError::Stranger { .. })),
            "{name}: {result:?}"
        );
    }
}

#[test]
fn each_of_several_common_names_must_be_a_signers() {
    let root = Identity::self_signed(authority("Root"));
    for (one, other) in [(SIGNER, "somebody"), ("somebody", SIGNER)] {
        let mut params = signer(one);
        params
            .distinguished_name
            .push(DnType::CustomDnType(vec![2, 5, 4, 3]), other);
        let result = judged(&root.issue(params), &[], &[&root]);
        assert!(
            matches!(result, Err(SignatureError::Stranger { .. })),
            "{result:?}"
        );
    }
}

#[test]
fn a_signer_without_common_name_is_a_stranger() {
    let mut params = signer(SIGNER);
    params.distinguished_name.remove(DnType::CommonName);
    params
        .distinguished_name
        .push(DnType::OrganizationName, SIGNER);
    let identity = Identity::self_signed(params);
    let opened = open(
        FORMAT,
        &envelope(&identity, &[]),
        &SignerTrust::any_signer(),
    )
    .unwrap();
    assert!(matches!(
        opened.warnings[..],
        [SpecificationWarning::StrangeSigner { .. }]
    ));
}

#[test]
fn a_certificate_for_something_else_does_not_sign() {
    let root = Identity::self_signed(authority("Root"));
    let mut params = signer(SIGNER);
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let result = judged(&root.issue(params), &[], &[&root]);
    assert!(
        matches!(result, Err(SignatureError::Usage { .. })),
        "{result:?}"
    );
}

#[test]
fn what_is_no_authority_issues_nothing() {
    let root = Identity::self_signed(authority("Root"));
    let mut not_allowed = authority("Middle");
    not_allowed.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let mut not_an_authority = authority("Middle");
    not_an_authority.is_ca = IsCa::ExplicitNoCa;
    let mut silent = authority("Middle");
    silent.is_ca = IsCa::NoCa;
    for params in [not_allowed, not_an_authority, silent] {
        let middle = root.issue(params);
        let leaf = middle.issue(signer(SIGNER));
        untrusted(&judged(&leaf, &[&middle], &[&root]));
        untrusted(&judged(&leaf, &[], &[&middle]));
    }
}

#[test]
fn the_length_of_the_path_is_obeyed() {
    let root = Identity::self_signed(authority("Root"));
    let mut narrow = authority("Upper");
    narrow.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let upper = root.issue(narrow);
    assert_eq!(
        judged(&upper.issue(signer(SIGNER)), &[&upper], &[&root]),
        Ok(vec![])
    );
    let lower = upper.issue(authority("Lower"));
    let leaf = lower.issue(signer(SIGNER));
    untrusted(&judged(&leaf, &[&upper, &lower], &[&root]));
    untrusted(&judged(&leaf, &[&lower], &[&upper]));
}

#[test]
fn a_critical_extension_that_is_not_known_stops_the_chain() {
    let root = Identity::self_signed(authority("Root"));
    // Name constraints, which are not evaluated.
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 30], vec![0x30, 0x00]);
    extension.set_criticality(true);
    let mut params = authority("Middle");
    params.custom_extensions.push(extension.clone());
    let middle = root.issue(params);
    untrusted(&judged(&middle.issue(signer(SIGNER)), &[&middle], &[&root]));
    let mut params = signer(SIGNER);
    params.custom_extensions.push(extension);
    let result = judged(&root.issue(params), &[], &[&root]);
    assert!(
        matches!(result, Err(SignatureError::Usage { .. })),
        "{result:?}"
    );
}

#[test]
fn the_right_key_under_another_name_is_not_the_issuer() {
    let root = Identity::self_signed(authority("Root"));
    let renamed = root.certified_again(authority("Renamed"));
    untrusted(&judged(&root.issue(signer(SIGNER)), &[], &[&renamed]));
    assert_eq!(
        judged(&renamed.issue(signer(SIGNER)), &[], &[&renamed]),
        Ok(vec![])
    );
}

/// Each of these could have issued each other: without care 30 to the power of eight paths.
#[test]
fn authorities_that_issue_each_other_end_the_search() {
    let root = Identity::self_signed(authority("Root"));
    let first = Identity::self_signed(authority("Loop"));
    let loops: Vec<Identity> = (0..30)
        .map(|_| first.certified_again(authority("Loop")))
        .collect();
    let leaf = first.issue(signer(SIGNER));
    untrusted(&judged(&leaf, &loops.iter().collect::<Vec<_>>(), &[&root]));
}

#[test]
fn a_chain_may_be_eight_authorities_long() {
    let root = Identity::self_signed(authority("Root"));
    let mut chain = vec![root.issue(authority("0"))];
    for number in 1..9 {
        chain.push(chain[number - 1].issue(authority(&number.to_string())));
    }
    let of = |length: usize| {
        let leaf = chain[length - 1].issue(signer(SIGNER));
        judged(&leaf, &chain.iter().collect::<Vec<_>>(), &[&root])
    };
    assert_eq!(of(8), Ok(vec![]));
    untrusted(&of(9));
}

#[test]
fn dates_are_a_warning() {
    let root = Identity::self_signed(authority("Root"));
    let mut expired = authority("Old");
    (expired.not_before, expired.not_after) =
        (date_time_ymd(2001, 1, 1), date_time_ymd(2023, 5, 6));
    let mut future = signer(SIGNER);
    future.not_before = date_time_ymd(3001, 1, 1);
    let middle = root.issue(expired);
    let leaf = middle.issue(future);
    let warnings = judged(&leaf, &[&middle], &[&root]).unwrap();
    let [
        SpecificationWarning::OutOfDate {
            subject: old,
            not_after,
            ..
        },
        SpecificationWarning::OutOfDate {
            subject: young,
            not_before,
            ..
        },
    ] = &warnings[..]
    else {
        panic!("{warnings:?}");
    };
    assert!(
        old.contains("CN=Old") && not_after.contains("2023-05-06"),
        "{warnings:?}"
    );
    assert!(
        young.contains(SIGNER) && not_before.contains("3001-01-01"),
        "{warnings:?}"
    );
    // Without signer_ca_file there is no chain and are no dates.
    let opened = open(FORMAT, &envelope(&leaf, &[]), &SignerTrust::any_signer()).unwrap();
    assert_eq!(opened.warnings, []);
}

fn load(content: &[u8]) -> Result<SignerTrust, SignerCaError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    fs_err::write(&path, content).unwrap();
    SignerTrust::from_file(&path)
}

#[test]
fn a_file_that_cannot_be_used_is_an_error() {
    let absent = SignerTrust::from_file(Path::new("/nonexistent/ca.pem")).unwrap_err();
    assert!(crate::error::chain(&absent).contains("/nonexistent/ca.pem"));
    assert!(matches!(load(b""), Err(SignerCaError::Empty { .. })));
    assert!(matches!(
        load(b"\xff\xfe no PEM"),
        Err(SignerCaError::Empty { .. })
    ));
    let good = Identity::self_signed(authority("Root")).pem();
    let cut = &good[..good.len() - 30];
    assert!(matches!(
        load(cut.as_bytes()),
        Err(SignerCaError::Pem { .. })
    ));
    let bad = format!("{good}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    let error = load(bad.as_bytes()).unwrap_err();
    assert!(
        matches!(error, SignerCaError::Certificate { number: 2, .. }),
        "{error:?}"
    );
}

#[test]
fn a_bundle_may_have_comments_in_any_encoding_and_other_blocks() {
    let root = Identity::self_signed(authority("Root"));
    let mut bundle = b"# R\xe9sum\xe9\r\n-----BEGIN X-----\nMAA=\n-----END X-----\n".to_vec();
    bundle.extend(root.pem().replace('\n', "\r\n").bytes());
    let trust = load(&bundle).unwrap();
    assert!(format!("{trust:?}").contains("CN=Root"));
    open(FORMAT, &envelope(&root.issue(signer(SIGNER)), &[]), &trust).unwrap();
}
