//! The member `Revision`, by the contract's list.

use rstest::rstest;
use serde_json::{Value, json};

use super::members::{error, parsed, with};
use crate::deployment::{BundleType, GitHubToken, Revision};

fn with_revision(revision: Value) -> Value {
    with("/Revision", revision)
}

#[rstest]
#[case("tar", BundleType::Tar)]
#[case("tgz", BundleType::Tgz)]
#[case("zip", BundleType::Zip)]
fn revision_s3(#[case] name: &str, #[case] expected: BundleType) {
    let revision = json!({"RevisionType": "S3", "S3Revision": {
        "Bucket": "b", "Key": "k/é", "BundleType": name, "Version": "v1", "ETag": "\"abc\"",
    }});
    assert_eq!(
        parsed(&with_revision(revision)).unwrap().revision,
        Revision::S3 {
            bucket: "b".into(),
            key: "k/é".into(),
            bundle_type: expected,
            version: Some("v1".into()),
            etag: Some("\"abc\"".into()),
        }
    );
}

#[test]
fn version_and_etag_are_optional() {
    for absent in [Value::Null, json!("")] {
        let mut whole = with("/Revision/S3Revision/Version", absent.clone());
        whole["Revision"]["S3Revision"]["ETag"] = absent;
        let Revision::S3 { version, etag, .. } = parsed(&whole).unwrap().revision else {
            panic!("not S3");
        };
        assert_eq!((version, etag), (None, None));
    }
}

#[rstest]
#[case("directory")]
#[case("ZIP")]
#[case("rar")]
fn a_bundle_type_that_is_none(#[case] name: &str) {
    let text = error(&with("/Revision/S3Revision/BundleType", json!(name)));
    let member = "Revision.S3Revision.BundleType";
    assert_eq!(
        text,
        format!("{member} is {name:?}; tar, tgz and zip are possible")
    );
}

#[rstest]
#[case(json!(null), BundleType::Tar)]
#[case(json!(""), BundleType::Tar)]
#[case(json!("tar"), BundleType::Tar)]
#[case(json!("zip"), BundleType::Zip)]
fn revision_github(#[case] name: Value, #[case] expected: BundleType) {
    let revision = json!({"RevisionType": "GitHub", "GitHubRevision": {
        "Account": "a", "Repository": "r", "CommitId": "c", "BundleType": name,
    }});
    let mut whole = with_revision(revision);
    for (token, given) in [
        (json!(null), None),
        (json!(""), None),
        (json!("t"), Some("t")),
    ] {
        whole["GitHubAccessToken"] = token;
        let Revision::GitHub {
            account,
            repository,
            commit,
            bundle_type,
            token,
        } = parsed(&whole).unwrap().revision
        else {
            panic!("not GitHub");
        };
        assert_eq!(
            (account, repository, commit),
            ("a".into(), "r".into(), "c".into())
        );
        assert_eq!(bundle_type, expected);
        assert_eq!(token.as_ref().map(GitHubToken::reveal), given);
    }
}

#[rstest]
#[case("Account")]
#[case("Repository")]
#[case("CommitId")]
fn a_required_member_of_github(#[case] member: &str) {
    let mut github = json!({"Account": "a", "Repository": "r", "CommitId": "c"});
    github[member] = json!("");
    let revision = json!({"RevisionType": "GitHub", "GitHubRevision": github});
    assert_eq!(
        error(&with_revision(revision)),
        format!("Revision.GitHubRevision.{member} is missing or empty")
    );
}

#[test]
fn github_has_no_tgz() {
    let revision = json!({"RevisionType": "GitHub", "GitHubRevision": {
        "Account": "a", "Repository": "r", "CommitId": "c", "BundleType": "tgz",
    }});
    assert_eq!(
        error(&with_revision(revision)),
        "Revision.GitHubRevision.BundleType is \"tgz\"; tar and zip are possible"
    );
}

#[test]
fn the_revision_must_be_of_its_type() {
    let whole = with("/Revision/RevisionType", json!("GitHub"));
    assert_eq!(error(&whole), "Revision.GitHubRevision is missing or empty");
    let whole = with("/Revision/RevisionType", json!("AppSpecContent"));
    let expected = "Revision.RevisionType is \"AppSpecContent\"; S3 and GitHub are possible";
    assert_eq!(error(&whole), expected);
}

#[rstest]
#[case("Local File", "tar")]
#[case("Local Directory", "directory")]
fn a_local_revision_is_for_local_deployments(#[case] kind: &str, #[case] bundle_type: &str) {
    let whole = with_revision(json!({"RevisionType": kind, "LocalRevision": {
        "Location": "/srv/app", "BundleType": bundle_type,
    }}));
    let refusal = error(&whole);
    assert!(refusal.contains(&format!("{kind:?}")), "{refusal}");
    assert!(refusal.contains("local deployments only"), "{refusal}");
}
