//! Options that cannot be used: exit status 2, nothing done, and what to write instead.

use integration_tests::TestHost;
use rstest::rstest;

#[rstest]
#[case::unknown_option(&["--frobnicate"], "--frobnicate")]
#[case::unknown_type(&["-t", "rar"], "tgz")]
#[case::unknown_behavior(&["-b", "MERGE"], "OVERWRITE")]
#[case::order(&["-e", "AfterInstall,DownloadBundle,Install"], "DownloadBundle")]
#[case::empty_event(&["-e", "Install,,X"], "empty")]
#[case::group(&["-g", "a/b"], "a/b")]
fn an_option_that_cannot_be_used(#[case] arguments: &[&str], #[case] said: &str) {
    let host = TestHost::new();
    let outcome = host
        .deploy(&host.bundle().appspec(""))
        .arguments(arguments)
        .run();
    let message = outcome.assert_bad_usage();
    assert!(message.contains(said), "{message}");
    assert!(!host.root().exists());
}

#[rstest]
#[case::missing("/does/not/exist", "/does/not/exist")]
#[case::plain_http("http://example.com/b.zip", "https")]
#[case::elsewhere("https://example.com/b.zip", "github.com")]
#[case::no_key("s3://bucket", "s3://BUCKET/KEY")]
#[case::no_type("s3://bucket/key", "--type")]
fn a_location_that_cannot_be_a_bundle(#[case] location: &str, #[case] said: &str) {
    let host = TestHost::new();
    let outcome = host.deploy_from(location).run();
    let message = outcome.assert_bad_usage();
    assert!(message.contains(said), "{message}");
    assert!(!host.root().exists());
}

#[rstest]
#[case::unknown_value("max_revisions: 0", "max_revisions")]
#[case::not_a_flag("use_fips_mode: perhaps", "use_fips_mode")]
fn a_configuration_that_cannot_be_used(#[case] line: &str, #[case] said: &str) {
    let host = TestHost::with_configuration(line);
    let outcome = host.deploy(&host.bundle().appspec("")).run();
    assert_eq!(outcome.exit_code, Some(78), "{outcome:?}");
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert!(!host.root().exists());
}

#[test]
fn a_configuration_file_that_is_named_must_be_there() {
    let host = TestHost::new();
    fs_err::remove_file(host.configuration()).unwrap();
    let outcome = host.deploy(&host.bundle().appspec("")).run();
    assert_eq!(outcome.exit_code, Some(78), "{outcome:?}");
    assert!(
        outcome.stderr.contains("codedeployagent.yml"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn odd_things_in_the_configuration_are_warned_about() {
    let host = TestHost::with_configuration("max_revisons: 3");
    let outcome = host.deploy(&host.bundle().appspec("")).run();
    outcome.assert_success();
    let warnings = format!("{:?}", outcome.events[0].warnings);
    let file = host.configuration();
    assert!(warnings.contains(file.to_str().unwrap()), "{warnings}");
    assert!(
        warnings.contains("max_revisons") && warnings.contains("max_revisions"),
        "{warnings}"
    );
}
