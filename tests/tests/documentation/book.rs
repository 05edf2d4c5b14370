//! The book's frame: its settings, its table of contents, the list of rules.

use std::collections::BTreeMap;
use std::process::Command;

use integration_tests::agent;

use super::page::{Page, pages, repository};

fn is_updating() -> bool {
    std::env::var_os("UPDATE_EXPECTED").is_some()
}

#[test]
fn the_settings_are_those_of_a_book_in_this_directory() {
    let docs = repository().join("docs");
    let text = fs_err::read_to_string(docs.join("book.toml")).unwrap();
    let settings: toml_edit::DocumentMut = text.parse().unwrap();
    let setting = |table: &str, key: &str| settings[table][key].as_str().unwrap().to_owned();
    assert!(
        docs.join(setting("book", "src"))
            .join("SUMMARY.md")
            .is_file()
    );
    let built = setting("build", "build-dir");
    assert!(built.starts_with("../target/"), "{built} would be in git");
    let preprocessors = settings.get("preprocessor");
    assert!(
        preprocessors.is_none(),
        "a plain mdbook must build the book"
    );
}

/// Targets of the table of contents, and how often each is there.
fn contents() -> BTreeMap<String, usize> {
    let summary = fs_err::read_to_string(repository().join("docs/SUMMARY.md")).unwrap();
    let mut targets = BTreeMap::new();
    for line in summary.lines() {
        if let Some((_, target)) = line.split_once("](") {
            let target = target.strip_suffix(')').unwrap().to_owned();
            *targets.entry(target).or_default() += 1;
        }
    }
    targets
}

#[test]
fn the_table_of_contents_has_each_page_once() {
    let of_the_book = |page: &Page| {
        let name = page.name.strip_prefix("docs/")?;
        (name != "SUMMARY.md").then(|| (name.to_owned(), 1))
    };
    let expected: BTreeMap<String, usize> = pages().iter().filter_map(of_the_book).collect();
    assert_eq!(contents(), expected);
}

/// `agent explain`: name, severity, platforms and title of each rule.
fn rules() -> Vec<(String, String)> {
    let output = Command::new(agent()).arg("explain").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let (name, title) = line.split_once(' ').unwrap();
            (name.to_owned(), title.trim_start().to_owned())
        })
        .collect()
}

#[test]
fn the_list_of_rules_is_that_of_the_program() {
    let path = repository().join("docs/rules/README.md");
    let text = fs_err::read_to_string(&path).unwrap();
    let (head, _) = text.split_once("| rule |").unwrap();
    let mut expected = format!("{head}| rule | what is found |\n|---|---|\n");
    for (name, title) in rules() {
        expected.push_str(&format!("| [{name}]({name}.md) | {title} |\n"));
    }
    if is_updating() {
        fs_err::write(&path, &expected).unwrap();
    }
    assert!(text == expected, "UPDATE_EXPECTED=1 writes it anew");
}

#[test]
fn the_table_of_contents_has_the_rules_in_their_order() {
    let path = repository().join("docs/SUMMARY.md");
    let text = fs_err::read_to_string(&path).unwrap();
    let of_a_rule = |line: &&str| line.starts_with("  - ") && line.contains("](rules/");
    let before: Vec<&str> = text.lines().take_while(|line| !of_a_rule(line)).collect();
    let after: Vec<&str> = text
        .lines()
        .skip(before.len())
        .filter(|line| !of_a_rule(line))
        .collect();
    let listed = rules()
        .iter()
        .map(|(name, _)| format!("  - [{name}](rules/{name}.md)\n"))
        .collect::<String>();
    let expected = format!("{}\n{listed}{}\n", before.join("\n"), after.join("\n"));
    if is_updating() {
        fs_err::write(&path, &expected).unwrap();
    }
    assert!(text == expected, "UPDATE_EXPECTED=1 writes it anew");
}
