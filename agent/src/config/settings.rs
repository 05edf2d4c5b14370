//! The table of settings: name, type, default, how it is read, meaning (contract: host).

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use super::document::Value;
use super::values::{
    Allowed, Remarks, Setting, account, always_on, assign, at_least_one, choice, endpoint,
    file_name, flag, hosts, limit, optional, path, proxy, proxy_for, seconds, size,
    tracking_directory, version, without_effect,
};
use super::{Endpoint, FileName, LogFormat, OutputsLeftOpen, ProxyFor, ProxyUri, RunAsVia};
use crate::deployment_root::{DEFAULT_TRACKING_DIRECTORY, DeploymentRoot};

/// What the configuration is for; some defaults depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The daemon.
    Service,
    /// `run-bundle`.
    Local,
}

/// Makes the struct, its defaults and the access by name from one table, so that a setting
/// cannot be declared without being read and shown.
macro_rules! settings {
    ($($(#[$doc:meta])* $key:ident: $type:ty = $default:expr, $parse:expr;)*) => {
        /// The effective settings, named as in the file.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config { $($(#[$doc])* pub $key: $type,)* }

        impl Config {
            /// Every name, in the order of the table.
            pub(super) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            fn of_the_table() -> Self {
                Self { $($key: $default,)* }
            }

            /// Sets `key`; whether the file had a value for it, or what was wrong with it and
            /// what is allowed. None when there is no such setting.
            pub(super) fn set(
                &mut self,
                key: &str,
                value: &Value,
                remarks: &mut Remarks,
            ) -> Option<Result<bool, (String, Allowed)>> {
                $(if key == stringify!($key) {
                    return Some(assign(&mut self.$key, value, $parse, remarks));
                })*
                None
            }

            /// Names and values, in the order of the table; secrets are hidden.
            pub(super) fn texts(&self) -> Vec<(&'static str, Option<String>)> {
                vec![$((stringify!($key), self.$key.text())),*]
            }
        }
    };
}

settings! {
    /// Directory of the agent's log.
    log_dir: PathBuf = PathBuf::from("/var/log/aws/codedeploy-agent"), path;
    /// Directory of `<program_name>.pid` and its lock.
    pid_dir: PathBuf = PathBuf::from("/opt/codedeploy-agent/state/.pid"), path;
    /// Directory of deployments and of the agent's state. As written, perhaps with a slash at
    /// its end: join to it, never format it.
    root_dir: PathBuf = PathBuf::from("/opt/codedeploy-agent/deployment-root"), path;
    /// Names the log and the pid file.
    program_name: FileName = name("codedeploy-agent"), file_name;
    /// The user that the daemon becomes at start; none: whoever starts it.
    user: Option<String> = None, optional(account);
    /// The group that the daemon takes at start.
    group: Option<String> = None, optional(account);
    /// Log at debug level.
    verbose: bool = false, flag;
    /// The form of the log.
    log_format: LogFormat = LogFormat::Text, choice;
    /// Where metrics are written (OpenMetrics text, for node_exporter's textfile collector); none:
    /// nowhere.
    metrics_file: Option<PathBuf> = None, optional(path);
    /// Time between polls that come back empty at once.
    wait_between_runs: Duration = Duration::from_secs(30), seconds(0.1, 86_400.0);
    /// Taken because AWS's agents take it, and without effect: the pause after errors grows by the
    /// formula of the contract.
    wait_after_error: Duration = Duration::from_secs(30),
        without_effect("after errors the agent waits longer each time, 11 s to 90 s", seconds(0.1, 86_400.0));
    /// How long an answer may take; the service holds polls for about a minute.
    http_read_timeout: Duration = Duration::from_secs(80), seconds(1.0, 3_600.0);
    /// Deployments of a group that stay on disk, the current one included.
    max_revisions: NonZeroU32 = above_zero(5), at_least_one;
    /// The on-premises file.
    on_premises_config_file: PathBuf =
        PathBuf::from("/etc/codedeploy-agent/conf/codedeploy.onpremises.yml"), path;
    /// The proxy; none: the environment's.
    proxy_uri: Option<ProxyUri> = None, optional(proxy);
    /// Hosts that are reached without the proxy; none: the environment's.
    no_proxy: Option<Vec<String>> = None, optional(hosts);
    /// The services that are reached through the proxy.
    proxy_for: ProxyFor = ProxyFor::ALL, proxy_for;
    /// Use the `-secure` endpoint of the command service.
    enable_auth_policy: bool = false, flag;
    /// Use FIPS endpoints; see [`Config::check_fips_region`].
    use_fips_mode: bool = false, flag;
    /// The command service's address instead of the region's.
    deploy_control_endpoint: Option<Endpoint> = None, optional(endpoint);
    /// S3's address instead of the region's.
    s3_endpoint_override: Option<Endpoint> = None, optional(endpoint);
    /// GitHub's address instead of the public one.
    github_api_endpoint: Option<Endpoint> = None, optional(endpoint);
    /// Never fall back to version 1 of the instance metadata service.
    disable_imds_v1: bool = false, flag;
    /// Certificates, in PEM, that a specification's signer must lead to.
    signer_ca_file: Option<PathBuf> = None, optional(path);
    /// The agent version that the service is told; it may gate features on it.
    compatible_version: String = "2.1.0".to_owned(), version;
    /// Write `<program_name>-deployments.log`.
    enable_deployments_log: bool = true, flag;
    /// Write what goes over the wire, secrets redacted, to `<program_name>.aws_wire.log`.
    log_aws_wire: bool = false, flag;
    /// The longest that `agent stop --wait` waits.
    kill_agent_max_wait_time_seconds: Duration = Duration::from_secs(7200), seconds(0.0, 86_400.0);
    /// Name of the directory of tracking files under `root_dir`.
    ongoing_deployment_tracking: FileName = name(DEFAULT_TRACKING_DIRECTORY), tracking_directory;
    /// Take an unpacked revision from the disk when the service says that it may be reused.
    enable_archive_reuse: bool = true, flag;
    /// Recreate a bundle's link to a directory instead of copying what it points to.
    preserve_directory_symlinks: bool = false, flag;
    /// How a hook becomes its `runas` user.
    runas_via: RunAsVia = RunAsVia::Native, choice;
    /// Give hooks what /etc/profile sets. Default false for [`Purpose::Local`].
    profile_environment: bool = true, flag;
    /// What a hook that left its output open counts as.
    outputs_left_open: OutputsLeftOpen = OutputsLeftOpen::Wait, choice;
    /// Hooks get the deployment's variables and a few basic ones only.
    restrict_hook_env_to_allowlist: bool = false, flag;
    /// Hooks get no LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT.
    strip_loader_env_in_hooks: bool = false, flag;
    /// A link in an archive fails the deployment.
    reject_symlinks_in_bundle: bool = false, flag;
    /// Entries that leave the archive fail the deployment. Always true.
    reject_path_traversal_in_bundle: bool = true, always_on;
    /// Setuid or setgid in a bundle or an AppSpec fails the deployment.
    reject_unsafe_permissions_in_bundle: bool = false, flag;
    /// The SELinux types unconfined_t, kernel_t and init_t fail the deployment.
    reject_unconfined_selinux_in_bundle: bool = false, flag;
    /// Links are not followed when permissions are set. Always true.
    reject_symlink_permission_targets: bool = true, always_on;
    /// The owners in a tar are not applied.
    ignore_ownership_in_bundle: bool = false, flag;
    /// A revision that unpacks to more bytes fails the deployment.
    archive_max_extraction_size: Option<NonZeroU64> = None, optional(size);
    /// A revision with more files, directories and links fails the deployment.
    archive_max_entries: NonZeroU32 = above_zero(2_000_000), limit(u32::MAX);
    /// A revision with a longer path, in bytes, fails the deployment.
    archive_max_path_length: NonZeroU32 = above_zero(4096), limit(4096);
    /// A revision with more names in one path fails the deployment.
    archive_max_depth: NonZeroU32 = above_zero(256), limit(512);
    /// Keep `bundle.tar` when it is unpacked.
    keep_bundle: bool = true, flag;
    /// The agent's directories and state are for root only.
    restrict_agent_dir_permissions: bool = false, flag;
    /// The agent's log is for root and its group only.
    restrict_log_dir_permissions: bool = false, flag;
    /// The agent writes no core dumps.
    disable_core_dumps: bool = true, flag;
}

impl Config {
    /// The settings without a file.
    #[must_use]
    pub fn defaults(purpose: Purpose) -> Self {
        Self {
            profile_environment: purpose == Purpose::Service,
            ..Self::of_the_table()
        }
    }

    /// `root_dir` with the tracking directory that is configured.
    #[must_use]
    pub fn deployment_root(&self) -> DeploymentRoot {
        DeploymentRoot::new(&self.root_dir)
            .with_tracking_directory(self.ongoing_deployment_tracking.as_str())
    }
}

const fn above_zero(number: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(number - 1)
}

#[expect(clippy::expect_used, reason = "invariant: the defaults are file names")]
fn name(text: &str) -> FileName {
    FileName::new(text).expect("a default that is a file name")
}
