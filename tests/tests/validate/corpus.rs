//! Every rule both ways: its bad file has the finding, and the file that its help leads to has none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

/// Rules that ask the host.
const OF_THE_HOST: [&str; 3] = [
    "account-unknown",
    "runas-unknown",
    "script-interpreter-missing",
];

/// Rules whose bad input is made by a test: it is large, or git does not keep it.
const MADE_BY_TESTS: [&str; 4] = [
    "bundle-invalid",
    "content-check-incomplete",
    "file-too-large",
    "source-special-file",
];

fn rules() -> Vec<String> {
    let listed = run(Path::new("/"), &["explain"]);
    assert_eq!(listed.status, 0);
    let id = |line: &str| line.split(' ').next().unwrap().to_owned();
    listed.stdout.lines().map(id).collect()
}

fn example(rule: &str, which: &str) -> Option<PathBuf> {
    let directory = appspecs().join("rules").join(rule);
    [which.to_owned(), format!("{which}.yml")]
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.exists())
}

fn arguments<'a>(rule: &str, output: &'a str, path: &'a Path) -> Vec<&'a str> {
    let mut arguments = vec!["validate", "--output", output];
    if OF_THE_HOST.contains(&rule) {
        arguments.push("--host");
    }
    // Relative, so that the output is the same everywhere.
    arguments.push(path.file_name().unwrap().to_str().unwrap());
    arguments
}

#[test]
fn every_rule_finds_its_bad_example() {
    for rule in rules() {
        let Some(bad) = example(&rule, "bad") else {
            assert!(MADE_BY_TESTS.contains(&&*rule), "{rule} has no bad example");
            continue;
        };
        let directory = bad.parent().unwrap();
        let ran = run(directory, &arguments(&rule, "json", &bad));
        let findings = ran.findings();
        let found = findings.iter().find(|f| f["rule"] == *rule);
        let found = found.unwrap_or_else(|| panic!("{rule}: {}", ran.stdout));
        assert!(found["help"].is_string(), "{rule} helps nobody");
        let has_error = findings.iter().any(|f| f["severity"] == "error");
        assert_eq!(ran.status, i32::from(has_error), "{rule}");
        let human = run(directory, &arguments(&rule, "human", &bad));
        assert_is_file(&directory.join("expected.txt"), &human.stdout);
    }
}

#[test]
fn what_the_help_leads_to_is_clean() {
    for rule in rules() {
        let Some(good) = example(&rule, "good") else {
            assert!(
                MADE_BY_TESTS.contains(&&*rule),
                "{rule} has no good example"
            );
            continue;
        };
        let ran = run(good.parent().unwrap(), &arguments(&rule, "json", &good));
        assert_eq!((ran.status, ran.rules()), (0, vec![]), "{rule}");
    }
}

#[test]
fn the_pages_show_the_examples() {
    for rule in rules() {
        let page = fs_err::read_to_string(docs().join(format!("rules/{rule}.md"))).unwrap();
        let explained = run(Path::new("/"), &["explain", &rule]);
        assert_eq!(explained.stdout, page);
        for which in ["bad", "good"] {
            let Some(path) = example(&rule, which).filter(|path| path.is_file()) else {
                continue;
            };
            let text = fs_err::read(path).unwrap();
            let text = String::from_utf8_lossy(&text).into_owned();
            let heading = if which == "bad" {
                "## Wrong"
            } else {
                "## Right"
            };
            if page.contains(heading) {
                assert!(
                    page.contains(&format!("```yaml\n{text}```")),
                    "{rule}: {which}"
                );
            }
        }
        if example(&rule, "good").is_some() {
            assert!(
                page.contains("## Right"),
                "{rule} does not show what is right"
            );
        }
    }
}

#[test]
fn every_directory_of_the_corpus_belongs_to_a_rule() {
    let rules: BTreeSet<String> = rules().into_iter().collect();
    for entry in fs_err::read_dir(appspecs().join("rules")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(rules.contains(&name), "{name} is no rule");
    }
}

#[test]
fn files_as_people_write_them() {
    let mut count = 0;
    for entry in fs_err::read_dir(appspecs().join("files")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            continue;
        }
        count += 1;
        let name = path.file_name().unwrap().to_str().unwrap();
        let ran = run(path.parent().unwrap(), &["validate", name]);
        if name.starts_with("good") {
            assert_eq!(ran.status, 0, "{}", ran.stdout);
            assert!(ran.stdout.contains(": nothing wrong ("), "{}", ran.stdout);
        } else {
            assert!(!ran.stdout.contains("nothing wrong"), "{name}");
            let expected = path.with_file_name(format!("{name}.txt"));
            assert_is_file(&expected, &ran.stdout);
        }
    }
    assert!(count >= 20, "{count}");
}
