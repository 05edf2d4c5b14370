//! Each member of a specification, by the contract's table.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::minimal;
use crate::deployment::{DeploymentCreator, DeploymentSpec, DeploymentType, FileExistsBehavior};
use crate::error::chain;
use crate::specification::content::parse;
use crate::specification::{ContentError, SpecificationWarning};

pub(super) fn parsed(value: &Value) -> Result<DeploymentSpec, ContentError> {
    parse(value.to_string().as_bytes()).map(|(spec, _)| spec)
}

/// The minimal specification with the member at `path` (as in JSON pointers) set.
pub(super) fn with(path: &str, value: Value) -> Value {
    let mut whole = minimal();
    let (parent, member) = path.rsplit_once('/').unwrap();
    whole.pointer_mut(parent).unwrap()[member] = value;
    whole
}

fn without(path: &str) -> Value {
    let mut whole = minimal();
    let (parent, member) = path.rsplit_once('/').unwrap();
    whole
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(member)
        .unwrap();
    whole
}

pub(super) fn error(value: &Value) -> String {
    chain(&parsed(value).unwrap_err())
}

#[test]
fn the_minimal_specification_has_the_defaults() {
    let spec = parsed(&minimal()).unwrap();
    assert_eq!(spec.deployment_id.as_str(), "d-ABCDEF123");
    assert_eq!(spec.deployment_group_id.as_str(), "group-1");
    assert_eq!(spec.deployment_group_name, "Fleet");
    assert_eq!(spec.application_name, "Shop");
    assert_eq!(spec.creator, DeploymentCreator::Other);
    assert_eq!(spec.deployment_type, DeploymentType::InPlace);
    assert_eq!(spec.appspec_filename, "appspec.yml");
    assert_eq!(spec.file_exists_behavior, FileExistsBehavior::Disallow);
    assert_eq!(spec.all_possible_lifecycle_events, None);
    assert_eq!(spec.reuse_archive_from, None);
}

#[rstest]
#[case("/DeploymentId")]
#[case("/DeploymentGroupId")]
#[case("/DeploymentGroupName")]
#[case("/ApplicationName")]
#[case("/Revision")]
#[case("/Revision/RevisionType")]
#[case("/Revision/S3Revision")]
#[case("/Revision/S3Revision/Bucket")]
#[case("/Revision/S3Revision/Key")]
#[case("/Revision/S3Revision/BundleType")]
fn a_required_member(#[case] path: &str) {
    let name = path.trim_start_matches('/').replace('/', ".");
    let missing = format!("{name} is missing or empty");
    assert_eq!(error(&without(path)), missing);
    assert_eq!(error(&with(path, Value::Null)), missing);
    if !matches!(path, "/Revision" | "/Revision/S3Revision") {
        assert_eq!(error(&with(path, json!(""))), missing);
    }
    for (value, kind) in [
        (json!(7), "a number"),
        (json!([]), "a list"),
        (json!(true), "a boolean"),
    ] {
        let text = error(&with(path, value));
        assert!(
            text.starts_with(&format!("{name} is {kind}, not ")),
            "{text}"
        );
    }
}

#[rstest]
#[case("DeploymentCreator")]
#[case("DeploymentType")]
#[case("AppSpecFilename")]
#[case("AgentActionOverrides")]
#[case("AllPossibleLifecycleEvents")]
#[case("ReuseArchiveFromDeploymentId")]
fn an_optional_member(#[case] member: &str) {
    let path = format!("/{member}");
    let spec = |value: &Value| format!("{:?}", parsed(value).unwrap());
    assert_eq!(spec(&with(&path, Value::Null)), spec(&minimal()));
    let empty = match member {
        "AgentActionOverrides" => json!({}),
        "AllPossibleLifecycleEvents" => json!([]),
        _ => json!(""),
    };
    assert_eq!(spec(&with(&path, empty)), spec(&minimal()));
    let text = error(&with(&path, json!(7)));
    assert!(
        text.starts_with(&format!("{member} is a number, not ")),
        "{text}"
    );
}

#[test]
fn a_deployment_id_may_be_an_arn() {
    let arn = "arn:aws:codedeploy:eu-west-1:123456789012:deployment/d-XYZ";
    assert_eq!(
        parsed(&with("/DeploymentId", json!(arn)))
            .unwrap()
            .deployment_id
            .as_str(),
        "d-XYZ"
    );
}

#[rstest]
#[case("..")]
#[case("a/b")]
#[case("/etc")]
#[case("a b")]
#[case("é")]
#[case("arn:aws:codedeploy:r:1:deployment/../x")]
#[case("arn:aws:codedeploy:r:1:deployment/")]
#[case("arn:aws:codedeploy:r:1:application/x")]
fn an_id_that_is_no_path_segment(
    #[case] id: &str,
    #[values("DeploymentId", "DeploymentGroupId", "ReuseArchiveFromDeploymentId")] member: &str,
) {
    let text = error(&with(&format!("/{member}"), json!(id)));
    assert!(
        text.starts_with(&format!("{member} is not valid: ")),
        "{text}"
    );
}

#[test]
fn an_id_of_a_megabyte_is_not_repeated() {
    let text = error(&with("/DeploymentId", json!("x".repeat(1_000_000))));
    assert_eq!(text, "DeploymentId is 1000000 bytes long, which no id is");
}

#[test]
fn a_nul_character_is_refused_anywhere() {
    for path in [
        "/ApplicationName",
        "/Revision/S3Revision/Key",
        "/AppSpecFilename",
    ] {
        assert!(error(&with(path, json!("a\0b"))).contains("NUL"), "{path}");
    }
    assert_eq!(
        error(&with("/AllPossibleLifecycleEvents", json!(["A", "b\0"]))),
        "AllPossibleLifecycleEvents[1] contains a NUL character"
    );
}

#[rstest]
#[case("codeDeployRollback", DeploymentCreator::Rollback)]
#[case("user", DeploymentCreator::Other)]
#[case("autoscaling", DeploymentCreator::Other)]
#[case("CODEDEPLOYROLLBACK", DeploymentCreator::Other)]
fn deployment_creator(#[case] value: &str, #[case] expected: DeploymentCreator) {
    assert_eq!(
        parsed(&with("/DeploymentCreator", json!(value)))
            .unwrap()
            .creator,
        expected
    );
}

#[rstest]
#[case("IN_PLACE", DeploymentType::InPlace, 0)]
#[case("BLUE_GREEN", DeploymentType::BlueGreen, 0)]
#[case("CANARY", DeploymentType::InPlace, 1)]
fn deployment_type(#[case] value: &str, #[case] expected: DeploymentType, #[case] warned: usize) {
    let text = with("/DeploymentType", json!(value)).to_string();
    let (spec, warnings) = parse(text.as_bytes()).unwrap();
    assert_eq!(spec.deployment_type, expected);
    let warning = SpecificationWarning::UnknownDeploymentType(value.to_owned());
    assert_eq!(warnings, vec![warning; warned]);
}

#[test]
fn appspec_filename() {
    let spec = parsed(&with("/AppSpecFilename", json!("deploy/my.yml"))).unwrap();
    assert_eq!(spec.appspec_filename, "deploy/my.yml");
}

#[rstest]
#[case("DISALLOW", FileExistsBehavior::Disallow)]
#[case("overwrite", FileExistsBehavior::Overwrite)]
#[case("ReTaIn", FileExistsBehavior::Retain)]
#[case("Delete", FileExistsBehavior::Invalid("Delete".into()))]
#[case("", FileExistsBehavior::Disallow)]
fn file_exists_behavior(#[case] value: &str, #[case] expected: FileExistsBehavior) {
    let overrides = json!({"AgentOverrides": {"FileExistsBehavior": value}});
    let spec = parsed(&with("/AgentActionOverrides", overrides)).unwrap();
    assert_eq!(spec.file_exists_behavior, expected);
}

#[rstest]
#[case(json!({"AgentOverrides": null}), None)]
#[case(json!({"AgentOverrides": {}}), None)]
#[case(json!({"AgentOverrides": {"FileExistsBehavior": null}}), None)]
#[case(json!({"AgentOverrides": "RETAIN"}), Some("AgentActionOverrides.AgentOverrides is a text, not an object"))]
#[case(
    json!({"AgentOverrides": {"FileExistsBehavior": 1}}),
    Some("AgentActionOverrides.AgentOverrides.FileExistsBehavior is a number, not a text")
)]
#[case(json!("RETAIN"), Some("AgentActionOverrides is a text, not an object"))]
fn agent_action_overrides(#[case] value: Value, #[case] expected: Option<&str>) {
    let whole = with("/AgentActionOverrides", value);
    match expected {
        None => {
            assert_eq!(
                parsed(&whole).unwrap().file_exists_behavior,
                FileExistsBehavior::Disallow
            );
        }
        Some(text) => assert_eq!(error(&whole), text),
    }
}

#[test]
fn all_possible_lifecycle_events() {
    let events = json!(["BeforeInstall", "Mine"]);
    let spec = parsed(&with("/AllPossibleLifecycleEvents", events)).unwrap();
    let expected = vec!["BeforeInstall".to_owned(), "Mine".to_owned()];
    assert_eq!(spec.all_possible_lifecycle_events, Some(expected));
    assert_eq!(
        error(&with("/AllPossibleLifecycleEvents", json!(["A", 7]))),
        "AllPossibleLifecycleEvents[1] is a number, not a text"
    );
    assert_eq!(
        error(&with("/AllPossibleLifecycleEvents", json!([""]))),
        "AllPossibleLifecycleEvents[0] is missing or empty"
    );
}

#[rstest]
#[case("d-OLD")]
#[case("arn:aws:codedeploy:eu-west-1:123456789012:deployment/d-OLD")]
fn reuse_archive_from_deployment_id(#[case] id: &str) {
    let spec = parsed(&with("/ReuseArchiveFromDeploymentId", json!(id))).unwrap();
    assert_eq!(spec.reuse_archive_from.unwrap().as_str(), "d-OLD");
}

#[rstest]
#[case("d-ABCDEF123")]
#[case("arn:aws:codedeploy:eu-west-1:123456789012:deployment/d-ABCDEF123")]
fn a_deployment_does_not_reuse_itself(#[case] id: &str) {
    assert_eq!(
        error(&with("/ReuseArchiveFromDeploymentId", json!(id))),
        "ReuseArchiveFromDeploymentId is d-ABCDEF123, which is this deployment itself"
    );
}

#[test]
fn members_that_nobody_knows_are_ignored() {
    let mut whole = with("/Revision/S3Revision/New", json!({"deep": [1]}));
    whole["TargetRevision"] = json!(7);
    parsed(&whole).unwrap();
}

#[rstest]
#[case("")]
#[case("{")]
#[case("{}x")]
#[case("\u{feff}{}")]
#[case("{'a': 1}")]
#[case("{\"a\": NaN}")]
fn what_is_not_json(#[case] text: &str) {
    let error = parse(text.as_bytes()).unwrap_err();
    assert!(matches!(error, ContentError::Json { .. }), "{error:?}");
}

#[test]
fn invalid_utf8_and_deep_nesting_are_not_json() {
    for bytes in [
        b"{\"DeploymentId\": \"\xff\"}".to_vec(),
        b"[".repeat(100_000),
    ] {
        let error = parse(&bytes).unwrap_err();
        assert!(matches!(error, ContentError::Json { .. }), "{error:?}");
    }
}

#[rstest]
#[case("[]", "the specification is a list, not an object")]
#[case("null", "the specification is null, not an object")]
#[case("\"text\"", "the specification is a text, not an object")]
fn json_that_is_no_object(#[case] text: &str, #[case] expected: &str) {
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

fn some_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("S3")),
        Just(json!("GitHub")),
        Just(json!("tar")),
    ];
    let name = prop_oneof![
        Just("DeploymentId"),
        Just("DeploymentGroupId"),
        Just("ApplicationName"),
        Just("Revision"),
        Just("RevisionType"),
        Just("S3Revision"),
        Just("GitHubRevision"),
        Just("AgentActionOverrides"),
        Just("AgentOverrides"),
        Just("AllPossibleLifecycleEvents"),
        Just("ReuseArchiveFromDeploymentId"),
        Just("GitHubAccessToken"),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics(path in 0_usize..6, value in some_json()) {
        let paths = ["/DeploymentId", "/Revision", "/Revision/S3Revision", "/AgentActionOverrides",
            "/AllPossibleLifecycleEvents", "/ReuseArchiveFromDeploymentId"];
        let _ = parsed(&with(paths[path], value.clone()));
        let _ = parsed(&value);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_change_of_a_byte_panics(index in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = minimal().to_string().into_bytes();
        let index = index.index(bytes.len());
        bytes[index] = to;
        let _ = parse(&bytes);
    }

    #[test]
    fn ids_that_are_accepted_are_path_segments(id in "[a-zA-Z0-9./:_-]{0,30}") {
        if let Ok(spec) = parsed(&with("/DeploymentId", json!(id))) {
            let segments = std::path::Path::new(spec.deployment_id.as_str()).components();
            let normal = |part| matches!(part, std::path::Component::Normal(_));
            prop_assert!(segments.clone().all(normal) && segments.count() == 1);
        }
    }
}
