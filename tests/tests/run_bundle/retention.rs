//! How many revisions stay on the host.

use integration_tests::TestHost;

fn deployments(host: &TestHost) -> Vec<String> {
    let group = host.root().join("default-local-deployment-group");
    let mut names: Vec<_> = fs_err::read_dir(group)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn max_revisions_counts_the_current_one() {
    let host = TestHost::with_configuration("max_revisions: 2");
    let mut ids: Vec<String> = (0..4)
        .map(|_| {
            let outcome = host.deploy(&host.bundle().appspec("")).run();
            outcome.assert_success();
            outcome.deployment_id()
        })
        .collect();
    let mut last = ids.split_off(2);
    last.sort();
    assert_eq!(deployments(&host), last);
}

#[test]
fn the_last_successful_one_stays_however_many_fail_after_it() {
    let host = TestHost::with_configuration("max_revisions: 1");
    let good = host.deploy(&host.bundle().appspec("")).run();
    good.assert_success();
    for _ in 0..3 {
        let bad = host
            .bundle()
            .appspec("hooks:\n  BeforeInstall:\n  - location: missing\n");
        host.deploy(&bad).run().assert_failure("BeforeInstall", 1);
    }
    assert!(deployments(&host).contains(&good.deployment_id()));
    assert_eq!(deployments(&host).len(), 2);
}
