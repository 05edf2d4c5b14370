//! Every setting shows its effect through the program: a row a case. Those that have tests of
//! their own elsewhere are listed at the end with where.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, Operation, ScriptedDeployment, Specification, s3_revision,
};
use integration_tests::{DaemonHost, agent_command, eventually, running_as_root};

fn polling(daemon: &DaemonHost) {
    daemon.service.wait_for("a poll", |calls| {
        calls
            .iter()
            .any(|call| call.operation == Some(Operation::Poll))
    });
}

/// Deploys a bundle with this script in AfterInstall.
fn deploy(daemon: &DaemonHost, script: &str) {
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", script);
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Succeeded,
        "{}",
        daemon.log()
    );
    running.stop();
}

#[test]
fn program_name_names_files_and_lines() {
    let daemon = DaemonHost::with_configuration("program_name: other-name");
    let mut running = daemon.start();
    polling(&daemon);
    for name in [
        "log/other-name.log",
        "pid/other-name.pid",
        "pid/other-name.pid.lock",
    ] {
        assert!(daemon.host.path(name).exists(), "{name}");
    }
    let log = fs_err::read_to_string(daemon.host.path("log/other-name.log")).unwrap();
    assert!(log.contains("[other-name("), "{log}");
    running.stop();
}

#[test]
fn group_is_taken_at_start() {
    if !running_as_root("taking another group") {
        return;
    }
    let daemon = DaemonHost::with_configuration("group: daemon");
    let mut running = daemon.start();
    polling(&daemon);
    let gid = nix::unistd::Group::from_name("daemon")
        .unwrap()
        .unwrap()
        .gid;
    let status = fs_err::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    assert!(
        status.contains(&format!("Gid:\t{gid}\t{gid}\t{gid}\t{gid}")),
        "{status}"
    );
    running.stop();
}

#[test]
fn wait_between_runs_is_the_time_between_polls_that_come_back_at_once() {
    let daemon = DaemonHost::with_configuration("wait_between_runs: 0.5");
    daemon.service.hold_polls_for(Duration::ZERO);
    let mut running = daemon.start();
    let calls = daemon.service.wait_for("polls", |calls| calls.len() >= 4);
    running.stop();
    for pair in calls.windows(2) {
        let gap = pair[1].at - pair[0].at;
        // The agent counts from before the way there, the service from behind it; without the
        // wait it would be milliseconds.
        assert!(gap >= Duration::from_millis(250), "{gap:?}");
    }
}

#[test]
fn a_poll_that_was_held_is_followed_by_the_next_at_once() {
    // Longer than the test's patience: only a poll that follows at once can be seen.
    let daemon = DaemonHost::with_configuration("wait_between_runs: 0.5");
    daemon.service.hold_polls_for(Duration::from_secs(1));
    let mut running = daemon.start();
    daemon.service.wait_for("polls", |calls| calls.len() >= 3);
    running.stop();
}

#[test]
fn http_read_timeout_ends_a_call() {
    let daemon = DaemonHost::with_configuration("http_read_timeout: 1");
    let mut running = daemon.start();
    eventually("the time-out to be logged", || {
        daemon.log().contains("within 1 s (http_read_timeout)")
    });
    running.stop();
}

#[test]
fn compatible_version_is_what_the_service_is_told() {
    for (lines, version) in [("", "2.1.0"), ("compatible_version: 1.8.1", "1.8.1")] {
        let daemon = DaemonHost::with_configuration(lines);
        let mut running = daemon.start();
        polling(&daemon);
        running.stop();
        let call = &daemon.service.calls()[0];
        assert_eq!(call.header("x-amz-codedeploy-agent-version"), version);
        let own = call.header("user-agent");
        assert!(own.contains(env!("CARGO_PKG_VERSION")), "{own}");
    }
}

#[test]
fn ongoing_deployment_tracking_names_the_directory() {
    let daemon = DaemonHost::with_configuration("ongoing_deployment_tracking: at-work");
    let seen = daemon.host.path("seen");
    let script = format!(
        "ls {} >{}",
        daemon.host.root().join("at-work").display(),
        seen.display()
    );
    deploy(&daemon, &script);
    let listing = fs_err::read_to_string(seen).unwrap();
    assert!(listing.lines().any(|name| name == "d-1"), "{listing}");
    assert!(!daemon.host.root().join("ongoing-deployment").exists());
}

#[test]
fn enable_deployments_log_off_means_no_such_log() {
    for (lines, expected) in [("", true), ("enable_deployments_log: false", false)] {
        let daemon = DaemonHost::with_configuration(lines);
        deploy(&daemon, "echo out");
        let log = "deployment-logs/codedeploy-agent-deployments.log";
        assert_eq!(daemon.host.root().join(log).exists(), expected, "{lines}");
    }
}

#[test]
fn enable_archive_reuse_off_means_a_download() {
    for (lines, source) in [
        ("", "archive-reuse"),
        ("enable_archive_reuse: false", "downloaded"),
    ] {
        let daemon = DaemonHost::with_configuration(lines);
        let bundle = daemon.host.bundle().appspec("");
        daemon.publish("b.zip", bundle.path());
        let mut running = daemon.start();
        let first = daemon.deploy("d-1", "b.zip");
        assert_eq!(
            daemon.service.wait_for_end(&first),
            DeploymentEnd::Succeeded
        );
        let mut content = daemon.specification("d-2", "b.zip");
        content["ReuseArchiveFromDeploymentId"] = "d-1".into();
        let signed = Specification::signed(&Signer::new(), &content);
        let scripted = ScriptedDeployment::new("d-2", signed, &["DownloadBundle"]);
        let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
        assert_eq!(
            daemon.service.wait_for_end(&scripted),
            DeploymentEnd::Succeeded
        );
        running.stop();
        let calls = daemon.service.calls();
        let last = integration_tests::accepted(&calls)
            .last()
            .unwrap()
            .diagnostics();
        assert_eq!(last["message"], format!("Succeeded: BundleSource={source}"));
    }
}

#[test]
fn kill_agent_max_wait_time_seconds_is_how_long_stop_waits() {
    let daemon = DaemonHost::with_configuration("kill_agent_max_wait_time_seconds: 0.2");
    let (began, go_on) = (daemon.host.path("began"), daemon.host.path("go-on"));
    let ended = daemon.host.path("ended");
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.05; done; touch {}",
        began.display(),
        go_on.display(),
        ended.display()
    );
    let bundle = daemon
        .host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: s.sh\n")
        .script("s.sh", &script);
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    let _ = daemon.deploy("d-1", "b.zip");
    eventually("the hook to begin", || began.exists());
    let output = agent_command()
        .args(["stop", "--wait", "--config"])
        .arg(daemon.host.configuration())
        .env_clear()
        .output()
        .unwrap();
    fs_err::write(&go_on, "").unwrap();
    // Handed over or waited for: either way the daemon ends.
    running.wait();
    // The hook outlives it, but not this test.
    eventually("the hook to end", || ended.exists());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(1) => assert!(said.contains("kill_agent_max_wait_time_seconds"), "{said}"),
        code => assert_eq!(code, Some(0), "{output:?}"),
    }
}

/// A tar whose files belong to somebody else.
#[test]
fn ignore_ownership_in_bundle_leaves_files_to_the_agent() {
    if !running_as_root("giving files away") {
        return;
    }
    for (lines, owner) in [("", 12_345), ("ignore_ownership_in_bundle: true", 0)] {
        let daemon = DaemonHost::with_configuration(lines);
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in [("appspec.yml", "version: 0.0\nos: linux\n"), ("f", "")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_uid(12_345);
            header.set_gid(12_345);
            builder
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        daemon
            .s3
            .put("revisions", "b.tar", &builder.into_inner().unwrap());
        let mut content = daemon.specification("d-1", "b.tar");
        content["Revision"] = s3_revision("revisions", "b.tar", "tar");
        let signed = Specification::signed(&Signer::new(), &content);
        let scripted = ScriptedDeployment::new("d-1", signed, &["DownloadBundle"]);
        let mut running = daemon.start();
        let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &scripted);
        assert_eq!(
            daemon.service.wait_for_end(&scripted),
            DeploymentEnd::Succeeded
        );
        running.stop();
        let file = daemon.host.root().join("group-1/d-1/deployment-archive/f");
        assert_eq!(fs_err::metadata(file).unwrap().uid(), owner, "{lines}");
    }
}

#[test]
fn reject_unconfined_selinux_in_bundle_fails_the_install() {
    let daemon = DaemonHost::with_configuration("reject_unconfined_selinux_in_bundle: true");
    let destination = daemon.host.destination();
    let bundle = daemon
        .host
        .bundle()
        .appspec(&format!(
            "files:\n- source: f\n  destination: {0}\npermissions:\n- object: {0}\n  \
             pattern: f\n  context:\n    type: unconfined_t\n",
            destination.display()
        ))
        .file("f", "");
    daemon.publish("b.zip", bundle.path());
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(
        daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Failed
    );
    running.stop();
    let calls = daemon.service.calls();
    let last = integration_tests::accepted(&calls)
        .last()
        .unwrap()
        .diagnostics();
    let message = last["message"].as_str().unwrap();
    assert!(
        message.contains("reject_unconfined_selinux_in_bundle"),
        "{message}"
    );
    assert!(!destination.join("f").exists());
}

/// The files of a process that may not be dumped belong to root, whoever runs it.
#[test]
fn core_dumps_are_off_unless_they_are_wanted() {
    let own = nix::unistd::geteuid();
    let user = if own.is_root() { 65_534 } else { own.as_raw() };
    for (lines, owner) in [("", 0), ("disable_core_dumps: false", user)] {
        let daemon = DaemonHost::with_configuration(lines);
        if own.is_root() {
            for name in ["", "codedeploy.onpremises.yml"] {
                fs_err::os::unix::fs::chown(daemon.host.path(name), Some(user), None).unwrap();
            }
        }
        let mut running = agent_command()
            .args(["run", "--config"])
            .arg(daemon.host.configuration())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .uid(user)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        polling(&daemon);
        let entry = format!("/proc/{}/environ", running.id());
        let found = fs_err::metadata(entry).unwrap().uid();
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(found, owner, "{lines:?}");
    }
}

/// A protection that cannot be turned off says so, and a setting without effect, too.
#[test]
fn what_is_not_obeyed_is_said_in_the_log() {
    let daemon = DaemonHost::with_configuration(
        "reject_path_traversal_in_bundle: false\nreject_symlink_permission_targets: false\n\
         wait_after_error: 5",
    );
    let mut running = daemon.start();
    polling(&daemon);
    running.stop();
    let log = daemon.log();
    for key in [
        "reject_path_traversal_in_bundle",
        "reject_symlink_permission_targets",
        "wait_after_error",
    ] {
        let line = log.lines().find(|line| line.contains(key)).unwrap();
        assert!(line.contains("has no effect"), "{line}");
    }
}

/// Each setting, and which test shows its effect.
const WHERE: &[(&str, &str)] = &[
    ("log_dir", "daemon: logs"),
    ("pid_dir", "daemon: process"),
    ("root_dir", "daemon: deployments"),
    ("program_name", "here"),
    ("user", "daemon: process"),
    ("group", "here"),
    ("verbose", "daemon: logs"),
    ("log_format", "daemon: logs"),
    ("metrics_file", "daemon: metrics"),
    ("wait_between_runs", "here"),
    ("wait_after_error", "here: no effect, and it is said"),
    ("http_read_timeout", "here"),
    ("max_revisions", "run_bundle: retention"),
    ("on_premises_config_file", "daemon: all"),
    ("proxy_uri", "daemon: network"),
    ("no_proxy", "daemon: network"),
    ("proxy_for", "daemon: network"),
    ("enable_auth_policy", "daemon: network"),
    ("use_fips_mode", "daemon: network"),
    ("deploy_control_endpoint", "daemon: all"),
    ("s3_endpoint_override", "daemon: all"),
    ("github_api_endpoint", "run_bundle: github"),
    ("disable_imds_v1", "daemon: ec2"),
    ("signer_ca_file", "daemon: specifications"),
    ("compatible_version", "here"),
    ("enable_deployments_log", "here"),
    ("log_aws_wire", "daemon: logs"),
    ("kill_agent_max_wait_time_seconds", "here"),
    ("ongoing_deployment_tracking", "here"),
    ("enable_archive_reuse", "here"),
    ("preserve_directory_symlinks", "run_bundle: install"),
    ("runas_via", "run_bundle: runas"),
    ("profile_environment", "run_bundle: hooks"),
    ("outputs_left_open", "run_bundle: hooks"),
    ("restrict_hook_env_to_allowlist", "run_bundle: hooks"),
    ("strip_loader_env_in_hooks", "run_bundle: hooks"),
    ("reject_symlinks_in_bundle", "run_bundle: bundle_types"),
    ("reject_path_traversal_in_bundle", "here: always on"),
    (
        "reject_unsafe_permissions_in_bundle",
        "run_bundle: permissions",
    ),
    ("reject_unconfined_selinux_in_bundle", "here"),
    ("reject_symlink_permission_targets", "here: always on"),
    ("ignore_ownership_in_bundle", "here"),
    ("archive_max_extraction_size", "run_bundle: bundle_types"),
    ("archive_max_entries", "run_bundle: bundle_types"),
    ("archive_max_path_length", "run_bundle: bundle_types"),
    ("archive_max_depth", "run_bundle: bundle_types"),
    ("keep_bundle", "run_bundle: s3"),
    ("restrict_agent_dir_permissions", "daemon: installation"),
    ("restrict_log_dir_permissions", "daemon: installation"),
    ("disable_core_dumps", "here"),
];

/// A new setting must come into the table, and with it a test.
#[test]
fn no_setting_is_missing_from_the_table() {
    let daemon = DaemonHost::default();
    let output = agent_command()
        .args(["config", "show", "--output", "json", "--config"])
        .arg(daemon.host.configuration())
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut shown: Vec<&str> = shown
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut known: Vec<&str> = WHERE.iter().map(|(key, _)| *key).collect();
    shown.sort_unstable();
    known.sort_unstable();
    assert_eq!(shown, known);
}
