//! Files of logs that were rotated out.

use crate::config::Config;
use crate::deployment_root::DeploymentRoot;
use crate::logging::surplus_log_files;

use super::decision::{Going, Kind};

/// The programs of ours that have a log.
const LOCAL: &str = "codedeploy-local";

/// Those that no rotation removes any more, because the program does not run or keeps fewer files
/// than another did.
pub(super) fn surplus(root: &DeploymentRoot, config: &Config) -> Vec<Going> {
    let program = config.program_name.as_str();
    // A directory that is not there has no logs.
    let agent = surplus_log_files(&config.log_dir, program).unwrap_or_default();
    let local = surplus_log_files(&config.log_dir, LOCAL).unwrap_or_default();
    let scripts =
        hooks_runner::surplus_log_files(&root.deployments_log(program)).unwrap_or_default();
    let all = agent.into_iter().chain(local).chain(scripts);
    all.filter(|path| fs_err::symlink_metadata(path).is_ok_and(|found| found.is_file()))
        .map(|path| Going {
            kind: Kind::Log,
            path,
        })
        .collect()
}
