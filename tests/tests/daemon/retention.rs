//! Old deployments are removed beside everything else.

use std::path::{Path, PathBuf};

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    DeploymentEnd, ScriptedDeployment, Specification, s3_revision, specification,
};
use integration_tests::{DaemonHost, RunningDaemon, agent, eventually};

/// A host with an old deployment of the group `group-1`, whose removal takes as long as a test wants.
struct Removal {
    daemon: DaemonHost,
    old: PathBuf,
    aside: PathBuf,
    held: PathBuf,
}

impl Removal {
    fn new() -> Self {
        let daemon = DaemonHost::with_configuration("max_revisions: 1\n");
        let bundle = daemon.host.bundle().appspec("");
        daemon.publish("b.zip", bundle.path());
        let group = daemon.host.root().join("group-1");
        let old = group.join("d-OLD");
        fs_err::create_dir_all(old.join("deployment-archive/app")).unwrap();
        fs_err::write(old.join("deployment-archive/app/file"), "x").unwrap();
        let held = daemon.host.path("held");
        fs_err::write(&held, "").unwrap();
        Self {
            aside: group.join(".removed-d-OLD"),
            daemon,
            old,
            held,
        }
    }

    fn start(&self) -> RunningDaemon {
        let hold = format!("RetentionRemove@1=hold:{}", self.held.display());
        let environment = [("CODEDEPLOY_FAILPOINT", hold)];
        self.daemon.start_program(&agent(), &environment)
    }

    fn deploy(&self, id: &str, group: &str) -> ScriptedDeployment {
        let content = specification(id, group, &s3_revision("revisions", "b.zip", "zip"));
        let signed = Specification::signed(&Signer::new(), &content);
        let commands = ["DownloadBundle", "Install"];
        let deployment = ScriptedDeployment::new(id, signed, &commands);
        let _ = self
            .daemon
            .service
            .deploy(DaemonHost::IDENTIFIER, &deployment);
        deployment
    }

    fn until_removing(&self) {
        eventually("the old deployment to be moved aside", || {
            self.aside.exists()
        });
        assert!(!self.old.exists());
    }

    fn let_it_go_on(&self) {
        fs_err::remove_file(&self.held).unwrap();
    }

    fn assert_succeeds(&self, deployment: &ScriptedDeployment) {
        let end = self.daemon.service.wait_for_end(deployment);
        assert_eq!(end, DeploymentEnd::Succeeded, "{}", self.daemon.log());
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn a_removal_that_takes_long_holds_up_its_own_deployment_only() {
    let removal = Removal::new();
    let _running = removal.start();
    let own = removal.deploy("d-OWN", "group-1");
    removal.until_removing();
    let other = removal.deploy("d-OTHER", "group-2");
    removal.assert_succeeds(&other);
    assert!(is_there(&removal.aside));
    assert_eq!(removal.daemon.service.end(&own), None);
    removal.let_it_go_on();
    removal.assert_succeeds(&own);
    assert!(!is_there(&removal.aside));
}

#[test]
fn a_removal_is_left_to_the_next_agent() {
    let removal = Removal::new();
    let mut first = removal.start();
    let own = removal.deploy("d-OWN", "group-1");
    removal.until_removing();
    first.stop();
    assert!(is_there(&removal.aside));
    let _second = removal.daemon.start();
    removal.assert_succeeds(&own);
    assert!(!is_there(&removal.aside));
}
