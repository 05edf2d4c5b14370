//! The book's frame: its settings, its table of contents, the list of rules.

use std::collections::BTreeMap;

use integration_tests::agent_command;

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

#[test]
fn the_table_of_contents_is_one_list_with_pages_before_and_after() {
    let summary = fs_err::read_to_string(repository().join("docs/SUMMARY.md")).unwrap();
    let lines = summary.lines().filter(|line| !line.is_empty()).skip(1);
    let mut kinds: Vec<bool> = lines
        .map(|line| line.trim_start().starts_with("- ["))
        .collect();
    kinds.dedup();
    assert_eq!(kinds, [false, true, false], "mdbook takes nothing else");
}

/// `agent explain`: the name of each rule, and what stands behind it: severity and title.
fn rules() -> Vec<(String, String)> {
    let output = agent_command().arg("explain").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap();
            (name.to_owned(), rest.trim_start().to_owned())
        })
        .collect()
}

#[test]
fn the_list_of_rules_is_that_of_the_program() {
    let path = repository().join("docs/rules/README.md");
    let text = fs_err::read_to_string(&path).unwrap();
    let (head, _) = text.split_once("| rule |").unwrap();
    let mut expected = format!("{head}| rule | | what is found |\n|---|---|---|\n");
    for (name, rest) in rules() {
        let (severity, title) = rest.split_once(' ').unwrap();
        let title = title.trim_start();
        expected.push_str(&format!("| [{name}]({name}.md) | {severity} | {title} |\n"));
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
    let rules = rules();
    let mut expected = String::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with("  - [") || !line.contains("](rules/"))
    {
        expected.push_str(&format!("{line}\n"));
        if line.ends_with("](rules/README.md)") {
            for (name, _) in &rules {
                expected.push_str(&format!("  - [{name}](rules/{name}.md)\n"));
            }
        }
    }
    if is_updating() {
        fs_err::write(&path, &expected).unwrap();
    }
    assert!(text == expected, "UPDATE_EXPECTED=1 writes it anew");
}
