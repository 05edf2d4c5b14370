//! AppSpecs, configurations and JSON in the pages are what they seem to be.

use std::path::Path;

use integration_tests::agent_command;

use super::assert_none;
use super::block::{Block, Kind, Language};
use super::page::{Page, pages};

/// What a page that shows only some sections leaves out.
const HEAD: &str = "version: 0.0\nos: linux\n";
const FILES: &str = "files:\n  - source: app\n    destination: /srv/shop\n";

#[test]
fn appspecs_are_right_or_wrong_as_their_pages_say() {
    let mut complaints = Vec::new();
    let mut count = 0;
    for page in pages().iter().filter(|page| !page.is_of_a_rule()) {
        for block in page.blocks().iter().filter(|block| is_appspec(block)) {
            count += 1;
            let expected: Vec<String> = block.rule.iter().cloned().collect();
            let found = rules(&whole(block));
            if found != expected {
                complaints.push(format!(
                    "{}: agent validate finds {found:?} instead of {expected:?}",
                    block.place
                ));
            }
        }
    }
    assert!(count >= 20, "only {count} AppSpecs were found");
    assert_none(&complaints);
}

fn is_appspec(block: &Block) -> bool {
    match block.language {
        Language::Yaml => block.kind == Kind::AppSpec,
        Language::Json => block.text.contains("\"Resources\""),
        _ => false,
    }
}

/// The AppSpec of a block that may show only some sections.
fn whole(block: &Block) -> String {
    let has = |keys: &[&str]| {
        let mut lines = block.text.lines();
        lines.any(|line| keys.iter().any(|key| line.starts_with(key)))
    };
    if block.language == Language::Json || has(&["version:"]) {
        return block.text.clone();
    }
    let files = if has(&["files:", "hooks:"]) {
        ""
    } else {
        FILES
    };
    format!("{HEAD}{files}{}", block.text)
}

/// The rules that `agent validate` finds in an AppSpec.
fn rules(text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("appspec.yml");
    fs_err::write(&path, text).unwrap();
    let output = agent_command()
        .args(["validate", "--output", "json"])
        .arg(&path)
        .output()
        .unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    findings
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn json_is_json_and_yaml_is_yaml() {
    for block in pages().iter().flat_map(Page::blocks) {
        match block.language {
            Language::Json => {
                let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block.text);
                assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
            }
            Language::Yaml if block.kind == Kind::NotOurs => {
                let parsed: Result<serde_yaml::Value, _> = serde_yaml::from_str(&block.text);
                assert!(parsed.is_ok(), "{}: {parsed:?}", block.place);
            }
            _ => {}
        }
    }
}

#[test]
fn configurations_can_be_used() {
    let mut complaints = Vec::new();
    let mut count = 0;
    for block in pages().iter().flat_map(Page::blocks) {
        let directory = tempfile::tempdir().unwrap();
        let on_premises = directory.path().join("codedeploy.onpremises.yml");
        let mut configuration = format!("on_premises_config_file: {}\n", on_premises.display());
        match block.kind {
            Kind::Config => configuration.push_str(&block.text),
            Kind::OnPremises => {
                fs_err::write(&on_premises, &block.text).unwrap();
                let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                fs_err::set_permissions(&on_premises, private).unwrap();
            }
            Kind::AppSpec | Kind::NotOurs => continue,
        }
        count += 1;
        if let Err(complaint) = check(
            &directory.path().join("codedeployagent.yml"),
            &configuration,
        ) {
            complaints.push(format!("{}: {complaint}", block.place));
        }
    }
    assert!(count >= 4, "only {count} configurations were found");
    assert_none(&complaints);
}

/// Fails also for a warning: an example has none.
fn check(path: &Path, configuration: &str) -> Result<(), String> {
    fs_err::write(path, configuration).unwrap();
    let output = agent_command()
        .arg("--config")
        .arg(path)
        .args(["config", "check"])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() && !said.contains("warning") {
        Ok(())
    } else {
        Err(said)
    }
}

/// Names with underscores in running text that are no settings.
const NO_SETTINGS: [&str; 5] = [
    "agent_version",
    "file_exists_behavior",
    "node_modules",
    "http_proxy",
    "https_proxy",
];

/// Keys and words of `agent plan --output json`.
const OF_A_PLAN: [&str; 19] = [
    "bundle_bytes",
    "default_acl",
    "deployment_directory",
    "deployment_group",
    "free_bytes",
    "free_inodes",
    "needed_bytes",
    "needed_inodes",
    "not_begun",
    "path_base64",
    "permissions_line",
    "removed_deployments",
    "rolled_back",
    "rolled_forward",
    "selinux_context",
    "timeout_seconds",
    "unfinished_install",
    "would_fail",
    "would_succeed",
];

/// Values of the metrics' labels, and the end of a counter's name.
const OF_METRICS: [&str; 9] = [
    "_total",
    "bad_answer",
    "no_answer",
    "no_connection",
    "not_executable",
    "not_sent",
    "output_left_open",
    "server_error",
    "timed_out",
];

/// The prefix of metrics.
const METRICS: &str = "codedeploy_agent_";

#[test]
fn settings_in_running_text_exist() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("codedeployagent.yml");
    let mut complaints = Vec::new();
    let mut count = 0;
    for page in pages().iter().filter(|page| !page.is_of_a_rule()) {
        for (line, span) in page.code_spans() {
            let name = span.split(':').next().unwrap_or_default();
            let is_name = name.contains('_')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let is_other = NO_SETTINGS.contains(&name)
                || OF_A_PLAN.contains(&name)
                || OF_METRICS.contains(&name);
            if !is_name || is_other || name.starts_with(METRICS) {
                continue;
            }
            count += 1;
            // A name alone has no value, which is as good as leaving it out.
            let colon = if span.contains(':') { "" } else { ":" };
            let said = check(&path, &format!("{span}{colon}\n")).err();
            let said = said.unwrap_or_default();
            if said.contains("is no setting") || said.contains("; allowed:") {
                complaints.push(format!("{}:{line}: `{span}`: {said}", page.name));
            }
        }
    }
    assert!(count >= 40, "only {count} settings were found");
    assert_none(&complaints);
}
