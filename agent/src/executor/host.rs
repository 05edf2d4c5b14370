//! What all commands on this host have in common.

use std::ffi::OsString;

use hooks_runner::Program;

use crate::bundle::{Sources, UnpackOptions};
use crate::deployment_root::DeploymentRoot;
use crate::hooks::{EnvironmentRules, HookSettings};
use crate::install::InstallOptions;

/// This host's directories, limits and means; the same for every command.
#[derive(Debug)]
pub struct Host {
    /// Where deployments live.
    pub root: DeploymentRoot,
    /// How many revisions of a group are kept, the current one included; at least 1.
    pub max_revisions: usize,
    /// Mode of the directories that are made under the root: 0755, or 0711 when restricted
    /// (`restrict_agent_dir_permissions`; search permission lets `runas` users reach scripts).
    pub directory_mode: u32,
    /// Mode of pointers: 0644, or 0600 when restricted.
    pub state_file_mode: u32,
    /// How scripts are run.
    pub hooks: HookSettings,
    /// How the environment of scripts is made.
    pub environment: EnvironmentRules,
    /// The environment that scripts inherit, before `environment` is applied.
    pub inherited_environment: Vec<(OsString, OsString)>,
    /// The program that runs one script.
    pub runner: Program,
    /// Where bundles come from.
    pub sources: Sources,
    /// What an archive may hold.
    pub unpack: UnpackOptions,
    /// How files are installed.
    pub install: InstallOptions,
}
