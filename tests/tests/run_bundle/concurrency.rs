//! Several deployments at once on one root directory.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Kind, TestHost, agent, eventually, snapshot};
use nix::sys::signal::Signal;

/// A revision of fifty files whose content is `number`.
fn bundle(host: &TestHost, number: usize) -> Bundle {
    let bundle = host.bundle().appspec(&format!(
        "files:\n- source: app\n  destination: {}\n",
        host.destination().display()
    ));
    (0..50).fold(bundle, |bundle, file| {
        bundle.file(&format!("app/{file}"), &number.to_string())
    })
}

#[test]
fn deployments_of_one_group_at_once_leave_one_whole_revision() {
    let host = TestHost::new();
    let bundles: Vec<_> = (0..4).map(|number| bundle(&host, number)).collect();
    let running: Vec<_> = bundles
        .iter()
        .map(|bundle| host.deploy(bundle).start())
        .collect();
    for started in running {
        started.wait().assert_success();
    }
    let tree = snapshot(&host.destination());
    assert_eq!(tree.len(), 50);
    let first = tree.values().next().unwrap();
    assert!(
        tree.values().all(|entry| entry.kind == first.kind),
        "{tree:?}"
    );
    let last = host
        .instructions("default-local-deployment-group_last_successful_install")
        .unwrap();
    let app = Path::new(&last).join("deployment-archive/app/0");
    assert_eq!(first.kind, Kind::File(fs_err::read(app).unwrap()));
}

#[test]
fn groups_do_not_wait_for_each_other() {
    let host = TestHost::new();
    let (entered, go) = (host.path("entered"), host.path("go"));
    let slow = host
        .bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: wait.sh\n    timeout: 60\n")
        .script(
            "wait.sh",
            &format!(
                "touch {}; while [ ! -e {} ]; do sleep 0.05; done",
                entered.display(),
                go.display()
            ),
        );
    let waiting = host.deploy(&slow).arguments(["-g", "slow"]).start();
    eventually("the slow deployment's hook to run", || entered.exists());
    host.deploy(&bundle(&host, 1))
        .arguments(["-g", "quick"])
        .run()
        .assert_success();
    fs_err::write(go, "").unwrap();
    waiting.wait().assert_success();
}

/// A revision whose hooks append `name` to `path` at their start and end; between them the one of
/// AfterInstall waits for the file `go`.
fn speaking(host: &TestHost, name: &str, go: &Path) -> Bundle {
    let log = host.path("told");
    let (log, go) = (log.display(), go.display());
    host.bundle()
        .appspec(
            "hooks:\n  BeforeInstall:\n  - location: first.sh\n  AfterInstall:\n  - location: \
             last.sh\n    timeout: 60\n",
        )
        .script("first.sh", &format!("echo {name} begins >>{log}"))
        .script(
            "last.sh",
            &format!(
                "echo {name} waits >>{log}; while [ ! -e {go} ]; do sleep 0.05; done; echo {name} \
                 ends >>{log}"
            ),
        )
}

#[test]
fn hooks_of_one_deployment_see_nothing_of_another_one_of_the_group() {
    let host = TestHost::new();
    let (log, go) = (host.path("told"), host.path("go"));
    let told = || fs_err::read_to_string(&log).unwrap_or_default();
    let one = host.deploy(&speaking(&host, "one", &go)).start();
    eventually("the first deployment's hook to run", || {
        told().ends_with("one waits\n")
    });
    let turn = turn(&host);
    let two = host.deploy(&speaking(&host, "two", &go)).start();
    eventually("the second deployment to wait", || is_waited_for(&turn));
    assert_eq!(told(), "one begins\none waits\n");
    fs_err::write(&go, "").unwrap();
    one.wait().assert_success();
    two.wait().assert_success();
    assert_eq!(
        told(),
        "one begins\none waits\none ends\ntwo begins\ntwo waits\ntwo ends\n"
    );
}

fn turn(host: &TestHost) -> PathBuf {
    host.root()
        .join("deployment-instructions/.default-local-deployment-group.turn")
}

/// Whether somebody waits for the lock on a file, by the kernel's word.
fn is_waited_for(path: &Path) -> bool {
    let Ok(found) = fs_err::metadata(path) else {
        return false;
    };
    let inode = format!(":{} ", found.ino());
    fs_err::read_to_string("/proc/locks")
        .unwrap()
        .lines()
        .any(|line| line.contains("-> FLOCK") && line.contains(&inode))
}

#[test]
fn a_deployment_that_waits_for_its_turn_can_be_interrupted() {
    let host = TestHost::new();
    let (log, go) = (host.path("told"), host.path("go"));
    let one = host.deploy(&speaking(&host, "one", &go)).start();
    eventually("the first deployment's hook to run", || {
        fs_err::read_to_string(&log).is_ok_and(|told| told.ends_with("one waits\n"))
    });
    let turn = turn(&host);
    let two = host.deploy(&speaking(&host, "two", &go)).start();
    eventually("the second deployment to wait", || is_waited_for(&turn));
    two.signal(Signal::SIGINT);
    let outcome = two.wait();
    assert_eq!(outcome.exit_code, Some(130), "{outcome:#?}");
    assert_eq!(outcome.summary["result"], "cancelled");
    fs_err::write(&go, "").unwrap();
    one.wait().assert_success();
}

#[test]
fn a_deployment_within_a_hook_of_its_group_waits_for_nothing_and_removes_nothing_in_use() {
    let host = TestHost::with_configuration("max_revisions: 1");
    let inner = bundle(&host, 1);
    let outer = host
        .bundle()
        .appspec(
            "hooks:\n  BeforeInstall:\n  - location: deploy.sh\n    timeout: 60\n  AfterInstall:\n  \
             - location: say.sh\n",
        )
        .script(
            "deploy.sh",
            &format!(
                "set -e\nfor time in 1 2; do {} run-bundle -c {} -l {}; done",
                agent().display(),
                host.configuration().display(),
                inner.path().display()
            ),
        )
        .script("say.sh", "echo still here");
    host.deploy(&outer).run().assert_success();
}

#[test]
fn hooks_after_a_killed_install_find_one_revision() {
    let host = TestHost::new();
    host.deploy(&bundle(&host, 1)).run().assert_success();
    let killed = host
        .deploy(&bundle(&host, 2))
        .variable("CODEDEPLOY_FAILPOINT", "InstallPlace@25=kill")
        .run();
    assert_eq!(killed.exit_code, None, "{killed:#?}");
    let seen = host.path("seen");
    let look = bundle(&host, 3).script(
        "look.sh",
        &format!(
            "cat {}/* | sort -u >{}",
            host.destination().display(),
            seen.display()
        ),
    );
    let look = look.appspec(&format!(
        "files:\n- source: app\n  destination: {}\nhooks:\n  BeforeInstall:\n  - location: \
         look.sh\n",
        host.destination().display()
    ));
    let outcome = host.deploy(&look).run();
    outcome.assert_success();
    assert_eq!(
        fs_err::read_to_string(seen).unwrap().trim_end(),
        "1".repeat(50)
    );
    let before = outcome
        .events
        .iter()
        .find(|event| event.name == "BeforeInstall")
        .unwrap();
    assert!(
        before
            .warnings
            .iter()
            .any(|text| text.contains("was killed half way")),
        "{before:#?}"
    );
}
