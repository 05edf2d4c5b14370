//! `root_dir` in a bad state: the loop goes on, and what is known is reported.

use std::path::{Path, PathBuf};

use integration_tests::fakes::command_service::{DeploymentEnd, Operation};
use integration_tests::{DaemonHost, accepted, command, eventually, running_as_root};
use serde_json::Value;

use crate::scene::Scene;

/// A small file system of its own at `root_dir`; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// None when that needs a right that there is not.
    fn at(path: &Path) -> Option<Self> {
        if !running_as_root("mounting a small file system") {
            return None;
        }
        fs_err::create_dir_all(path).unwrap();
        let target = path.to_str().unwrap();
        mount(&["-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", target]);
        Some(Self {
            path: path.to_owned(),
        })
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        mount(&["-o", &options, self.path.to_str().unwrap()]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // An agent may be in it still.
        run("umount", &["--lazy", self.path.to_str().unwrap()]);
    }
}

fn mount(arguments: &[&str]) {
    run("mount", arguments);
}

fn run(program: &str, arguments: &[&str]) {
    let status = command(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn last_failure(daemon: &DaemonHost) -> Value {
    let calls = daemon.service.calls();
    accepted(&calls).last().unwrap().diagnostics()
}

#[test]
fn a_root_dir_that_is_read_only_fails_deployments_until_it_is_writable() {
    let scene = Scene::new();
    scene.release();
    let Some(disk) = SmallDisk::at(&scene.daemon.host.root()) else {
        return;
    };
    disk.remount("ro");
    let mut running = scene.daemon.start();
    let deployment = scene.daemon.deploy("d-0", "b.zip");
    assert_eq!(
        scene.daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Failed
    );
    let diagnostics = last_failure(&scene.daemon);
    assert_eq!(diagnostics["error_code"], 5);
    let message = diagnostics["message"].as_str().unwrap();
    assert!(message.contains("Read-only"), "{message}");
    disk.remount("rw");
    let deployment = scene.deploy();
    scene.assert_succeeded(&deployment);
    running.stop();
}

#[test]
fn a_root_dir_that_is_full_fails_deployments_until_there_is_room() {
    let scene = Scene::new();
    scene.release();
    let Some(disk) = SmallDisk::at(&scene.daemon.host.root()) else {
        return;
    };
    let mut running = scene.daemon.start();
    eventually("the journal", || scene.daemon.journal().exists());
    let filler = disk.path.join("filler");
    // As much as there is room for.
    assert!(fs_err::write(&filler, vec![1; 4 << 20]).is_err());
    let deployment = scene.daemon.deploy("d-0", "b.zip");
    assert_eq!(
        scene.daemon.service.wait_for_end(&deployment),
        DeploymentEnd::Failed
    );
    let diagnostics = last_failure(&scene.daemon);
    assert_eq!(diagnostics["error_code"], 5);
    let message = diagnostics["message"].as_str().unwrap();
    assert!(message.contains("No space"), "{message}");
    fs_err::remove_file(filler).unwrap();
    let deployment = scene.deploy();
    scene.assert_succeeded(&deployment);
    running.stop();
}

#[test]
fn the_result_of_a_hook_that_fills_the_disk_reaches_the_service() {
    let root = "$(cat \"$0.root\")";
    let scene = Scene::with(
        "",
        &format!("dd if=/dev/zero of={root}/filler bs=4096 2>/dev/null; exit 3"),
    );
    let bundle = scene.daemon.host.path("bundle-0");
    let path = scene.daemon.host.root();
    fs_err::write(bundle.join("one.sh.root"), path.to_str().unwrap()).unwrap();
    scene.daemon.publish("b.zip", &bundle);
    scene.release();
    let Some(disk) = SmallDisk::at(&path) else {
        return;
    };
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    scene.assert_failed(&deployment, 4);
    fs_err::remove_file(disk.path.join("filler")).unwrap();
    running.stop();
}

#[test]
fn what_is_no_tracking_file_is_said_and_does_no_harm() {
    let scene = Scene::new();
    scene.release();
    let tracking = scene.daemon.host.root().join("ongoing-deployment");
    fs_err::create_dir_all(tracking.join("d-directory")).unwrap();
    fs_err::write(tracking.join("d-garbage"), vec![0xff; 9000]).unwrap();
    fs_err::os::unix::fs::symlink("/etc/shadow", tracking.join("d-link")).unwrap();
    let mut running = scene.daemon.start();
    let deployment = scene.deploy();
    scene.assert_succeeded(&deployment);
    running.stop();
    let log = scene.daemon.log();
    for name in ["d-directory", "d-garbage", "d-link"] {
        assert!(log.contains(name), "{name}: {log}");
    }
    let reported = scene
        .daemon
        .service
        .calls()
        .iter()
        .filter(|call| call.operation == Some(Operation::Complete))
        .count();
    assert_eq!(reported, scene.daemon.completions().len());
}
