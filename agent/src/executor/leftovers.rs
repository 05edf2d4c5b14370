//! What is left of a deployment's scripts when nobody can say any more which command they belong
//! to: awaited or ended, before anything else happens in that deployment.

use std::path::PathBuf;

use fs_err as fs;
use hooks_runner::RunState;

use super::blocking::blocking;
use super::{Host, Progress};
use crate::deployment::DeploymentId;
use crate::error::chain;

impl Host {
    /// Returns when no script of the deployment runs any more: those whose runners live are
    /// awaited, what is left of others is ended. What scripts that have ended well have started
    /// lives on.
    pub async fn lay_to_rest(
        &self,
        deployment: &DeploymentId,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) {
        for run_directory in self.run_directories(deployment) {
            match hooks_runner::inspect(&run_directory) {
                Ok(RunState::Finished(_) | RunState::NeverRan) => {}
                Ok(RunState::Alive(_)) => wait(run_directory, progress).await,
                Ok(RunState::Unknown) => sweep(run_directory, progress).await,
                Err(error) => progress(Progress::Warning(chain(&error))),
            }
        }
    }

    /// The directories of the deployment's script runs, whichever group it belongs to.
    fn run_directories(&self, deployment: &DeploymentId) -> Vec<PathBuf> {
        let subdirectories = |path: PathBuf| {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_dir() && !path.is_symlink())
        };
        let mut found: Vec<PathBuf> = subdirectories(self.root.path().to_owned())
            .flat_map(|group| subdirectories(group.join(deployment).join("hook-runs")))
            .collect();
        found.sort();
        found
    }
}

async fn wait(run_directory: PathBuf, progress: &mut (dyn FnMut(Progress) + Send)) {
    progress(Progress::Note(format!(
        "the script of {} is running; waiting for its end",
        run_directory.display()
    )));
    let running = run_directory.clone();
    let waited = blocking(move || match hooks_runner::adopt(&running)? {
        Some(running) => running.wait().map(drop),
        None => Ok(()),
    });
    match waited.await {
        Ok(()) => {}
        Err(error) => {
            progress(Progress::Warning(chain(&error)));
            sweep(run_directory, progress).await;
        }
    }
}

/// Ends what is left of the script of a run directory, whose runner is gone.
pub(super) async fn sweep(run_directory: PathBuf, progress: &mut (dyn FnMut(Progress) + Send)) {
    match blocking(move || hooks_runner::sweep(&run_directory)).await {
        Ok(swept) => {
            for process in swept.ended {
                progress(Progress::Note(format!(
                    "left by a script, and ended: {process}"
                )));
            }
            for process in swept.survivors {
                progress(Progress::Warning(format!(
                    "left by a script, and cannot be ended: {process}"
                )));
            }
            for complaint in swept.complaints {
                progress(Progress::Warning(complaint));
            }
        }
        Err(error) => progress(Progress::Warning(format!(
            "what is left of a script cannot be ended: {}",
            chain(&error)
        ))),
    }
}
