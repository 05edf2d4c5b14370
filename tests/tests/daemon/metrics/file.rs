//! `metrics_file`, for node_exporter.

use std::sync::atomic::{AtomicBool, Ordering};

use integration_tests::eventually;
use integration_tests::fakes::command_service::DeploymentEnd;
use integration_tests::openmetrics::Exposition;
use nix::sys::signal::Signal;

use super::{asked, deployments, end, eventually_says, host, in_file, value};

#[test]
fn a_killed_agent_leaves_its_file_and_the_next_one_begins_anew() {
    let daemon = host("exit 0");
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    eventually("the file", || in_file(&daemon).is_some());
    running.signal(Signal::SIGKILL);
    let _ = running.wait();
    let left = in_file(&daemon).unwrap();
    assert_eq!(value(&left, "up", &[]), 1.0, "only its age tells");
    assert_eq!(value(&asked(&daemon), "up", &[]), 0.0);
    // The socket of the killed one is in the way of nobody.
    let mut next = daemon.start();
    eventually_says("nothing counted yet", &daemon, |now| {
        deployments(now) == (0.0, 0.0)
    });
    next.stop();
}

#[test]
fn the_file_follows_what_happens() {
    let daemon = host("exit 0");
    let mut running = daemon.start();
    eventually("the file", || in_file(&daemon).is_some());
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    eventually("the deployment to be in the file", || {
        deployments(&in_file(&daemon).unwrap()) == (1.0, 0.0)
    });
    running.stop();
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each of many agents, one after the other, replaces the file, at its start and at its end.
#[test]
fn whoever_reads_the_file_sees_a_whole_text() {
    let daemon = host("exit 0");
    let path = daemon.host.path("metrics/m.prom");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0_u32;
            while !done.load(Ordering::Relaxed) {
                if let Ok(text) = fs_err::read_to_string(&path) {
                    Exposition::read(&text).unwrap();
                    seen += 1;
                }
            }
            seen
        });
        // Also when this fails: the reader must end.
        let _done = SetWhenDropped(&done);
        for _ in 0..5 {
            let mut running = daemon.start();
            eventually("the file of an agent that runs", || {
                in_file(&daemon).is_some_and(|read| value(&read, "up", &[]) == 1.0)
            });
            running.stop();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_file_that_cannot_be_written_is_said_once_and_fails_no_deployment() {
    let daemon = host("exit 0");
    // A directory has the name.
    fs_err::create_dir(daemon.host.path("metrics/m.prom")).unwrap();
    let mut running = daemon.start();
    let deployment = daemon.deploy("d-1", "b.zip");
    assert_eq!(end(&daemon, &deployment), DeploymentEnd::Succeeded);
    assert_eq!(deployments(&asked(&daemon)), (1.0, 0.0));
    running.stop();
    let log = daemon.log();
    let warnings = log.lines().filter(|line| line.contains("metrics_file"));
    let warnings: Vec<&str> = warnings.collect();
    assert_eq!(
        warnings.len(),
        1,
        "at the start and at the end it failed: {log}"
    );
    assert!(warnings[0].contains("is no regular file"), "{warnings:?}");
    assert!(daemon.host.path("metrics/m.prom").is_dir());
}

#[test]
fn when_the_directory_comes_back_that_is_said_too() {
    let daemon = host("exit 0");
    fs_err::remove_dir(daemon.host.path("metrics")).unwrap();
    let mut running = daemon.start();
    eventually("the warning", || daemon.log().contains("cannot write"));
    fs_err::create_dir(daemon.host.path("metrics")).unwrap();
    // The last text, at the end, gets there.
    running.stop();
    assert_eq!(value(&in_file(&daemon).unwrap(), "up", &[]), 0.0);
    assert!(
        daemon.log().contains("metrics_file is written again"),
        "{}",
        daemon.log()
    );
}
