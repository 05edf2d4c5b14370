//! The journal against damage, full disks and strangers.

mod compaction;
mod damage;
mod format;
mod full_disk;
mod life;
mod strangers;

use std::path::{Path, PathBuf};

use super::{Journal, Opened, Settlement, TakenCommand};
use crate::deployment::{
    BundleType, DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentSpec, DeploymentType,
    FileExistsBehavior, GitHubToken, Revision,
};
use crate::diagnostics::{Diagnostics, SuccessMessage};
use crate::lifecycle::{Resolution, State};

const BOOT: &str = "the-first-boot";

fn spec() -> DeploymentSpec {
    DeploymentSpec {
        deployment_id: DeploymentId::new("d-1").unwrap(),
        deployment_group_id: DeploymentGroupId::new("g-1").unwrap(),
        deployment_group_name: "Group".into(),
        application_name: "App".into(),
        creator: DeploymentCreator::Other,
        deployment_type: DeploymentType::InPlace,
        appspec_filename: "appspec.yml".into(),
        file_exists_behavior: FileExistsBehavior::Overwrite,
        all_possible_lifecycle_events: Some(vec!["Install".into()]),
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

fn command(id: &str) -> TakenCommand {
    TakenCommand {
        host_command_identifier: id.into(),
        host_identifier: None,
        deployment_execution_id: "a/b/c/d".into(),
        command_name: "BeforeInstall".into(),
        spec: Some(spec()),
        run_key: format!("run-of-{id}"),
    }
}

/// As it is read again: without the token.
fn read_again(mut taken: TakenCommand) -> TakenCommand {
    if let Some(Revision::GitHub { token, .. }) = taken.spec.as_mut().map(|spec| &mut spec.revision)
    {
        *token = None;
    }
    taken
}

fn finished(message: &str) -> State {
    State::Finished(Diagnostics::other(message))
}

fn succeeded() -> State {
    State::Finished(Diagnostics::succeeded(SuccessMessage::Plain))
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("commands.journal")
    }

    fn open(&self) -> Opened {
        Journal::open(&self.path(), BOOT).unwrap()
    }

    fn names(&self) -> Vec<String> {
        names(self.directory.path())
    }
}

/// Puts a file there as the journal would be, whatever the umask.
fn put(path: &Path, content: impl AsRef<[u8]>) {
    use std::os::unix::fs::PermissionsExt;
    fs_err::write(path, content).unwrap();
    fs_err::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The bytes of a journal as an agent leaves it when it is killed: two closed commands, and others
/// in several states.
fn realistic() -> Vec<u8> {
    let place = Place::new();
    for number in 0..2 {
        let journal = place.open().journal;
        let id = format!("closed-{number}");
        journal.taken(&command(&id), &State::Received).unwrap();
        journal.state(&id, &succeeded()).unwrap();
        journal.settled(&id, Settlement::Accepted).unwrap();
    }
    let journal = place.open().journal;
    let awaiting = State::AwaitingReply(Resolution::Scripts(2));
    journal.taken(&command("in-script"), &awaiting).unwrap();
    for index in 0..2 {
        let state = State::InScript { index, of: 2 };
        journal.state("in-script", &state).unwrap();
    }
    journal.taken(&command("unreported"), &awaiting).unwrap();
    let state = State::InScript { index: 0, of: 2 };
    journal.state("unreported", &state).unwrap();
    let state = finished("scripts/a failed with exit code 3\nand a line end\u{1f600}");
    journal.state("unreported", &state).unwrap();
    journal.uncertain("unreported").unwrap();
    journal
        .taken(&command("settled"), &State::Installing)
        .unwrap();
    journal.state("settled", &succeeded()).unwrap();
    journal.settled("settled", Settlement::Refused).unwrap();
    fs_err::read(place.path()).unwrap()
}
