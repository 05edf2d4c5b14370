//! The contract's table, row by row, and the rules that hold for every row.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn parse(text: &str) -> Result<Loaded, ConfigError> {
    Config::parse(Path::new("/c.yml"), text.as_bytes(), Purpose::Service)
}

fn value(loaded: &Loaded, key: &str) -> String {
    let entry = loaded.entries().into_iter().find(|entry| entry.key == key);
    let entry = entry.unwrap_or_else(|| panic!("{key} is not in the entries"));
    entry.value.unwrap_or_else(|| "none".to_owned())
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Invalid { problems, .. }) => {
            problems.iter().map(ToString::to_string).collect()
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

/// A row of the table: its default, and a value that is not the default, in both key styles.
#[rstest]
#[case::log_dir("log_dir", "/var/log/aws/codedeploy-agent", "/l/", "/l/")]
#[case::pid_dir("pid_dir", "/opt/codedeploy-agent/state/.pid", "/p", "/p")]
#[case::root_dir("root_dir", "/opt/codedeploy-agent/deployment-root", "'/r'", "/r")]
#[case::program_name("program_name", "codedeploy-agent", "0123", "0123")]
#[case::user("user", "none", "deploy", "deploy")]
#[case::group("group", "none", "deploy", "deploy")]
#[case::verbose("verbose", "false", "true", "true")]
#[case::log_format("log_format", "text", "json", "json")]
#[case::metrics_file("metrics_file", "none", "/m", "/m")]
#[case::wait_between_runs("wait_between_runs", "30", "1", "1")]
#[case::wait_after_error("wait_after_error", "30", "0.5", "0.5")]
#[case::http_read_timeout("http_read_timeout", "80", "100", "100")]
#[case::max_revisions("max_revisions", "5", "1", "1")]
#[case::on_premises_config_file(
    "on_premises_config_file",
    "/etc/codedeploy-agent/conf/codedeploy.onpremises.yml",
    "/o.yml",
    "/o.yml"
)]
#[case::proxy_uri("proxy_uri", "none", "http://u:p@h:3128", "http://(hidden)@h:3128")]
#[case::no_proxy("no_proxy", "none", "'a.b, .c  10.0.0.0/8'", "[a.b, .c, 10.0.0.0/8]")]
#[case::no_proxy_list("no_proxy", "none", "[a.b, '*.c']", "[a.b, *.c]")]
#[case::proxy_for("proxy_for", "[control, s3, github]", "[s3]", "[s3]")]
#[case::proxy_for_text(
    "proxy_for",
    "[control, s3, github]",
    "github,control",
    "[control, github]"
)]
#[case::proxy_for_nothing("proxy_for", "[control, s3, github]", "[]", "[]")]
#[case::enable_auth_policy("enable_auth_policy", "false", "true", "true")]
#[case::use_fips_mode("use_fips_mode", "false", "true", "true")]
#[case::deploy_control_endpoint(
    "deploy_control_endpoint",
    "none",
    "https://c.example/",
    "https://c.example"
)]
#[case::s3_endpoint_override("s3_endpoint_override", "none", "https://s3:9000", "https://s3:9000")]
#[case::github_api_endpoint("github_api_endpoint", "none", "https://g/api/v3", "https://g/api/v3")]
#[case::disable_imds_v1("disable_imds_v1", "false", "true", "true")]
#[case::signer_ca_file("signer_ca_file", "none", "/ca.pem", "/ca.pem")]
#[case::compatible_version("compatible_version", "2.1.0", "2.10", "2.10")]
#[case::enable_deployments_log("enable_deployments_log", "true", "false", "false")]
#[case::log_aws_wire("log_aws_wire", "false", "true", "true")]
#[case::kill_agent_max_wait_time_seconds("kill_agent_max_wait_time_seconds", "7200", "0", "0")]
#[case::ongoing_deployment_tracking(
    "ongoing_deployment_tracking",
    "ongoing-deployment",
    "busy",
    "busy"
)]
#[case::enable_archive_reuse("enable_archive_reuse", "true", "false", "false")]
#[case::preserve_directory_symlinks("preserve_directory_symlinks", "false", "true", "true")]
#[case::runas_via("runas_via", "native", "su", "su")]
#[case::profile_environment("profile_environment", "true", "false", "false")]
#[case::outputs_left_open("outputs_left_open", "wait", ":release", "release")]
#[case::restrict_hook_env_to_allowlist("restrict_hook_env_to_allowlist", "false", "true", "true")]
#[case::strip_loader_env_in_hooks("strip_loader_env_in_hooks", "false", "true", "true")]
#[case::reject_symlinks_in_bundle("reject_symlinks_in_bundle", "false", "true", "true")]
#[case::reject_path_traversal_in_bundle("reject_path_traversal_in_bundle", "true", "true", "true")]
#[case::reject_unsafe_permissions_in_bundle(
    "reject_unsafe_permissions_in_bundle",
    "false",
    "true",
    "true"
)]
#[case::reject_unconfined_selinux_in_bundle(
    "reject_unconfined_selinux_in_bundle",
    "false",
    "true",
    "true"
)]
#[case::reject_symlink_permission_targets(
    "reject_symlink_permission_targets",
    "true",
    "true",
    "true"
)]
#[case::ignore_ownership_in_bundle("ignore_ownership_in_bundle", "false", "true", "true")]
#[case::archive_max_extraction_size("archive_max_extraction_size", "none", "4GB", "4000000000")]
#[case::archive_max_entries("archive_max_entries", "2000000", "100_000", "100000")]
#[case::archive_max_path_length("archive_max_path_length", "4096", "1024", "1024")]
#[case::archive_max_depth("archive_max_depth", "256", "32", "32")]
#[case::keep_bundle("keep_bundle", "true", "false", "false")]
#[case::restrict_agent_dir_permissions("restrict_agent_dir_permissions", "false", "true", "true")]
#[case::restrict_log_dir_permissions("restrict_log_dir_permissions", "false", "true", "true")]
#[case::disable_core_dumps("disable_core_dumps", "true", "false", "false")]
fn row(#[case] key: &str, #[case] default: &str, #[case] written: &str, #[case] read: &str) {
    let without = parse("").unwrap();
    assert_eq!(value(&without, key), default);
    assert_eq!(without.origin(key), Origin::Default);
    for colon in ["", ":"] {
        let loaded = parse(&format!("---\n{colon}{key}: {written}\n")).unwrap();
        assert_eq!(value(&loaded, key), read);
        assert_eq!(loaded.origin(key), Origin::File { line: 2 });
        let is_without_effect = key == "wait_after_error";
        assert_eq!(warnings(&loaded).len(), usize::from(is_without_effect));
    }
}

/// A setting that is taken and not obeyed says so.
#[test]
fn the_one_setting_without_effect_is_noted() {
    let loaded = parse("wait_after_error: 5").unwrap();
    assert_eq!(
        warnings(&loaded),
        [
            "line 1: wait_after_error has no effect: after errors the agent waits longer each time, \
          11 s to 90 s"
        ]
    );
    assert!(loaded.warnings[0].is_note());
}

/// A new row must come into the table above, too.
#[test]
fn every_key_has_a_row() {
    let source = include_str!("tests.rs");
    for key in Config::KEYS {
        let case = format!("#[case::{key}(");
        assert!(source.contains(&case), "{key} has no row");
    }
}

#[rstest]
#[case::max_revisions(
    "max_revisions: 0",
    r#"max_revisions is "0"; allowed: a whole number, at least 1"#
)]
#[case::max_revisions_negative(
    "max_revisions: -3",
    r#"max_revisions is "-3"; allowed: a whole number, at least 1"#
)]
#[case::max_revisions_fraction(
    "max_revisions: 2.5",
    r#"max_revisions is "2.5"; allowed: a whole number, at least 1"#
)]
#[case::octal(
    "max_revisions: 010",
    r#"max_revisions is "010"; allowed: a whole number, at least 1"#
)]
#[case::sexagesimal(
    "wait_between_runs: 1:30",
    r#"wait_between_runs is "1:30"; allowed: a number of seconds from 0.1 to 86400"#
)]
#[case::unit(
    "http_read_timeout: 80s",
    r#"http_read_timeout is "80s"; allowed: a number of seconds from 1 to 3600"#
)]
#[case::not_a_number(
    "wait_after_error: nan",
    r#"wait_after_error is "nan"; allowed: a number of seconds from 0.1 to 86400"#
)]
#[case::infinity(
    "wait_after_error: inf",
    r#"wait_after_error is "inf"; allowed: a number of seconds from 0.1 to 86400"#
)]
#[case::flag("verbose: maybe", r#"verbose is "maybe"; allowed: true or false"#)]
#[case::flag_list("verbose: [true]", "verbose is a list; allowed: true or false")]
#[case::flag_mapping(
    "reject_symlinks_in_bundle: {a: 1}",
    "reject_symlinks_in_bundle is a mapping; allowed: true or false"
)]
#[case::relative("log_dir: logs", r#"log_dir is "logs"; allowed: an absolute path"#)]
#[case::home("root_dir: ~/x", r#"root_dir is "~/x"; allowed: an absolute path"#)]
#[case::empty_path("pid_dir: ''", r#"pid_dir is ""; allowed: an absolute path"#)]
#[case::line_in_path(
    r#"root_dir: "/a\nb""#,
    r#"root_dir is "/a\nb"; allowed: an absolute path"#
)]
#[case::program_name(
    "program_name: a/b",
    r#"program_name is "a/b"; allowed: one file name of at most 200 bytes, without slashes"#
)]
#[case::dots("ongoing_deployment_tracking: ..", r#"ongoing_deployment_tracking is ".."; allowed: one file name of at most 200 bytes, without slashes"#)]
#[case::taken("ongoing_deployment_tracking: deployment-logs", r#"ongoing_deployment_tracking is "deployment-logs"; allowed: a directory name that root_dir does not use for something else"#)]
#[case::user("user: 'a b'", r#"user is "a b"; allowed: the name of an account"#)]
#[case::endpoint("deploy_control_endpoint: c.example", r#"deploy_control_endpoint is "c.example"; allowed: an https:// or http:// URL without credentials or query"#)]
#[case::endpoint_scheme("s3_endpoint_override: ftp://h", r#"s3_endpoint_override is "ftp://h"; allowed: an https:// or http:// URL without credentials or query"#)]
#[case::endpoint_secret(
    "github_api_endpoint: https://u:secret@h",
    "github_api_endpoint is (hidden); allowed: an https:// or http:// URL without credentials or query"
)]
#[case::proxy_secret(
    "proxy_uri: u:secret@h:3128",
    "proxy_uri is (hidden: it may hold a password); allowed: a URL of the form http://[user:password@]host[:port]"
)]
#[case::proxy_for(
    "proxy_for: [s3, imds]",
    "proxy_for is a list; allowed: a list of control, s3 and github"
)]
#[case::no_proxy(
    "no_proxy: [[a]]",
    "no_proxy is a list of lists or mappings; allowed: host names, as a list or separated by commas"
)]
#[case::runas_via("runas_via: sudo", r#"runas_via is "sudo"; allowed: native or su"#)]
#[case::outputs_left_open(
    "outputs_left_open: kill",
    r#"outputs_left_open is "kill"; allowed: wait or release"#
)]
#[case::log_format("log_format: xml", r#"log_format is "xml"; allowed: text or json"#)]
#[case::version(
    r#"compatible_version: "2.1\r\nx: y""#,
    r#"compatible_version is "2.1\r\nx: y"; allowed: a version such as 2.1.0"#
)]
#[case::tag(
    "verbose: !x true",
    "verbose is a value with a tag that is not understood; allowed: true or false"
)]
fn what_cannot_be_understood_stops(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(problems(text), [format!("line 1: {expected}")]);
}

#[rstest]
#[case("0")]
#[case("-1")]
#[case("1.5GB")]
#[case("4XB")]
#[case("GB")]
#[case("010")]
#[case("99999999999999999999")]
#[case("99999999TB")]
fn archive_max_extraction_size_is_never_loosened(#[case] size: &str) {
    let text = format!("archive_max_extraction_size: {size}");
    assert_eq!(problems(&text).len(), 1);
}

#[rstest]
#[case("archive_max_entries: 0", "from 1 to 4294967295")]
#[case("archive_max_entries: 4294967296", "from 1 to 4294967295")]
#[case("archive_max_path_length: 4097", "from 1 to 4096")]
#[case("archive_max_depth: -3", "from 1 to 512")]
#[case("archive_max_depth: 1.5", "from 1 to 512")]
fn limits_of_archives_are_never_loosened(#[case] text: &str, #[case] allowed: &str) {
    let problems = problems(text);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains(allowed), "{problems:?}");
}

#[rstest]
#[case("1", 1)]
#[case("4294967297", 4_294_967_297)]
#[case("'5_000'", 5000)]
#[case("7b", 7)]
#[case("2 KB", 2000)]
#[case("500mb", 500_000_000)]
#[case("1TB", 1_000_000_000_000)]
#[case("1KiB", 1024)]
#[case("1MiB", 1 << 20)]
#[case("1GiB", 1 << 30)]
#[case("1TiB", 1 << 40)]
fn archive_max_extraction_size_units(#[case] size: &str, #[case] bytes: u64) {
    let loaded = parse(&format!("archive_max_extraction_size: {size}")).unwrap();
    let limit = loaded.config.archive_max_extraction_size;
    assert_eq!(limit.map(std::num::NonZeroU64::get), Some(bytes));
    assert_eq!(warnings(&loaded), Vec::<String>::new());
}

#[test]
fn all_problems_are_listed_in_one_go() {
    let error = parse("max_revisions: 0\nverbose: maybe\n:max_revisions: x\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "/c.yml: line 2: verbose is \"maybe\"; allowed: true or false | line 3: max_revisions is \
         \"x\"; allowed: a whole number, at least 1"
    );
}

#[rstest]
#[case::quoted_number(
    "max_revisions: '7'",
    "max_revisions",
    "7",
    "max_revisions is read as 7; write 7, without quotes"
)]
#[case::quoted_seconds(
    "wait_between_runs: \"2.5\"",
    "wait_between_runs",
    "2.5",
    "wait_between_runs is read as 2.5; write 2.5, without quotes"
)]
#[case::quoted_flag(
    "reject_symlinks_in_bundle: 'true'",
    "reject_symlinks_in_bundle",
    "true",
    "reject_symlinks_in_bundle is read as true; write true, without quotes"
)]
#[case::quoted_false(
    "verbose: 'false'",
    "verbose",
    "false",
    "verbose is read as false; write false, without quotes"
)]
#[case::one(
    "verbose: 1",
    "verbose",
    "true",
    "verbose is read as true; write true, without quotes"
)]
#[case::zero(
    "disable_core_dumps: 0",
    "disable_core_dumps",
    "false",
    "disable_core_dumps is read as false; write false, without quotes"
)]
#[case::null(
    "log_dir:",
    "log_dir",
    "/var/log/aws/codedeploy-agent",
    "log_dir has no value; the default /var/log/aws/codedeploy-agent is used"
)]
#[case::null_flag(
    "enable_deployments_log: ~",
    "enable_deployments_log",
    "true",
    "enable_deployments_log has no value; the default true is used"
)]
#[case::empty_text(
    "proxy_uri: ''",
    "proxy_uri",
    "none",
    "proxy_uri has no value; the default none is used"
)]
#[case::too_long(
    "kill_agent_max_wait_time_seconds: 86401",
    "kill_agent_max_wait_time_seconds",
    "86400",
    "kill_agent_max_wait_time_seconds is 86401; 86400 is used (allowed: a number of seconds from 0 to 86400)"
)]
#[case::negative(
    "wait_between_runs: -1",
    "wait_between_runs",
    "0.1",
    "wait_between_runs is -1; 0.1 is used (allowed: a number of seconds from 0.1 to 86400)"
)]
#[case::too_many_digits(
    "wait_between_runs: 1_000_000",
    "wait_between_runs",
    "86400",
    "wait_between_runs is 1000000; 86400 is used (allowed: a number of seconds from 0.1 to 86400)"
)]
#[case::http_read_timeout(
    "http_read_timeout: 0",
    "http_read_timeout",
    "1",
    "http_read_timeout is 0; 1 is used (allowed: a number of seconds from 1 to 3600)"
)]
#[case::max_revisions(
    "max_revisions: 9999999999",
    "max_revisions",
    "4294967295",
    "max_revisions is 9999999999; 4294967295 is used (allowed: at most 4294967295)"
)]
#[case::always_on(
    "reject_path_traversal_in_bundle: false",
    "reject_path_traversal_in_bundle",
    "true",
    "reject_path_traversal_in_bundle: false has no effect; this protection is always on"
)]
#[case::always_on_too(
    "reject_symlink_permission_targets: no",
    "reject_symlink_permission_targets",
    "true",
    "reject_symlink_permission_targets: false has no effect; this protection is always on"
)]
#[case::plain_control(
    "deploy_control_endpoint: http://h",
    "deploy_control_endpoint",
    "http://h",
    "deploy_control_endpoint is an http:// address: what is sent there can be read and changed on the way; use https://"
)]
#[case::plain_s3(
    "s3_endpoint_override: http://h",
    "s3_endpoint_override",
    "http://h",
    "s3_endpoint_override is an http:// address: what is sent there can be read and changed on the way; use https://"
)]
#[case::plain_github(
    "github_api_endpoint: http://h",
    "github_api_endpoint",
    "http://h",
    "github_api_endpoint is an http:// address: what is sent there can be read and changed on the way; use https://"
)]
fn what_is_taken_loosely_is_said(
    #[case] text: &str,
    #[case] key: &str,
    #[case] used: &str,
    #[case] expected: &str,
) {
    let loaded = parse(text).unwrap();
    assert_eq!(value(&loaded, key), used);
    assert_eq!(warnings(&loaded), [format!("line 1: {expected}")]);
}

#[rstest]
#[case("user")]
#[case("group")]
#[case("proxy_uri")]
#[case("no_proxy")]
#[case("proxy_for")]
#[case("deploy_control_endpoint")]
#[case("s3_endpoint_override")]
#[case("github_api_endpoint")]
#[case("signer_ca_file")]
#[case("metrics_file")]
#[case("log_format")]
#[case("archive_max_extraction_size")]
fn null_is_the_ordinary_way_to_say_none(#[case] key: &str) {
    let loaded = parse(&format!(":{key}:\n")).unwrap();
    assert_eq!(loaded, parse("").unwrap());
}

#[rstest]
#[case("yes", true)]
#[case("On", true)]
#[case("TRUE", true)]
#[case("no", false)]
#[case("Off", false)]
#[case("False", false)]
fn booleans_are_those_of_ruby(#[case] word: &str, #[case] expected: bool) {
    let loaded = parse(&format!("verbose: {word}\ndisable_core_dumps: {word}")).unwrap();
    assert_eq!(loaded.config.verbose, expected);
    assert_eq!(loaded.config.disable_core_dumps, expected);
    assert_eq!(warnings(&loaded), Vec::<String>::new());
}

#[rstest]
#[case("children")]
#[case("shared_dir")]
#[case("wait_between_spawning_children")]
#[case("max_runs_per_worker")]
#[case("instance_service_region")]
#[case("instance_service_endpoint")]
#[case("instance_service_port")]
#[case("codedeploy_test_profile")]
#[case("ssl_verify_peer")]
fn a_retired_key_is_noted(#[case] key: &str) {
    let loaded = parse(&format!(":{key}: [anything]\n")).unwrap();
    let [note] = loaded.warnings.as_slice() else {
        panic!("{:?}", loaded.warnings);
    };
    assert!(note.is_note());
    let start = format!("line 1: {key} is no longer needed and is ignored: ");
    assert!(note.to_string().starts_with(&start), "{note}");
    assert_eq!(loaded.config, Config::defaults(Purpose::Service));
}

#[test]
fn unknown_keys_have_one_warning_each() {
    let loaded = parse("log_dri: /x\n:reject-symlinks-in-bundle: true\n5: x\ntime_zone: utc\n");
    let loaded = loaded.unwrap();
    assert_eq!(
        warnings(&loaded),
        [
            "line 1: log_dri is no setting of this agent and is ignored; did you mean log_dir?",
            "line 2: reject-symlinks-in-bundle is no setting of this agent and is ignored; did \
             you mean reject_symlinks_in_bundle?",
            "line 3: 5 is no setting of this agent and is ignored",
            "line 4: time_zone is no setting of this agent and is ignored",
        ]
    );
    assert!(loaded.warnings.iter().all(|warning| !warning.is_note()));
}

#[test]
fn a_key_that_may_be_a_secret_is_not_shown() {
    let loaded = parse("proxy_uri=http://u:secret@h : x\n").unwrap();
    assert_eq!(
        warnings(&loaded),
        ["line 1: a key that is no plain name is no setting of this agent and is ignored"]
    );
    assert!(!format!("{loaded:?}").contains("secret"));
}

#[test]
fn of_a_duplicate_the_last_counts() {
    let loaded = parse("log_dir: /a\nverbose: true\n:log_dir: /b\n").unwrap();
    assert_eq!(value(&loaded, "log_dir"), "/b");
    assert_eq!(loaded.origin("log_dir"), Origin::File { line: 3 });
    assert_eq!(
        warnings(&loaded),
        ["line 3: log_dir is also on line 1; this one counts, remove the other"]
    );
}

#[test]
fn a_second_document_is_ignored_with_a_warning() {
    let loaded = parse("verbose: true\n---\nverbose: false\n").unwrap();
    assert!(loaded.config.verbose);
    assert_eq!(
        warnings(&loaded),
        [
            "line 2: what follows here is a second YAML document and is ignored; remove the line \
             with ---"
        ]
    );
}

#[rstest]
#[case(
    "- a\n",
    "cannot understand the configuration file /c.yml: line 1: found a list where lines of the form \"name: value\" are needed"
)]
#[case(
    "log_dir = /x\n",
    "cannot understand the configuration file /c.yml: line 1: found a single value where lines of the form \"name: value\" are needed"
)]
#[case(
    "log_dir: 'x\n",
    "cannot understand the configuration file /c.yml: line 2: found unexpected end of stream; correct the YAML there"
)]
fn what_is_no_mapping_is_an_error(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(crate::error::chain(&parse(text).unwrap_err()), expected);
}

#[test]
fn text_that_is_not_utf_8_is_an_error() {
    let error = Config::parse(Path::new("/c.yml"), b"log_dir: /\xff\xfe", Purpose::Service);
    assert!(matches!(error, Err(ConfigError::Document { .. })));
}

const SHIPPED: &str = "---
:log_aws_wire: false
:log_dir: '/var/log/aws/codedeploy-agent/'
:pid_dir: '/opt/codedeploy-agent/state/.pid/'
:program_name: codedeploy-agent
:root_dir: '/opt/codedeploy-agent/deployment-root'
:verbose: false
:wait_between_runs: 1
:proxy_uri:
:max_revisions: 5
";

#[test]
fn the_file_that_aws_ships_is_taken_without_a_word() {
    let loaded = parse(SHIPPED).unwrap();
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    let config = &loaded.config;
    assert_eq!(config.wait_between_runs, std::time::Duration::from_secs(1));
    // As configured in pointers and comparisons, but one slash where something is joined.
    assert_eq!(config.log_dir.as_os_str(), "/var/log/aws/codedeploy-agent/");
    assert_eq!(
        config.log_dir.join(&config.program_name).as_os_str(),
        "/var/log/aws/codedeploy-agent/codedeploy-agent"
    );
    assert_eq!(
        config.pid_dir.join("x.pid").as_os_str(),
        "/opt/codedeploy-agent/state/.pid/x.pid"
    );
}

#[test]
fn entries_show_every_value_with_its_origin_and_no_secret() {
    let loaded = parse(
        "---\n:root_dir: /srv/deploy/\n:proxy_uri: http://us%65r:s3cret@proxy.example:3128/\n\
         :reject_symlinks_in_bundle: true\narchive_max_extraction_size: 1GiB\n\
         no_proxy: [a, b]\nwait_between_runs: 0.5\n",
    )
    .unwrap();
    let shown: Vec<String> = loaded
        .entries()
        .into_iter()
        .map(|entry| {
            let origin = match entry.origin {
                Origin::Default => "default".to_owned(),
                Origin::File { line } => format!("line {line}"),
            };
            let value = entry.value.unwrap_or_else(|| "-".to_owned());
            format!("{}: {value} ({origin})", entry.key)
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    log_dir: /var/log/aws/codedeploy-agent (default)
    pid_dir: /opt/codedeploy-agent/state/.pid (default)
    root_dir: /srv/deploy/ (line 2)
    program_name: codedeploy-agent (default)
    user: - (default)
    group: - (default)
    verbose: false (default)
    log_format: text (default)
    metrics_file: - (default)
    wait_between_runs: 0.5 (line 7)
    wait_after_error: 30 (default)
    http_read_timeout: 80 (default)
    max_revisions: 5 (default)
    on_premises_config_file: /etc/codedeploy-agent/conf/codedeploy.onpremises.yml (default)
    proxy_uri: http://(hidden)@proxy.example:3128 (line 3)
    no_proxy: [a, b] (line 6)
    proxy_for: [control, s3, github] (default)
    enable_auth_policy: false (default)
    use_fips_mode: false (default)
    deploy_control_endpoint: - (default)
    s3_endpoint_override: - (default)
    github_api_endpoint: - (default)
    disable_imds_v1: false (default)
    signer_ca_file: - (default)
    compatible_version: 2.1.0 (default)
    enable_deployments_log: true (default)
    log_aws_wire: false (default)
    kill_agent_max_wait_time_seconds: 7200 (default)
    ongoing_deployment_tracking: ongoing-deployment (default)
    enable_archive_reuse: true (default)
    preserve_directory_symlinks: false (default)
    runas_via: native (default)
    profile_environment: true (default)
    outputs_left_open: wait (default)
    restrict_hook_env_to_allowlist: false (default)
    strip_loader_env_in_hooks: false (default)
    reject_symlinks_in_bundle: true (line 4)
    reject_path_traversal_in_bundle: true (default)
    reject_unsafe_permissions_in_bundle: false (default)
    reject_unconfined_selinux_in_bundle: false (default)
    reject_symlink_permission_targets: true (default)
    ignore_ownership_in_bundle: false (default)
    archive_max_extraction_size: 1073741824 (line 5)
    archive_max_entries: 2000000 (default)
    archive_max_path_length: 4096 (default)
    archive_max_depth: 256 (default)
    keep_bundle: true (default)
    restrict_agent_dir_permissions: false (default)
    restrict_log_dir_permissions: false (default)
    disable_core_dumps: true (default)
    ");
    assert!(!format!("{loaded:?}").contains("s3cret"));
}

#[test]
fn local_deployments_have_their_own_defaults() {
    let local = |text: &str| {
        Config::parse(Path::new("/c.yml"), text.as_bytes(), Purpose::Local)
            .unwrap()
            .config
    };
    assert!(!local("").profile_environment);
    assert_eq!(local(""), Config::defaults(Purpose::Local));
    assert!(local("profile_environment: true").profile_environment);
    assert!(Config::defaults(Purpose::Service).profile_environment);
}

proptest! {
    #[test]
    fn no_value_of_any_key_makes_it_panic(key in 0..Config::KEYS.len(), text in ".{0,30}") {
        let _ = parse(&format!("{}: {text}\n", Config::KEYS[key]));
    }

    #[test]
    fn no_form_of_proxy_uri_shows_its_password(before in "[a-z:/@%#? ]{0,12}", after in "[a-z:/@%#?\n]{0,12}") {
        let text = format!("proxy_uri: {before}S3CRET{after}\n");
        let shown = match parse(&text) {
            Ok(loaded) => {
                let proxy = loaded.config.proxy_uri.as_ref();
                let host = proxy.is_some_and(|p| p.without_credentials().as_str().to_uppercase().contains("S3CRET"));
                (!host).then(|| format!("{loaded:?} {:?} {:?}", loaded.entries(), warnings(&loaded)))
            }
            Err(error) => Some(format!("{error:?} {error}")),
        };
        if let Some(shown) = shown {
            prop_assert!(!shown.to_uppercase().contains("S3CRET"), "{text:?}: {shown}");
        }
    }
}

/// The file that packages install: each line `#key: value` is a default.
#[test]
fn the_shipped_file_names_every_key_with_its_default() {
    let shipped = include_str!("../../../packaging/codedeployagent.yml");
    let loaded = parse(shipped).unwrap();
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    assert_eq!(loaded.config.wait_between_runs, Duration::from_secs(1));
    let whole: String = shipped
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let all = parse(&whole).unwrap();
    let noted: Vec<_> = all
        .warnings
        .iter()
        .map(|note| note.key.as_deref())
        .collect();
    assert_eq!(noted, [Some("wait_after_error")]);
    let default = Loaded::defaults(Purpose::Service);
    for (set, default) in all.entries().iter().zip(default.entries()) {
        let named = whole
            .lines()
            .any(|line| line.split(':').next() == Some(default.key));
        assert!(named, "{} is not in the file", default.key);
        if default.key != "wait_between_runs" {
            assert_eq!(set.value, default.value, "{}", default.key);
        }
    }
}
