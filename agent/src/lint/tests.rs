//! The table of rules against its pages, and the linter against the parser, on any input.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::appspec::{self, Problems, Severity};

fn linted(document: &[u8], platform: Option<Platform>) -> Problems {
    let subject = Subject {
        document,
        platform,
        bundle: None,
        host: None,
    };
    lint(&subject).document
}

fn has_errors(problems: &Problems) -> bool {
    problems.iter().any(|p| p.severity == Severity::Error)
}

/// The AppSpecs that the pages show.
fn examples() -> Vec<String> {
    let blocks = RULES.iter().flat_map(|rule| {
        let parts = rule.page.split("```yaml\n").skip(1);
        parts.filter_map(|part| part.split("```").next())
    });
    blocks.map(str::to_owned).collect()
}

#[test]
fn every_rule_has_a_page_that_begins_with_what_the_table_says() {
    for rule in RULES {
        let severity = match rule.severity {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
        };
        let Rule { id, title, .. } = rule;
        let head = format!("# {id}\n\n{title}\n\n{severity} · ");
        assert!(rule.page.starts_with(&head), "{id}");
        let kind = rule.page.lines().nth(4).unwrap();
        assert_eq!(kind.contains("`--fix`"), rule.fixable, "{id}");
        assert!(rule.page.lines().count() > 7, "{id} says nothing more");
    }
}

#[test]
fn identifiers_are_unique() {
    let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RULES.len());
}

#[test]
fn a_misspelt_identifier_is_guessed() {
    assert_eq!(closest("mode-invald").unwrap().id, "mode-invalid");
    assert_eq!(find("mode-invald"), None);
}

#[test]
fn severities_are_those_of_the_table() {
    for example in examples() {
        for problem in &linted(example.as_bytes(), None) {
            let rule = find(problem.code).unwrap_or_else(|| panic!("{} has no rule", problem.code));
            assert_eq!(problem.severity, rule.severity, "{}", rule.id);
        }
    }
}

#[rstest]
#[case::overwrite(
    "unknown-key",
    "files:\n- source: a\n  destination: /b\n  overwrite: yes\n",
    "file_exists_behavior"
)]
#[case::lost_indentation("unknown-key", "source: a\n", "indent it below `files:`")]
#[case::ecs_event(
    "hook-unknown-event",
    "hooks:\n  AfterAllowTestTraffic:\n  - location: a\n",
    "ECS"
)]
#[case::download(
    "hook-never-runs",
    "hooks:\n  DownloadBundle:\n  - location: a\n",
    "BeforeInstall"
)]
#[case::traffic(
    "hook-never-runs",
    "hooks:\n  AllowTraffic:\n  - location: a\n",
    "BeforeAllowTraffic"
)]
#[case::object(
    "path-wildcard",
    "permissions:\n- object: /srv/*\n",
    "as its `pattern`"
)]
#[case::renamed(
    "destination-names-file",
    "files:\n- source: a.conf\n  destination: /etc/b.conf\n",
    "called `b.conf`"
)]
#[case::same_entry(
    "destination-two-sources",
    "files:\n- source: a\n  destination: /b\n- source: a\n  destination: /b\n",
    "remove one"
)]
fn common_mistakes_have_a_remedy(#[case] rule: &str, #[case] body: &str, #[case] help: &str) {
    let document = format!("version: 0.0\nos: linux\n{body}");
    let problems = linted(document.as_bytes(), None);
    let found = problems.iter().find(|p| p.code == rule);
    let found = found.unwrap_or_else(|| panic!("{problems}"));
    assert!(found.help.as_deref().unwrap().contains(help), "{found}");
}

#[test]
fn only_written_timeouts_are_added_up() {
    let two =
        "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: a\n  - location: b\n";
    assert!(linted(two.as_bytes(), None).is_empty());
}

#[test]
fn templates_are_understood() {
    let ecs = "version: 0.0\nResources:\n- {{ name }}:\n    Type: AWS::ECS::Service\n    Properties:\n      \
               TaskDefinition: ${TASK}\n      LoadBalancerInfo:\n        ContainerName: {{ container }}\n        \
               ContainerPort: $PORT\nHooks:\n- BeforeInstall: <FUNCTION>\n";
    let problems = linted(ecs.as_bytes(), None);
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn json_is_read_with_places() {
    let json = "{\n \"version\": 0.0,\n \"Resources\": [{\"f\": {\"Type\": \"AWS::Lambda::Function\",\n  \
                \"Properties\": {\"Name\": \"f\", \"Alias\": \"a\", \"CurrentVersion\": \"1\", \"TargetVersion\": \"1\"}}}]\n}";
    let problems = linted(json.as_bytes(), None);
    let places: Vec<_> = problems.iter().map(|p| (p.code, p.span.line)).collect();
    assert_eq!(places, [("lambda-versions-equal", 4)]);
}

#[test]
fn a_bomb_of_findings_is_bounded() {
    let mut document = "version: 0.0\nos: linux\npermissions:\n".to_owned();
    document.push_str(&"- object: a\n  mode: 0777\n".repeat(20_000));
    let problems = linted(document.as_bytes(), None);
    assert!(problems.len() <= 200 && problems.omitted() > 10_000);
}

/// One of the pages' AppSpecs with a part of it removed, repeated or replaced.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let examples = examples();
    let any = proptest::collection::vec(any::<u8>(), 0..4);
    let text = "[-:{}\\[\\] \n\t\"'*&!|>#a-z0-9]{0,6}".prop_map(String::into_bytes);
    let change = (0.0..1.0_f64, 0.0..1.0_f64, prop_oneof![4 => text, 1 => any]);
    let changes = proptest::collection::vec(change, 0..4);
    (0..examples.len(), changes).prop_map(move |(index, changes)| {
        let mut document = examples[index].clone().into_bytes();
        for (at, length, with) in changes {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a place"
            )]
            let from = (document.len() as f64 * at) as usize;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a length"
            )]
            let to = (from + (length * 12.0) as usize).min(document.len());
            document.splice(from..to, with);
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn validate_has_errors_exactly_where_the_parser_refuses(document in mutated()) {
        let problems = linted(&document, Some(Platform::Ec2));
        match appspec::parse(&document) {
            // Two entries that bring one name are found by Install, not by the parser.
            Ok(_) => prop_assert!(problems
                .iter()
                .all(|p| p.severity == Severity::Warning || p.code == "destination-two-sources")),
            Err(refusal) => {
                prop_assert!(has_errors(&problems));
                for problem in refusal.iter().filter(|p| p.severity == Severity::Error) {
                    prop_assert!(problems.contains(problem), "{problem}");
                }
            }
        }
        for problem in &problems {
            prop_assert!(find(problem.code).is_some_and(|rule| rule.severity == problem.severity));
        }
    }

    #[test]
    fn other_platforms_answer_to_anything(document in mutated()) {
        for platform in [Platform::Ecs, Platform::Lambda] {
            for problem in &linted(&document, Some(platform)) {
                prop_assert!(find(problem.code).is_some(), "{}", problem.code);
            }
        }
    }

    #[test]
    fn mending_never_breaks_what_the_agent_reads(document in mutated()) {
        let problems = linted(&document, Some(Platform::Ec2));
        let Some(fixed) = fix(&document, &problems) else {
            return Ok(());
        };
        if let Ok(before) = appspec::parse(&document) {
            let after = appspec::parse(&fixed);
            prop_assert!(after.is_ok(), "{}", String::from_utf8_lossy(&fixed));
            let after = after.unwrap().appspec;
            prop_assert_eq!(&before.appspec.files, &after.files);
            prop_assert_eq!(before.appspec.hooks.len(), after.hooks.len());
            for (before, after) in before.appspec.permissions.iter().zip(&after.permissions) {
                prop_assert_eq!(before.mode, after.mode);
                prop_assert_eq!(&before.object, &after.object);
            }
        }
    }
}
