//! Ctrl-C and SIGTERM: the running hook ends with all that it has started.

use integration_tests::objects::HeldRevision;
use integration_tests::s3::{ACCESS_KEY, SECRET_KEY};
use integration_tests::{Started, TestHost, eventually, is_alive};
use nix::sys::signal::Signal;

/// Starts a deployment whose hook has a child of its own, and waits for that child.
fn start(host: &TestHost) -> (Started, i32) {
    let file = host.path("child");
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n  ApplicationStart:\n  - location: never.sh\n")
        .script(
            "hook.sh",
            &format!("setsid sleep 600 & echo $! >{0}.new; mv {0}.new {0}; wait", file.display()),
        )
        .script("never.sh", "echo never");
    let started = host.deploy(&bundle).start();
    eventually("the hook to start its child", || file.exists());
    let child = fs_err::read_to_string(file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    (started, child)
}

#[test]
fn a_signal_ends_the_hook_with_all_it_started_and_the_exit_status_tells_which() {
    for (signal, status) in [
        (Signal::SIGINT, 130),
        (Signal::SIGTERM, 143),
        (Signal::SIGHUP, 129),
    ] {
        let host = TestHost::new();
        let (started, child) = start(&host);
        started.signal(signal);
        let outcome = started.wait();
        assert_eq!(outcome.exit_code, Some(status), "{outcome:?}");
        assert_eq!(outcome.summary["result"], "cancelled");
        let last = outcome.events.last().unwrap();
        assert_eq!(
            (last.name.as_str(), last.result.as_str()),
            ("AfterInstall", "cancelled")
        );
        assert!(!is_alive(child));
    }
}

#[test]
fn a_killed_agent_leaves_its_hook_to_end_by_itself() {
    let host = TestHost::new();
    let (entered, go, done) = (host.path("entered"), host.path("go"), host.path("done"));
    let bundle = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n    timeout: 60\n")
        .script(
            "hook.sh",
            &format!(
                "touch {}; while [ ! -e {} ]; do sleep 0.05; done; echo finished; touch {}",
                entered.display(),
                go.display(),
                done.display()
            ),
        );
    let started = host.deploy(&bundle).start();
    eventually("the hook to run", || entered.exists());
    started.signal(Signal::SIGKILL);
    assert_eq!(started.wait().exit_code, None);
    fs_err::write(go, "").unwrap();
    eventually("the hook to end by itself", || done.exists());
    // Its result is on disk for whoever takes over.
    let group = host.root().join("default-local-deployment-group");
    let deployment = fs_err::read_dir(group)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    eventually("the outcome to be written", || {
        fs_err::read_dir(deployment.join("hook-runs"))
            .unwrap()
            .any(|run| run.unwrap().path().join("outcome.json").exists())
    });
}

#[test]
fn a_signal_ends_the_download_and_nothing_of_it_is_left() {
    let revision = HeldRevision::start();
    let host = TestHost::with_configuration(&format!(
        "s3_endpoint_override: {}",
        revision.server().endpoint()
    ));
    let started = host
        .deploy_from("s3://bucket/b.tar")
        .arguments(["-t", "tar"])
        .variable("AWS_REGION", "us-east-1")
        .variable("AWS_EC2_METADATA_DISABLED", "true")
        .variable("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .variable("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .start();
    let group = host.root().join("default-local-deployment-group");
    eventually("the deployment's directory", || group.is_dir());
    let directory = || {
        let mut deployments = fs_err::read_dir(&group).unwrap();
        deployments.next().map(|entry| entry.unwrap().path())
    };
    eventually("the deployment's directory", || directory().is_some());
    let directory = directory().unwrap();
    revision.wait_for_parts(&directory);
    started.signal(Signal::SIGINT);
    let outcome = started.wait();
    assert_eq!(outcome.exit_code, Some(130), "{outcome:?}");
    let names = fs_err::read_dir(directory).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.starts_with("bundle.tar")));
}
