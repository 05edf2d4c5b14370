//! From the command line and the configuration to everything that a deployment needs.

use std::io::Read as _;
use std::path::Path;

use fs_err as fs;

use super::location::{LocationError, revision};
use crate::bundle::{Credentials, Sources};
use crate::cli::Exit;
use crate::cli::arguments::BundleArguments;
use crate::cli::local_configuration::{LocalConfigurationError, local_configuration};
use crate::config::{Config, Loaded, LogFormat};
use crate::deployment::{
    DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentSpec, DeploymentType,
    GitHubToken, InvalidId,
};
use crate::error::chain;
use crate::executor::{Host, runner_program, source_settings};
use crate::hooks::{HookBase, profile_environment};
use crate::http::ProxyError;
use crate::identity::{OnPremises, OnPremisesError};
use crate::install_root::close_log_directory;
use crate::lifecycle::{DEFAULT_LOCAL_ORDER, EventOrderError, LifecycleEvent, local_order};
use crate::logging::Log;

/// Names the log of local deployments.
const LOG_NAME: &str = "codedeploy-local";

/// A deployment cannot even begin.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SettingsError {
    #[error("--events cannot be used")]
    Events(#[source] EventOrderError),
    #[error("--bundle-location cannot be used")]
    Location(#[source] LocationError),
    #[error("--deployment-group cannot be used")]
    Group(#[source] InvalidId),
    #[error(transparent)]
    Configuration(LocalConfigurationError),
    #[error("the on-premises file cannot be used")]
    OnPremises(#[source] OnPremisesError),
    #[error("the proxy cannot be used")]
    Proxy(#[source] ProxyError),
    #[error("no name for the deployment could be drawn")]
    Random(#[source] std::io::Error),
    #[error("the path of this program cannot be found out, so it cannot start hooks")]
    Program(#[source] std::io::Error),
}

/// A deployment that is ready to run.
#[derive(Debug)]
pub(in crate::cli) struct Prepared {
    pub(in crate::cli) host: Host,
    pub(in crate::cli) spec: DeploymentSpec,
    pub(in crate::cli) events: Vec<LifecycleEvent>,
    pub(in crate::cli) warnings: Vec<String>,
    /// The bundle's location, to show.
    pub(in crate::cli) bundle: String,
}

impl SettingsError {
    /// How the program ends with it.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Configuration(error) => error.exit(),
            Self::OnPremises(_) => Exit::Configuration,
            _ => Exit::Usage,
        }
    }
}

/// What the settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Intent {
    /// To deploy: there is a log, and hooks get the environment of /etc/profile.
    Deploy,
    /// To look only: nothing is written and nothing run.
    Look,
}

/// Works everything out; nothing is written yet but, in order to deploy, the log.
pub(in crate::cli) async fn prepare(
    arguments: &BundleArguments,
    intent: Intent,
) -> Result<Prepared, SettingsError> {
    let spec = specification(arguments)?;
    let events = local_order(&arguments.events).map_err(SettingsError::Events)?;
    let loaded = local_configuration(arguments.agent_configuration_file.as_deref())
        .map_err(SettingsError::Configuration)?;
    prepare_with(
        loaded,
        spec,
        events,
        arguments.bundle_location.clone(),
        intent,
    )
    .await
}

/// The same for what is specified already. `bundle` is shown.
pub(in crate::cli) async fn prepare_with(
    loaded: Loaded,
    spec: DeploymentSpec,
    events: Vec<LifecycleEvent>,
    bundle: String,
    intent: Intent,
) -> Result<Prepared, SettingsError> {
    let mut warnings = loaded.remarks();
    let config = loaded.config;
    let deploys = intent == Intent::Deploy;
    if deploys && let Err(error) = start_log(&config) {
        warnings.push(format!("there is no log of this deployment: {error}"));
    }
    let (on_premises, remarks) =
        OnPremises::read(&config.on_premises_config_file).map_err(SettingsError::OnPremises)?;
    warnings.extend(remarks.iter().map(ToString::to_string));
    let mut environment = HookBase {
        variables: std::env::vars_os().collect(),
        umask: 0o022,
    };
    if deploys && config.profile_environment {
        match profile_environment(Path::new("/etc/profile"), &environment.variables).await {
            Ok(profile) => environment = profile,
            Err(error) => warnings.push(format!("{}; hooks do without it", chain(&error))),
        }
    }
    // Other than the daemon, a person uses the credentials of their own environment.
    let settings = source_settings(
        &config,
        on_premises.as_ref(),
        Credentials::OrdinaryChain,
        |name| std::env::var_os(name),
    )
    .map_err(SettingsError::Proxy)?;
    let sources = Sources::new(settings);
    let runner = runner_program().map_err(SettingsError::Program)?;
    let host = Host::new(&config, on_premises.as_ref(), environment, runner, sources);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok(Prepared {
        host,
        spec,
        events,
        warnings,
        bundle,
    })
}

fn specification(arguments: &BundleArguments) -> Result<DeploymentSpec, SettingsError> {
    let token = arguments.github_token.clone().and_then(GitHubToken::new);
    let revision = revision(&arguments.bundle_location, arguments.bundle_type, token)
        .map_err(SettingsError::Location)?;
    let group =
        DeploymentGroupId::new(&arguments.deployment_group).map_err(SettingsError::Group)?;
    let application = arguments
        .application_name
        .as_ref()
        .unwrap_or(&arguments.bundle_location);
    Ok(DeploymentSpec {
        deployment_id: local_id().map_err(SettingsError::Random)?,
        deployment_group_id: group,
        deployment_group_name: arguments.deployment_group_name.clone(),
        application_name: application.clone(),
        creator: DeploymentCreator::Other,
        deployment_type: DeploymentType::InPlace,
        appspec_filename: arguments.appspec_filename.clone(),
        file_exists_behavior: arguments.file_exists_behavior.clone(),
        all_possible_lifecycle_events: Some(possible_events(&arguments.events)),
        revision,
        reuse_archive_from: None,
    })
}

/// The events that a deployment with these `--events` may run. A misspelt hook name fails for them,
/// other than in the daemon, which is not told the events.
pub(in crate::cli) fn possible_events(events: &[String]) -> Vec<String> {
    DEFAULT_LOCAL_ORDER
        .iter()
        .map(ToString::to_string)
        .chain(events.iter().map(|event| event.trim().to_owned()))
        .collect()
}

/// `d-<9 of A-Z and 0-9>-local`, as v1's local tool names its deployments.
pub(in crate::cli) fn local_id() -> std::io::Result<DeploymentId> {
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut random = [0_u8; 9];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let letters: String = random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect();
    DeploymentId::new(&format!("d-{letters}-local")).map_err(std::io::Error::other)
}

fn start_log(config: &Config) -> std::io::Result<()> {
    Log {
        directory: &config.log_dir,
        program: LOG_NAME,
        verbose: config.verbose,
        mode: if config.restrict_log_dir_permissions {
            0o640
        } else {
            0o644
        },
        json: config.log_format == LogFormat::Json,
        standard_error: false,
    }
    .start()?;
    close_log_directory(config, |error| tracing::warn!("{error}"));
    Ok(())
}
