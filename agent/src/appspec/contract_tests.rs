//! The AppSpec contract row by row, whole files, rendering, and properties of any input.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::deployment::FileExistsBehavior;

const HEAD: &str = "version: 0.0\nos: linux\n";

/// The AppSpec made of the usual head and `body`, and the codes of its warnings.
fn accepted(body: &str) -> (AppSpec, Vec<&'static str>) {
    let parsed = parse(format!("{HEAD}{body}").as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    let codes = parsed.warnings.iter().map(|p| p.code).collect();
    (parsed.appspec, codes)
}

/// The codes of the errors of a whole file.
fn errors(source: &[u8]) -> Vec<&'static str> {
    let problems = parse(source).expect_err("the file is refused");
    let errors = problems.iter().filter(|p| p.severity == Severity::Error);
    errors.map(|p| p.code).collect()
}

fn refused(body: &str) -> Vec<&'static str> {
    errors(format!("{HEAD}{body}").as_bytes())
}

fn script(keys: &str) -> String {
    format!("hooks:\n  AfterInstall:\n    - location: a.sh\n      {keys}\n")
}

fn rule(keys: &str) -> String {
    format!("permissions:\n  - object: /srv\n    {keys}\n")
}

#[rstest]
#[case::float("version: 0.0", None)]
#[case::integer("version: 0", None)]
#[case::quoted_is_accepted_with_a_warning("version: \"0.0\"", Some("version-quoted"))]
fn version_accepted(#[case] line: &str, #[case] warning: Option<&str>) {
    let parsed = parse(format!("{line}\nos: linux\n").as_bytes()).unwrap();
    assert_eq!(parsed.warnings.first().map(|p| p.code), warning);
}

#[rstest]
#[case::other_number("version: 0.1\nos: linux", "version-invalid")]
#[case::three_parts("version: 1.0.0\nos: linux", "version-invalid")]
#[case::list("version: [0.0]\nos: linux", "version-invalid")]
#[case::missing("os: linux", "version-missing")]
#[case::null("version:\nos: linux", "version-missing")]
#[case::upper_case("Version: 0.0\nos: linux", "version-missing")]
#[case::os_missing("version: 0.0", "os-missing")]
#[case::os_windows("version: 0.0\nos: windows", "os-windows")]
#[case::os_ubuntu("version: 0.0\nos: ubuntu", "os-invalid")]
#[case::os_upper_case("version: 0.0\nos: Linux", "os-invalid")]
#[case::os_list("version: 0.0\nos: [linux]", "os-invalid")]
#[case::empty("", "empty")]
#[case::comment_only("# nothing\n", "empty")]
#[case::null_document("---\n", "empty")]
#[case::a_list("- version: 0.0\n- os: linux\n", "not-a-mapping")]
#[case::text("version 0.0", "not-a-mapping")]
#[case::not_yaml("version: [", "yaml-unclosed")]
#[case::binary("\u{7f}ELF\0\0", "yaml-control-character")]
fn head_refused(#[case] source: &str, #[case] code: &str) {
    assert_eq!(errors(source.as_bytes()), [code]);
}

#[test]
fn too_large_is_refused_before_it_is_read() {
    let source = vec![b'['; MAX_BYTES + 1];
    let problems = parse(&source).unwrap_err();
    assert_eq!(problems[0].code, "file-too-large");
    assert!(problems.render("appspec.yml", &source, false).len() < 500);
}

#[rstest]
#[case::null_sections("files:\nhooks: ~\npermissions: null", "section-empty")]
#[case::null_event("hooks:\n  AfterInstall:\n", "event-empty")]
#[case::empty_event("hooks:\n  AfterInstall: []\n", "event-empty")]
fn nothing_is_empty(#[case] body: &str, #[case] warning: &str) {
    let (appspec, warnings) = accepted(body);
    assert!(appspec.files.is_empty() && appspec.hooks.is_empty() && appspec.permissions.is_empty());
    assert!(warnings.iter().all(|code| *code == warning) && !warnings.is_empty());
}

#[rstest]
#[case::disallow("DISALLOW", FileExistsBehavior::Disallow, &[])]
#[case::overwrite("OVERWRITE", FileExistsBehavior::Overwrite, &[])]
#[case::retain("RETAIN", FileExistsBehavior::Retain, &[])]
#[case::lower_case_fails_only_at_a_conflict(
    "overwrite", FileExistsBehavior::Invalid("overwrite".to_owned()), &["file-exists-behavior-invalid"]
)]
fn file_exists_behavior(
    #[case] value: &str,
    #[case] expected: FileExistsBehavior,
    #[case] warnings: &[&str],
) {
    let (appspec, codes) = accepted(&format!("file_exists_behavior: {value}"));
    assert_eq!(appspec.file_exists_behavior, Some(expected));
    assert_eq!(codes, warnings);
}

#[rstest]
#[case::all_of_it("/", "")]
#[case::dot(".", "")]
#[case::relative("build/app", "build/app")]
#[case::leading_slash("/build/app", "build/app")]
#[case::dots_resolved_by_text("a/.././/b/", "b")]
#[case::number("123", "123")]
fn source(#[case] written: &str, #[case] expected: &str) {
    let (appspec, warnings) = accepted(&format!(
        "files:\n  - source: {written}\n    destination: /d"
    ));
    assert_eq!(appspec.files[0].source, Path::new(expected));
    assert!(warnings.is_empty());
}

#[rstest]
#[case::absolute("/srv/app", "/srv/app", &[])]
#[case::relative_from_the_root("srv/app", "/srv/app", &["destination-relative"])]
#[case::resolved_by_text("/srv/x/..//app/.", "/srv/app", &[])]
#[case::windows_path_is_an_odd_name("c:\\app", "/c:\\app", &["path-backslash", "destination-relative"])]
fn destination(#[case] written: &str, #[case] expected: &str, #[case] warnings: &[&str]) {
    let (appspec, codes) = accepted(&format!(
        "files:\n  - source: /\n    destination: {written}"
    ));
    assert_eq!(appspec.files[0].destination, Path::new(expected));
    assert_eq!(codes, warnings);
}

#[rstest]
#[case::no_source("- destination: /d", &["source-missing"])]
#[case::no_destination("- source: /", &["destination-missing"])]
#[case::neither("- x: y", &["source-missing", "destination-missing"])]
#[case::null_source("- source:\n    destination: /d", &["source-missing"])]
#[case::empty_destination("- source: /\n    destination: \"\"", &["destination-missing"])]
#[case::out_of_the_archive("- source: a/../../b\n    destination: /d", &["source-outside"])]
#[case::home("- source: /\n    destination: ~/app", &["destination-home"])]
#[case::nul("- source: \"a\\0b\"\n    destination: /d", &["path-nul"])]
#[case::list_as_source("- source: [a]\n    destination: /d", &["source-invalid"])]
#[case::text_entry("- a", &["files-entry"])]
#[case::mapping_instead_of_list("source: /\n", &["section-not-a-list"])]
fn files_refused(#[case] entry: &str, #[case] codes: &[&str]) {
    assert_eq!(refused(&format!("files:\n  {entry}\n")), codes);
}

#[rstest]
#[case::default("", 3600, &[])]
#[case::null("timeout:", 3600, &[])]
#[case::integer("timeout: 300", 300, &[])]
#[case::fraction("timeout: 2.9", 2, &[])]
#[case::numeric_string("timeout: \"300\"", 300, &[])]
#[case::blanks_around("timeout: \" 300 \"", 300, &[])]
#[case::unit("timeout: 300s", 300, &["timeout-unit"])]
#[case::underscore("timeout: 1_000", 1000, &[])]
#[case::exponent_is_text("timeout: 1e3", 1, &["timeout-unit"])]
#[case::octal("timeout: 010", 8, &[])]
#[case::false_is_the_default("timeout: no", 3600, &["timeout-boolean"])]
fn timeout(#[case] key: &str, #[case] seconds: u64, #[case] warnings: &[&str]) {
    let (appspec, codes) = accepted(&script(key));
    assert_eq!(
        appspec.hooks[0].scripts[0].timeout,
        Duration::from_secs(seconds)
    );
    assert_eq!(codes, warnings);
}

#[rstest]
#[case::zero("0")]
#[case::negative("-1")]
#[case::negative_text("\"-1\"")]
#[case::text("abc")]
#[case::below_one("0.9")]
#[case::boolean("yes")]
#[case::infinite(".inf")]
#[case::not_a_number(".nan")]
#[case::more_than_a_century("99999999999")]
#[case::too_long_for_any_integer("\"99999999999999999999999999\"")]
#[case::list("[1]")]
fn timeout_refused(#[case] value: &str) {
    assert_eq!(
        refused(&script(&format!("timeout: {value}"))),
        ["timeout-invalid"]
    );
}

#[rstest]
#[case::yes("yes", true, &[])]
#[case::false_("false", false, &[])]
#[case::off("off", false, &[])]
#[case::null("", false, &[])]
#[case::text_false_is_true("\"false\"", true, &["sudo-truthy"])]
#[case::zero_is_true("0", true, &["sudo-truthy"])]
#[case::n_is_text("n", true, &["sudo-truthy"])]
fn sudo(#[case] value: &str, #[case] expected: bool, #[case] warnings: &[&str]) {
    let (appspec, codes) = accepted(&script(&format!("sudo: {value}")));
    assert_eq!(appspec.hooks[0].scripts[0].sudo, expected);
    assert_eq!(codes, warnings);
}

#[rstest]
#[case::name("runas: root", Some("root"))]
#[case::trimmed("runas: ' ec2-user '", Some("ec2-user"))]
#[case::empty_is_none("runas: ''", None)]
#[case::null_is_none("runas:", None)]
#[case::number("runas: 1000", Some("1000"))]
fn runas(#[case] key: &str, #[case] expected: Option<&str>) {
    let (appspec, _) = accepted(&script(key));
    assert_eq!(appspec.hooks[0].scripts[0].runas.as_deref(), expected);
}

#[rstest]
#[case::option("runas: -l", "runas-invalid")]
#[case::control_character("runas: \"a\\nb\"", "runas-invalid")]
#[case::list("runas: [a]", "runas-invalid")]
fn runas_refused(#[case] key: &str, #[case] code: &str) {
    assert_eq!(refused(&script(key)), [code]);
}

#[rstest]
#[case::relative("scripts/a.sh", "scripts/a.sh", &[])]
#[case::dot("./a.sh", "a.sh", &[])]
#[case::trimmed("' a.sh '", "a.sh", &[])]
#[case::leading_slash_is_joined_to_the_archive("/a.sh", "a.sh", &["location-absolute"])]
#[case::command_line_is_one_name("node ./a.js", "node ./a.js", &["location-blank"])]
#[case::number("12", "12", &[])]
fn location(#[case] written: &str, #[case] path: &str, #[case] warnings: &[&str]) {
    let (appspec, codes) = accepted(&format!("hooks:\n  A:\n    - location: {written}\n"));
    assert_eq!(appspec.scripts("A")[0].path, Path::new(path));
    assert_eq!(codes, warnings);
}

#[rstest]
#[case::missing("- timeout: 3", &["location-missing"])]
#[case::null("- location:", &["location-missing"])]
#[case::blank("- location: ' '", &["location-missing"])]
#[case::out_of_the_archive("- location: ../a.sh", &["location-outside"])]
#[case::the_archive_itself("- location: a/..", &["location-invalid"])]
#[case::mapping_without_dash("location: a.sh", &["event-not-a-list"])]
#[case::text_instead_of_a_list("a.sh", &["event-not-a-list"])]
#[case::text_item("- a.sh", &["script-not-a-mapping"])]
#[case::empty_item("-", &["script-not-a-mapping"])]
#[case::all_of_a_script("- location: ../a\n      timeout: 0\n      runas: -x", &["location-outside", "timeout-invalid", "runas-invalid"])]
fn hooks_refused(#[case] event: &str, #[case] codes: &[&str]) {
    assert_eq!(refused(&format!("hooks:\n  A:\n    {event}\n")), codes);
}

#[test]
fn hooks_as_a_list_are_refused() {
    assert_eq!(
        refused("hooks:\n  - AfterInstall: x\n"),
        ["section-not-a-mapping"]
    );
}

#[test]
fn event_names_are_not_restricted_and_keep_their_order() {
    let (appspec, warnings) =
        accepted("hooks:\n  Zed: [{location: z}]\n  Before Install: [{location: b}]\n");
    let events: Vec<_> = appspec
        .hooks
        .iter()
        .map(|hooks| hooks.event.as_str())
        .collect();
    assert_eq!(events, ["Zed", "Before Install"]);
    assert!(warnings.is_empty() && appspec.scripts("Other").is_empty());
}

#[rstest]
#[case::bare("644", 0o644, &[])]
#[case::leading_zero_is_what_was_written("0644", 0o644, &["mode-unquoted-octal"])]
#[case::executable_with_leading_zero("0755", 0o755, &["mode-unquoted-octal"])]
#[case::quoted("\"0644\"", 0o644, &[])]
#[case::setuid("4755", 0o4755, &[])]
#[case::one_digit("7", 0o7, &[])]
#[case::zeros_read_the_same("007", 0o7, &[])]
fn mode(#[case] value: &str, #[case] expected: u16, #[case] warnings: &[&str]) {
    let (appspec, codes) = accepted(&rule(&format!("mode: {value}")));
    assert_eq!(appspec.permissions[0].mode, Some(Mode(expected)));
    assert_eq!(codes, warnings);
}

#[rstest]
#[case::symbolic("mode: u+x", "mode-invalid")]
#[case::not_octal("mode: 888", "mode-invalid")]
#[case::five_digits("mode: 00644", "mode-invalid")]
#[case::yaml_12("mode: 0o644", "mode-invalid")]
#[case::empty("mode: ''", "mode-invalid")]
#[case::type_as_text("type: file", "not-a-list")]
#[case::unknown_type("type: [files]", "type-invalid")]
#[case::except_as_text("except: a", "not-a-list")]
#[case::null_in_except("except: [~]", "pattern-invalid")]
#[case::pattern_as_list("pattern: [a]", "pattern-invalid")]
#[case::owner_and_group_in_one("owner: a:b", "account-invalid")]
#[case::empty_group("group: ''", "account-invalid")]
#[case::acls_as_text("acls: u:a:r", "acls-not-a-list")]
#[case::acl_entry("acls: [rwx]", "acl-invalid")]
#[case::acl_base_entry("acls: ['u::rwx']", "acl-base-entry")]
#[case::acl_twice("acls: ['u:a:r', 'user:a:w']", "acl-duplicate")]
#[case::context_as_text("context: a_t", "context-not-a-mapping")]
#[case::context_without_type("context: {name: a_u, range: s0}", "context-type-missing")]
#[case::context_with_blanks("context: {type: 'a -s b', range: s0}", "context-invalid")]
#[case::context_option("context: {type: -d, range: s0}", "context-invalid")]
#[case::context_range("context: {type: a_t, range: s2-s1}", "context-range-invalid")]
fn permissions_refused(#[case] keys: &str, #[case] code: &str) {
    assert_eq!(refused(&rule(keys)), [code]);
}

/// An AppSpec whose ApplicationStop runs `stop.sh` and in which AfterInstall has these keys.
fn two_events(after_install: &str, rest: &str) -> String {
    format!(
        "{HEAD}hooks:\n  ApplicationStop:\n    - location: stop.sh\n  AfterInstall:\n    \
         - {after_install}\n{rest}"
    )
}

#[rstest]
#[case::another_event("location: ../a.sh", "")]
#[case::files("location: a.sh", "files:\n  - source: ../x\n    destination: /srv\n")]
#[case::permissions("location: a.sh", "permissions:\n  - object: /srv\n    mode: u+x\n")]
fn the_scripts_of_one_event_are_read_whatever_else_is_wrong(
    #[case] after_install: &str,
    #[case] rest: &str,
) {
    let source = two_events(after_install, rest);
    assert!(!errors(source.as_bytes()).is_empty());
    let scripts = parse_scripts(source.as_bytes(), "ApplicationStop").unwrap();
    let locations: Vec<&str> = scripts.iter().map(|s| s.location.as_str()).collect();
    assert_eq!(locations, ["stop.sh"]);
    let none = parse_scripts(source.as_bytes(), "ValidateService").unwrap();
    assert_eq!(none, []);
}

#[rstest]
#[case::outside(two_events("location: ../a.sh", ""), "location-outside")]
#[case::empty(String::new(), "empty")]
#[case::list("- a".to_owned(), "not-a-mapping")]
fn what_concerns_the_scripts_of_an_event_is_told(#[case] source: String, #[case] code: &str) {
    let problems = parse_scripts(source.as_bytes(), "AfterInstall").unwrap_err();
    let codes: Vec<&str> = problems.iter().map(|p| p.code).collect();
    assert_eq!(codes, [code]);
}

#[rstest]
#[case::missing("- mode: 644", "object-missing")]
#[case::blank("- object: ' '", "object-missing")]
#[case::text("- /srv", "permissions-entry")]
fn object_refused(#[case] entry: &str, #[case] code: &str) {
    assert_eq!(refused(&format!("permissions:\n  {entry}\n")), [code]);
}

#[test]
fn permission_defaults() {
    let (appspec, warnings) = accepted(&rule(""));
    let expected = Permission {
        object: "/srv".into(),
        pattern: Pattern::Everything,
        except: Vec::new(),
        files: true,
        directories: true,
        owner: None,
        group: None,
        mode: None,
        acls: Vec::new(),
        context: None,
        line: 4,
    };
    assert_eq!(appspec.permissions, [expected]);
    assert!(warnings.is_empty());
}

#[test]
fn permission_with_everything() {
    let (appspec, warnings) = accepted(
        "permissions:\n- object: ' srv/./app '\n  pattern: '*.sh'\n  except: [a.sh, '**', 12]\n  \
         type: [directory]\n  owner: 1000\n  group: staff\n  mode: 750\n  acls: ['d:u:bob:rx']\n  \
         context: {user: system_u, type: a_t, role: object_r}\n",
    );
    let expected = Permission {
        object: "/srv/app".into(),
        pattern: Pattern::Name("*.sh".to_owned()),
        except: vec![
            Pattern::Name("a.sh".to_owned()),
            Pattern::Everything,
            Pattern::Name("12".to_owned()),
        ],
        files: false,
        directories: true,
        owner: Some("1000".to_owned()),
        group: Some("staff".to_owned()),
        mode: Some(Mode(0o750)),
        acls: vec![AclEntry {
            text: "d:u:bob:rx".to_owned(),
            default: true,
            tag: AclTag::User("bob".to_owned()),
            permissions: 5,
        }],
        context: Some(SelinuxContext {
            user: Some("system_u".to_owned()),
            kind: "a_t".to_owned(),
            range: None,
        }),
        line: 4,
    };
    assert_eq!(appspec.permissions, [expected]);
    let expected = [
        "object-relative",
        "account-numeric",
        "context-range-missing",
        "context-role",
    ];
    assert_eq!(warnings, expected);
}

#[rstest]
#[case::default_entries_on_files("acls: ['d:u:bob:r']", "acl-default-on-files")]
#[case::empty_acl_permissions("acls: ['u:bob:']", "acl-no-permissions")]
#[case::pattern_with_a_slash("pattern: a/b", "pattern-matches-nothing")]
#[case::no_type("type: []", "type-empty")]
fn permissions_warn(#[case] keys: &str, #[case] code: &str) {
    assert_eq!(accepted(&rule(keys)).1, [code]);
}

#[rstest]
#[case::top("overwrite: true", "write `file_exists_behavior: OVERWRITE`")]
#[case::lost_indentation("hooks:\nAfterInstall: [{location: a}]", "indent it below `hooks:`")]
#[case::misspelt(
    "files:\n- source: /\n  destination: /d\n  destinatoin: /e",
    "did you mean `destination`?"
)]
#[case::comment("// note: here", "comments start with `#`")]
#[case::command("hooks: {A: [{location: a, run: npm start}]}", "write `location`")]
#[case::unlike_any(
    "files:\n- source: /\n  destination: /d\n  zebra: 1",
    "it takes `source`, `destination`"
)]
fn unknown_keys_never_fail(#[case] body: &str, #[case] help: &str) {
    let parsed = parse(format!("{HEAD}{body}").as_bytes()).unwrap();
    let found = parsed
        .warnings
        .iter()
        .find(|p| p.code == "unknown-key")
        .unwrap();
    assert!(
        found.help.as_deref().unwrap_or_default().contains(help),
        "{found}"
    );
}

#[test]
fn problems_are_bounded() {
    let body = "files:\n".to_owned() + &"- x: y\n".repeat(5000);
    let problems = parse(format!("{HEAD}{body}").as_bytes()).unwrap_err();
    assert!(problems.len() <= 200);
    assert!(problems.omitted() >= 10_000);
    assert!(problems.to_string().len() < 2000);
}

#[test]
fn all_problems_are_found_in_one_go_and_shown_with_their_lines() {
    let source = "version: 0.0\r\nos: Linux\r\nhooks:\r\n  AfterInstall:\r\n\
                  \x20   - location:\tä.sh\r\n      timeout:\t0\r\n";
    let problems = parse(source.as_bytes()).unwrap_err();
    let expected = "\
error[os-invalid]: os `Linux` is not supported
 --> appspec.yml:2:5
  |
2 | os: Linux
  |     ^^^^^
  |
  = help: write `os: linux`, for every distribution, in lower case

error[timeout-invalid]: timeout `0` is not a number of seconds from 1 to 4294967295
 --> appspec.yml:6:16
  |
6 |       timeout: 0
  |                ^
  |
  = help: write whole seconds, such as `timeout: 300`";
    assert_eq!(
        problems.render("appspec.yml", source.as_bytes(), false),
        expected
    );
    assert!(
        problems
            .render("appspec.yml", source.as_bytes(), true)
            .contains("\x1b[")
    );
}

#[test]
fn long_lines_are_cut_around_the_problem() {
    let source = format!(
        "{HEAD}files: [{{source: /{}, destination: ~/{}}}]",
        "x".repeat(500),
        "y".repeat(500)
    );
    let problems = parse(source.as_bytes()).unwrap_err();
    let text = problems.render("appspec.yml", source.as_bytes(), false);
    assert!(text.contains("appspec.yml:3:534"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() < 180),
        "{text}"
    );
    assert!(text.contains("destination: ~/yyy"), "{text}");
}

#[test]
fn a_problem_at_the_end_of_the_file_has_a_line() {
    let source = b"version: 0.0\nos: linux\nfiles: [";
    let problems = parse(source).unwrap_err();
    let text = problems.render("appspec.yml", source, false);
    assert!(text.contains("3 | files: ["), "{text}");
}

#[test]
fn nothing_of_a_hostile_file_reaches_the_terminal_raw() {
    let source =
        "version: \"\\e[2J\"\nos: \"\u{202e}\u{85}x\"\n\u{202e}key: \"\\u009b\" # \u{2066}";
    let problems = parse(source.as_bytes()).unwrap_err();
    let text =
        problems.render("\x1b]0;x\x07.yml", source.as_bytes(), false) + &problems.to_string();
    let hostile =
        |ch: char| (ch.is_control() && ch != '\n') || "\u{202e}\u{2066}\u{85}".contains(ch);
    assert!(!text.contains(hostile), "{text:?}");
}

/// AppSpecs as people write them; each parses.
const REAL: &[&str] = &[
    "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /var/www/html",
    "version: 0.0\r\nos: linux\r\nfiles:\r\n  - source: /index.html\r\n    destination: /var/www/html/\r\nhooks:\r\n  BeforeInstall:\r\n    - location: scripts/install_dependencies\r\n      timeout: 300\r\n      runas: root\r\n  ApplicationStop:\r\n    - location: scripts/stop_server\r\n      timeout: 300\r\n      runas: root\r\n",
    "version: 0.0\nos: linux\n\n# Bundle → host\nfiles:\n- source: .\n  destination: /home/ubuntu/app\t# here\nfile_exists_behavior: OVERWRITE\npermissions:\n- object: /home/ubuntu/app\n  pattern: \"**\"\n  owner: ubuntu\n  group: ubuntu\n",
    "\u{feff}version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - {location: ./start.sh, timeout: 60}\n  ValidateService:\n    - location: /scripts/check.sh\n      timeout:\n",
    "version: 0.0\nos: linux\nx-common: &common\n  timeout: 120\n  runas: ec2-user\nhooks:\n  AfterInstall:\n    - <<: *common\n      location: a.sh\n    - <<: *common\n      location: b.sh\n      runas: root\n",
    "version: 0.0\nos: linux\npermissions:\n  - object: /srv/app\n    pattern: '*.sh'\n    except: [test.sh]\n    mode: 0755\n    type: [file]\n    acls:\n      - u:deploy:rwx\n      - m::rx\n    context:\n      name: system_u\n      type: httpd_sys_content_t\n      range: s0-s3:c0.c5,c9\n",
    "---\nversion: '0.0'\nos: linux\nfiles: ~\nhooks:\nresources: none\n...\n",
    "{\"version\": 0.0, \"os\": \"linux\", \"files\": [{\"source\": \"/\", \"destination\": \"/opt/app\"}]}",
];

#[test]
fn real_appspecs_parse() {
    for source in REAL {
        let parsed = parse(source.as_bytes());
        assert!(parsed.is_ok(), "{}\n{source}", parsed.unwrap_err());
    }
}

#[test]
fn merged_keys_count() {
    let appspec = parse(REAL[4].as_bytes()).unwrap().appspec;
    let scripts = appspec.scripts("AfterInstall");
    assert_eq!(scripts[0].runas.as_deref(), Some("ec2-user"));
    assert_eq!(scripts[1].runas.as_deref(), Some("root"));
    assert_eq!(scripts[1].timeout, Duration::from_secs(120));
}

/// What holds for whatever is accepted, and that problems can be shown for whatever is not.
fn check(bytes: &[u8]) {
    match parse(bytes) {
        Err(problems) => {
            assert!(problems.iter().any(|p| p.severity == Severity::Error));
            for problem in &problems {
                assert!(problem.span.start <= problem.span.end && problem.span.line > 0);
            }
            assert!(!problems.render("appspec.yml", bytes, true).is_empty());
        }
        Ok(Parsed { appspec, warnings }) => {
            assert!(warnings.iter().all(|p| p.severity == Severity::Warning));
            let _ = warnings.render("appspec.yml", bytes, false);
            let normal = |path: &Path| {
                path.components()
                    .all(|c| matches!(c, std::path::Component::Normal(_)))
            };
            for FileMapping {
                source,
                destination,
            } in &appspec.files
            {
                assert!(normal(source));
                assert!(destination.strip_prefix("/").is_ok_and(normal));
            }
            for script in appspec.hooks.iter().flat_map(|hooks| &hooks.scripts) {
                assert!(normal(&script.path) && !script.path.as_os_str().is_empty());
                assert!(script.timeout >= Duration::from_secs(1));
                assert!(
                    script
                        .runas
                        .as_deref()
                        .is_none_or(|name| !name.is_empty() && !name.starts_with('-'))
                );
            }
            assert!(appspec.hooks.iter().all(|hooks| !hooks.scripts.is_empty()));
            for rule in &appspec.permissions {
                assert!(rule.object.strip_prefix("/").is_ok_and(normal));
                assert!(rule.mode.is_none_or(|Mode(mode)| mode <= 0o7777));
                assert!(rule.acls.iter().all(|entry| entry.permissions <= 7));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn mutated_appspecs_get_an_answer(
        index in 0..REAL.len(),
        edits in proptest::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..6, "[-:#&*!|>'\"{}\\[\\],~0-9a-z./\\\\ \t\r\n]{0,4}"),
            1..6,
        ),
    ) {
        let mut bytes = REAL[index].as_bytes().to_vec();
        for (place, removed, inserted) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, inserted.into_bytes());
        }
        check(&bytes);
    }
}
