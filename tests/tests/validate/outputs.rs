//! Exit statuses, output formats, and the commands beside `validate`.

use serde_json::Value;

use super::*;

const WARNS: &str = "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: srv/app\n";

fn written(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("appspec.yml"), text).unwrap();
    directory
}

#[test]
fn warnings_are_allowed_unless_strict() {
    let directory = written(WARNS);
    let ran = run(directory.path(), &["validate", "appspec.yml"]);
    assert_eq!(ran.status, 0);
    assert!(
        ran.stdout.contains("warning[destination-relative]"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("appspec.yml:5:18"), "{}", ran.stdout);
    assert!(ran.stdout.contains("^^^^^^^"), "{}", ran.stdout);
    let strict = run(directory.path(), &["validate", "--strict", "appspec.yml"]);
    assert_eq!(strict.status, 1);
    assert!(
        strict.stdout.contains("error[destination-relative]"),
        "{}",
        strict.stdout
    );
}

#[test]
fn json_is_a_list_of_findings() {
    let ran = validate(written(WARNS).path(), "appspec.yml");
    let expected = serde_json::json!([{
        "rule": "destination-relative",
        "severity": "warning",
        "file": "appspec.yml",
        "line": 5,
        "column": 18,
        "message": "destination `srv/app` is relative; it is taken from `/`",
        "help": "write `/srv/app`",
    }]);
    assert_eq!(Value::from(ran.findings()), expected);
    let clean = validate(written(GOOD).path(), "appspec.yml");
    assert_eq!(clean.stdout, "[]\n");
}

#[test]
fn who_thinks_that_a_shell_reads_paths_is_told() {
    let directory = written(&GOOD.replace("/srv/app", "$HOME/app"));
    let finding = validate(directory.path(), "appspec.yml")
        .findings()
        .remove(0);
    let help = finding["help"].as_str().unwrap();
    assert!(help.starts_with("variables are not expanded"), "{finding}");
    let directory = written(&GOOD.replace("source: /", "source: dir/*"));
    fs_err::create_dir(directory.path().join("dir")).unwrap();
    let finding = validate(directory.path(), ".").findings().remove(0);
    let help = finding["help"].as_str().unwrap();
    assert!(help.starts_with("wildcards are not expanded"), "{finding}");
}

#[test]
fn annotations_are_escaped() {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(
        directory.path().join("a,b:c.yml"),
        WARNS.replace("srv/app", "srv/100%"),
    )
    .unwrap();
    let ran = run(
        directory.path(),
        &["validate", "--output", "github", "a,b:c.yml"],
    );
    assert_eq!(
        ran.stdout,
        "::warning file=a%2Cb%3Ac.yml,line=5,col=18,title=destination-relative::\
         destination `srv/100%25` is relative; it is taken from `/`%0Awrite `/srv/100%25`\n"
    );
}

#[test]
fn sarif_names_rule_place_and_help() {
    let ran = run(
        written(WARNS).path(),
        &["validate", "--output", "sarif", "appspec.yml"],
    );
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "destination-relative");
    assert_eq!(result["level"], "warning");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "appspec.yml");
    assert_eq!(
        place["region"],
        serde_json::json!({"startLine": 5, "startColumn": 18})
    );
    let rule = &run["tool"]["driver"]["rules"][0];
    assert_eq!(rule["id"], "destination-relative");
    assert!(
        rule["help"]["markdown"]
            .as_str()
            .unwrap()
            .starts_with("# destination-relative")
    );
}

#[test]
fn the_platform_is_detected_or_given() {
    let lambda = "version: 0.0\nResources:\n  - f:\n      Type: AWS::Lambda::Function\n      \
                  Properties: {Name: f, Alias: a, CurrentVersion: 1, TargetVersion: 2}\n";
    let directory = written(lambda);
    let detected = run(directory.path(), &["validate", "appspec.yml"]);
    assert_eq!(detected.stdout, "appspec.yml: nothing wrong (Lambda)\n");
    for (platform, rule) in [("ecs", "resource-type"), ("ec2", "os-missing")] {
        let arguments = [
            "validate",
            "--output",
            "json",
            "--platform",
            platform,
            "appspec.yml",
        ];
        let ran = run(directory.path(), &arguments);
        assert_eq!(ran.status, 1);
        assert!(ran.rules().contains(&rule.to_owned()), "{}", ran.stdout);
    }
}

#[test]
fn a_secret_is_never_shown() {
    let text = format!(
        "{GOOD}# x\nhooks:\n  AfterInstall:\n    - {{location: a, passwort: 1, db_password: hunter22}}\n"
    );
    let directory = written(&text);
    for output in ["human", "json", "sarif", "github"] {
        let ran = run(
            directory.path(),
            &["validate", "--output", output, "appspec.yml"],
        );
        assert!(
            ran.stdout.contains("secret-in-plain-text") || output == "x",
            "{}",
            ran.stdout
        );
        assert!(!ran.stdout.contains("hunter22"), "{output}: {}", ran.stdout);
    }
}

#[test]
fn a_rule_that_does_not_exist_is_guessed() {
    let ran = run(Path::new("/"), &["explain", "mode-invald"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.stderr.contains("did you mean mode-invalid?"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_hooks_of_pre_commit_call_a_command_that_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.pre-commit-hooks.yaml");
    let hooks: serde_yaml::Value =
        serde_yaml::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    let hook = &hooks[0];
    let entry: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').collect();
    assert_eq!(entry[0], "agent");
    // All the files of a commit are named in one call.
    let directory = written(GOOD);
    fs_err::write(directory.path().join("appspec-ecs.json"), "{}").unwrap();
    let mut arguments = entry[1..].to_vec();
    arguments.push("appspec.yml");
    assert_eq!(run(directory.path(), &arguments).status, 0);
    arguments.push("appspec-ecs.json");
    assert_eq!(run(directory.path(), &arguments).status, 1);
}

#[test]
fn several_files_make_one_document_and_the_worst_status() {
    let directory = written(WARNS);
    for (name, text) in [("good.yml", GOOD), ("bad.yml", "version: 0.0\n")] {
        fs_err::write(directory.path().join(name), text).unwrap();
    }
    let over = |output: &str, paths: &[&str]| {
        let arguments = [&["validate", "--output", output], paths].concat();
        run(directory.path(), &arguments)
    };
    let files = |findings: &[Value]| {
        let files: Vec<String> = findings
            .iter()
            .map(|finding| finding["file"].as_str().unwrap().to_owned())
            .collect();
        files
    };
    let ran = over("json", &["good.yml", "appspec.yml"]);
    assert_eq!(ran.status, 0);
    assert_eq!(files(&ran.findings()), ["appspec.yml"]);
    let ran = over("json", &["bad.yml", "appspec.yml", "good.yml"]);
    assert_eq!(ran.status, 1);
    let found = files(&ran.findings());
    assert_eq!(found.first().unwrap(), "bad.yml");
    assert_eq!(found.last().unwrap(), "appspec.yml");

    // What can be read is told of, whatever else cannot.
    let ran = over("json", &["missing.yml", "appspec.yml", "bad.yml"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("missing.yml"), "{}", ran.stderr);
    assert_eq!(files(&ran.findings()).first().unwrap(), "appspec.yml");
    let ran = over("json", &["missing.yml", "lost.yml"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("lost.yml"), "{}", ran.stderr);

    let ran = over("sarif", &["bad.yml", "appspec.yml"]);
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let uri = |result: &Value| {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone()
    };
    assert_eq!(uri(results.first().unwrap()), "bad.yml");
    assert_eq!(uri(results.last().unwrap()), "appspec.yml");

    let ran = over("github", &["bad.yml", "appspec.yml"]);
    assert!(ran.stdout.starts_with("::error file=bad.yml,"));
    assert!(ran.stdout.contains("\n::warning file=appspec.yml,"));

    // For people each is as it is alone.
    let paths = ["good.yml", "appspec.yml"];
    let alone: String = paths.map(|path| over("human", &[path]).stdout).concat();
    assert_eq!(over("human", &paths).stdout, alone);
}

/// Somebody who knows nothing of AppSpecs, and writes what the messages say.
#[test]
fn the_messages_lead_from_nothing_to_an_appspec() {
    let mut text = String::new();
    for step in [
        "version: 0.0\n",
        "os: linux\n",
        "files:\n  - source: /\n    destination: /srv/app\n",
        "hooks:\n  AfterInstall:\n    - location: scripts/start.sh\n",
    ] {
        let ran = run_with_input(Path::new("/"), &["validate", "-"], text.as_bytes());
        for line in step.lines().filter(|_| !text.contains("files")) {
            assert!(ran.stdout.contains(line.trim()), "{line}: {}", ran.stdout);
        }
        text.push_str(step);
    }
    let ran = run_with_input(
        Path::new("/"),
        &["validate", "--strict", "-"],
        text.as_bytes(),
    );
    assert_eq!(ran.stdout, "<stdin>: nothing wrong (EC2/on-premises)\n");
}
