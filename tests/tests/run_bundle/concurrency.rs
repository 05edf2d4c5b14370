//! Several deployments at once on one root directory.

use std::path::Path;

use integration_tests::{Bundle, Kind, TestHost, eventually, snapshot};

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

#[test]
fn a_deployment_that_is_running_is_not_removed_by_anothers_retention() {
    let host = TestHost::with_configuration("max_revisions: 1");
    let (entered, go) = (host.path("entered"), host.path("go"));
    let slow = host
        .bundle()
        .appspec(
            "hooks:\n  BeforeInstall:\n  - location: wait.sh\n    timeout: 60\n  AfterInstall:\n  \
             - location: say.sh\n",
        )
        .script(
            "wait.sh",
            &format!(
                "touch {}; while [ ! -e {} ]; do sleep 0.05; done",
                entered.display(),
                go.display()
            ),
        )
        .script("say.sh", "echo still here");
    let waiting = host.deploy(&slow).start();
    eventually("the slow deployment's hook to run", || entered.exists());
    for number in 0..2 {
        host.deploy(&bundle(&host, number)).run().assert_success();
    }
    fs_err::write(go, "").unwrap();
    waiting.wait().assert_success();
}
