//! Drives the step machine of `lifecycle` and carries out on this host what it asks for: downloads,
//! installs, runs scripts. Used by local deployments and by the daemon alike; who wants the
//! command (the service, or the operator) is behind the trait [`Requester`].

mod appspec_file;
mod blocking;
mod directories;
mod download;
mod drive;
mod event_source;
mod follow;
mod host;
mod install;
mod interruption;
mod leftovers;
mod preview;
mod progress;
mod recovery;
mod scripts;
mod sources;
mod turns;

pub use appspec_file::{AppSpecFileError, read_appspec};
pub use directories::{Claim, ClaimError};
pub use drive::{Beginning, End, Requester};
pub use host::{Host, runner_program};
pub use interruption::{Interrupter, Interruption};
pub use preview::{
    DownloadPreview, EventPreview, EventWork, Preview, PreviewError, Reason, ScriptPreview,
    ScriptsFrom, Workspace, WorkspaceError, preview,
};
pub use progress::{Progress, Stream};
pub use sources::source_settings;
pub use turns::Turn;

use crate::deployment::DeploymentSpec;
use crate::deployment_root::DeploymentDirectory;
use crate::lifecycle::{Command, LifecycleEvent};

use event_source::EventSource;

/// One command of one deployment, being carried out on this host.
pub struct Executor<'a> {
    host: &'a Host,
    spec: &'a DeploymentSpec,
    directory: DeploymentDirectory,
    event: LifecycleEvent,
    /// Names the directory of this command's script runs; unique within the deployment.
    run_key: String,
    /// Where the scripts come from; found out on first use.
    source: Option<EventSource>,
    interruption: Interruption,
    /// Somebody is shown what scripts print.
    follows_output: bool,
}

impl<'a> Executor<'a> {
    /// An executor for one command of the deployment in `directory`, which
    /// [`Host::make_directories`] has made. `run_key` must be a plain file name, different for each
    /// command of the deployment and the same when the command is taken up after a restart.
    #[must_use]
    pub fn new(
        host: &'a Host,
        spec: &'a DeploymentSpec,
        directory: DeploymentDirectory,
        command: &Command,
        run_key: String,
        interruption: Interruption,
    ) -> Self {
        let event = match command {
            Command::DownloadBundle => LifecycleEvent::DownloadBundle,
            Command::Install => LifecycleEvent::Install,
            Command::Hooks(event) => event.clone(),
        };
        Self {
            host,
            spec,
            directory,
            event,
            run_key,
            source: None,
            interruption,
            follows_output: false,
        }
    }

    /// Passes on what scripts print, as [`Progress::Output`], while they run. It is in their log
    /// anyway.
    #[must_use]
    pub fn following_output(mut self) -> Self {
        self.follows_output = true;
        self
    }
}
