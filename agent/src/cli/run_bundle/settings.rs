//! From the command line and the configuration to everything that a deployment needs.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use hooks_runner::Program;

use super::location::{LocationError, revision};
use crate::bundle::{Credentials, Sources};
use crate::cli::arguments::RunBundleArguments;
use crate::cli::state_directory::state_directory;
use crate::config::{Config, ConfigError, Loaded, Purpose, default_path};
use crate::deployment::{
    DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentSpec, DeploymentType, GitHubToken,
    InvalidId,
};
use crate::error::chain;
use crate::executor::Host;
use crate::hooks::profile_environment;
use crate::identity::{OnPremisesError, read_on_premises};
use crate::lifecycle::{DEFAULT_LOCAL_ORDER, EventOrderError, LifecycleEvent, local_order};

/// Names the log of local deployments.
const LOG_NAME: &str = "codedeploy-local";

/// A deployment cannot even begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    #[error("--events cannot be used")]
    Events(#[source] EventOrderError),
    #[error("--bundle-location cannot be used")]
    Location(#[source] LocationError),
    #[error("--deployment-group cannot be used")]
    Group(#[source] InvalidId),
    #[error("the configuration cannot be used")]
    Configuration(#[source] ConfigError),
    #[error("the on-premises file cannot be used")]
    OnPremises(#[source] OnPremisesError),
    #[error("neither XDG_STATE_HOME nor HOME says where to keep deployments; set one of them")]
    NoStateDirectory,
    #[error("no name for the deployment could be drawn")]
    Random(#[source] std::io::Error),
    #[error("the path of this program cannot be found out, so it cannot start hooks")]
    Program(#[source] std::io::Error),
}

/// A deployment that is ready to run.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) host: Host,
    pub(super) spec: DeploymentSpec,
    pub(super) events: Vec<LifecycleEvent>,
    pub(super) warnings: Vec<String>,
    /// The bundle's location, to show.
    pub(super) bundle: String,
}

/// Works everything out; nothing is written yet but the log.
pub(super) async fn prepare(arguments: &RunBundleArguments) -> Result<Prepared, SettingsError> {
    let spec = specification(arguments)?;
    let events = local_order(&arguments.events).map_err(SettingsError::Events)?;
    let Loaded { mut config, warnings, .. } = configuration(arguments)?;
    let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    if let Err(error) = start_log(&config) {
        warnings.push(format!("there is no log of this deployment: {error}"));
    }
    let on_premises = read_on_premises(&config.on_premises_config_file)
        .map_err(SettingsError::OnPremises)?;
    warnings.extend(on_premises.warnings.iter().map(ToString::to_string));
    let inherited: Vec<_> = std::env::vars_os().collect();
    let profile = if config.profile_environment {
        match profile_environment(Path::new("/etc/profile"), &inherited).await {
            Ok(profile) => Some(profile),
            Err(error) => {
                warnings.push(format!("{}; hooks do without", chain(&error)));
                None
            }
        }
    } else {
        None
    };
    // Local deployments work for people who know nothing of S3 regions of a fleet's hosts.
    let sources = Sources::new(source_settings(&config, on_premises.host.as_ref()));
    let host = Host::new(&config, on_premises.host.as_ref(), inherited, profile, sources, runner()?);
    Ok(Prepared { host, spec, events, warnings, bundle: arguments.bundle_location.clone() })
}
