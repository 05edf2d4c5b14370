//! `agent deployments logs`.

use integration_tests::TestHost;

use super::*;

#[test]
fn the_output_of_hooks_is_printed_as_it_is_with_what_was_rotated() {
    let host = TestHost::new();
    let outcome = host.deploy(&hooked(&host, "echo newest")).run();
    let log = outcome.directory().join("logs/scripts.log");
    let rotated = |number: u32| log.with_extension(format!("log.{number}"));
    fs_err::write(rotated(2), "oldest \u{1b}[31m\n").unwrap();
    fs_err::write(rotated(1), b"older \xff\n").unwrap();
    let output = run(&host, &["deployments", "logs", &outcome.deployment_id()]);
    assert!(output.status.success(), "{output:?}");
    // No terminal: as it is.
    assert!(
        output.stdout.starts_with(b"oldest \x1b[31m\nolder \xff\n"),
        "{output:?}"
    );
    assert!(output.stdout.ends_with(b"[stdout]newest\n"), "{output:?}");
}

#[test]
fn it_is_followed_across_a_rotation_until_the_deployment_has_ended() {
    let host = TestHost::new();
    let started = host.deploy(&gated(&host, "")).start();
    in_hook(&host);
    let id = list(&host)[0]["id"].as_str().unwrap().to_owned();
    let follower = Following::start(&host, &["deployments", "logs", &id, "-f"]);
    follower.wait_for("[stdout]before\n");
    let directory = list(&host)[0]["directory"].as_str().unwrap().to_owned();
    let log = std::path::Path::new(&directory).join("logs/scripts.log");
    fs_err::rename(&log, log.with_extension("log.1")).unwrap();
    release(&host);
    let (exit, said) = follower.wait();
    started.wait().assert_success();
    assert_eq!(exit.code(), Some(0));
    assert_eq!(said.matches("[stdout]before\n").count(), 1, "{said}");
    assert_eq!(said.matches("[stdout]after\n").count(), 1, "{said}");
}

#[test]
fn without_output_or_directory_that_is_said() {
    let host = TestHost::new();
    let bundle = host.bundle().appspec("");
    let outcome = host.deploy(&bundle).run();
    let id = outcome.deployment_id();
    let output = run(&host, &["deployments", "logs", &id]);
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    assert!(
        text(&output.stderr).contains("no hook of it has run"),
        "{output:?}"
    );
    fs_err::remove_dir_all(outcome.directory()).unwrap();
    let output = run(&host, &["deployments", "logs", &id]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stderr).contains("not on this host any more"),
        "{output:?}"
    );
}

#[test]
fn a_link_or_a_fifo_in_its_place_is_not_read() {
    let host = TestHost::new();
    let outcome = host.deploy(&hooked(&host, "echo fine")).run();
    let log = outcome.directory().join("logs/scripts.log");
    let secret = host.path("secret");
    fs_err::write(&secret, "secret\n").unwrap();
    fs_err::remove_file(&log).unwrap();
    fs_err::os::unix::fs::symlink(&secret, &log).unwrap();
    let logs = || {
        run(
            &host,
            &["deployments", "logs", &outcome.deployment_id(), "-f"],
        )
    };
    assert!(logs().stdout.is_empty());
    fs_err::remove_file(&log).unwrap();
    nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(logs().stdout.is_empty());
}
