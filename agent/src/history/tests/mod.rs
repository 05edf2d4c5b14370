//! Histories of hosts in temporary directories.

mod directories;
mod local;
mod merged;
mod service;
mod strangers;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::deployment::{
    BundleType, DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentSpec, DeploymentType,
    FileExistsBehavior, GitHubToken, Revision,
};
use crate::deployment_root::DeploymentRoot;
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::history::{History, LocalEnding, LocalRecorder, PastDeployment};
use crate::lifecycle::{LifecycleEvent, Verdict};

fn spec(id: &str) -> DeploymentSpec {
    DeploymentSpec {
        deployment_id: DeploymentId::new(id).unwrap(),
        deployment_group_id: DeploymentGroupId::new("g-1").unwrap(),
        deployment_group_name: "Group".into(),
        application_name: "App".into(),
        creator: DeploymentCreator::Other,
        deployment_type: DeploymentType::InPlace,
        appspec_filename: "appspec.yml".into(),
        file_exists_behavior: FileExistsBehavior::Disallow,
        all_possible_lifecycle_events: None,
        revision: Revision::GitHub {
            account: "acme".into(),
            repository: "shop".into(),
            commit: "HEAD".into(),
            bundle_type: BundleType::Tar,
            token: GitHubToken::new("ghp_secret".into()),
        },
        reuse_archive_from: None,
    }
}

fn succeeded() -> Verdict {
    Diagnostics::succeeded(SuccessMessage::Plain)
}

/// A time on some day.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

struct Place {
    _directory: tempfile::TempDir,
    root: DeploymentRoot,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = DeploymentRoot::new(directory.path().join("deployment-root"));
        fs_err::create_dir(root.path()).unwrap();
        Self {
            _directory: directory,
            root,
        }
    }

    fn read(&self) -> History {
        History::read(&self.root).unwrap()
    }

    /// A deployment's directory, as AWS's agents leave one, last changed at `at(changed)`.
    fn directory(&self, group: &str, id: &str, changed: u64) -> PathBuf {
        let path = self.root.path().join(group).join(id);
        fs_err::create_dir_all(path.join("deployment-archive")).unwrap();
        let directory = fs_err::File::open(&path).unwrap();
        directory.set_modified(at(changed)).unwrap();
        path
    }

    /// Records a local deployment with the events up to `ending`.
    fn record(&self, id: &str, events: &[(&str, Verdict)], ending: Option<LocalEnding>) {
        let mut recorder = self.recorder(id);
        recorder.began(&spec(id)).unwrap();
        for (event, verdict) in events {
            let event = LifecycleEvent::from(*event);
            recorder.event_began(&event).unwrap();
            recorder.event_ended(&event, verdict).unwrap();
        }
        if let Some(ending) = ending {
            recorder.ended(ending).unwrap();
        }
    }

    fn recorder(&self, id: &str) -> LocalRecorder {
        LocalRecorder::new(&self.root, &DeploymentId::new(id).unwrap())
    }

    fn local_file(&self) -> PathBuf {
        self.root.local_deployments()
    }
}

fn ids(history: &History) -> Vec<&str> {
    let ids = history.deployments.iter().map(|past| past.id.as_str());
    ids.collect()
}

fn one<'a>(history: &'a History, id: &str) -> &'a PastDeployment {
    let mut found = history
        .deployments
        .iter()
        .filter(|past| past.id.as_str() == id);
    let past = found.next().unwrap();
    assert!(found.next().is_none(), "{history:?}");
    past
}
