//! What all commands on this host have in common.

use std::ffi::OsString;
use std::num::NonZeroU32;

use hooks_runner::{OutputsLeftOpen, Program, RunasVia};

use crate::bundle::{Limits, Sources, UnpackOptions};
use crate::config::{self, Config};
use crate::deployment_root::DeploymentRoot;
use crate::hooks::{EnvironmentRules, HookBase, HookSettings};
use crate::identity::OnPremises;
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
    /// `enable_archive_reuse`: RESTART deployments take revisions from the disk.
    pub reuse_archives: bool,
    /// `keep_bundle`: `bundle.tar` stays when it is unpacked.
    pub keep_bundle: bool,
    /// Where bundles come from.
    pub sources: Sources,
    /// What an archive may hold.
    pub unpack: UnpackOptions,
    /// How files are installed.
    pub install: InstallOptions,
}

impl Host {
    /// The host that the configuration describes.
    #[must_use]
    pub fn new(
        config: &Config,
        on_premises: Option<&OnPremises>,
        base: HookBase,
        runner: Program,
        sources: Sources,
    ) -> Self {
        let restricted = config.restrict_agent_dir_permissions;
        let root = config.deployment_root();
        let deployments_log = config
            .enable_deployments_log
            .then(|| root.deployments_log(config.program_name.as_str()));
        Self {
            max_revisions: to_usize(config.max_revisions),
            directory_mode: if restricted { 0o711 } else { 0o755 },
            state_file_mode: if restricted { 0o600 } else { 0o644 },
            hooks: HookSettings {
                runas_via: match config.runas_via {
                    config::RunAsVia::Native => RunasVia::Native,
                    config::RunAsVia::Su => RunasVia::Su,
                },
                umask: base.umask,
                outputs_left_open: match config.outputs_left_open {
                    config::OutputsLeftOpen::Wait => OutputsLeftOpen::Wait,
                    config::OutputsLeftOpen::Release => OutputsLeftOpen::Release,
                },
                deployments_log,
                restrict_log_permissions: restricted,
            },
            environment: EnvironmentRules {
                only_allowlist: config.restrict_hook_env_to_allowlist,
                strip_loader: config.strip_loader_env_in_hooks,
                on_premises: on_premises
                    .map(OnPremises::hook_environment)
                    .unwrap_or_default(),
            },
            inherited_environment: base.variables,
            runner,
            reuse_archives: config.enable_archive_reuse,
            keep_bundle: config.keep_bundle,
            sources,
            unpack: UnpackOptions {
                reject_links: config.reject_symlinks_in_bundle,
                reject_unsafe_permissions: config.reject_unsafe_permissions_in_bundle,
                ignore_ownership: config.ignore_ownership_in_bundle,
                max_extracted_bytes: config
                    .archive_max_extraction_size
                    .map(std::num::NonZero::get),
                limits: Limits {
                    entries: config.archive_max_entries.get().into(),
                    path_bytes: to_usize(config.archive_max_path_length),
                    depth: to_usize(config.archive_max_depth),
                },
            },
            install: InstallOptions {
                preserve_directory_symlinks: config.preserve_directory_symlinks,
                reject_unsafe_permissions: config.reject_unsafe_permissions_in_bundle,
                reject_unconfined_selinux: config.reject_unconfined_selinux_in_bundle,
                restrict_records: restricted,
                ..InstallOptions::default()
            },
            root,
        }
    }
}

fn to_usize(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

/// The program that runs scripts: the one beside this program; alone (`cargo run -p agent`), this
/// one under the other's name. Found once, so that an upgrade on disk changes nothing for an agent
/// that runs.
///
/// # Errors
/// When the path of this program cannot be found out.
pub fn runner_program() -> std::io::Result<Program> {
    let own = std::env::current_exe()?;
    let beside = own.with_file_name(hooks_runner::PROGRAM_NAME);
    Ok(if beside.is_file() {
        Program::new(beside)
    } else {
        Program::reexec(own)
    })
}
