//! Carries out on this host what the step machine of `lifecycle` asks for: downloads, installs,
//! runs scripts. Used by local deployments and by the daemon alike; both drive the machine and
//! answer acknowledgements and reports themselves.

mod appspec_file;
mod directories;
mod download;
mod event_source;
mod follow;
mod host;
mod install;
mod progress;
mod scripts;
mod sources;

pub use appspec_file::{AppSpecFileError, read_appspec};
pub use host::{Host, runner_program};
pub use progress::{Progress, Stream};
pub use sources::source_settings;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;

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
    /// Turns true when the operator wants the command to end.
    cancelled: watch::Receiver<bool>,
    /// Turns true when the agent is to end: an Install that has not begun to commit is given up.
    interrupted: Arc<AtomicBool>,
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
        cancelled: watch::Receiver<bool>,
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
            cancelled,
            interrupted: Arc::default(),
        }
    }
}

/// Returns when `signal` is true; never when nobody can say so any more.
pub(crate) async fn told(signal: &mut watch::Receiver<bool>) {
    if signal.wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}
