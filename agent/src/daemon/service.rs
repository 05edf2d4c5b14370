//! Puts the daemon together, runs it, and takes it down in order.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_credential_types::provider::SharedCredentialsProvider;
use sd_notify::NotifyState;
use tokio::task::LocalSet;

use super::desk::Desk;
use super::metrics::{Counting, Exposed};
use super::orphans;
use super::poller::Poller;
use super::renewing::Renewing;
use super::reports::Reports;
use super::service_manager::{notify, watchdog};
use super::signals::{self, Signals, Stopping};
use super::tracking::Tracking;
use super::workshop::{JournalFile, Workshop};
use crate::bundle::{Credentials, FetchError, Sources};
use crate::config::{Config, ConfigError};
use crate::control_plane::{Client, ClientError, Gate, Settings, SettingsError};
use crate::error::chain;
use crate::executor::{Host, runner_program, source_settings};
use crate::hooks::{HookBase, ProfileOnly, profile_environment};
use crate::http::{ProxyError, TrustError, TrustRoots};
use crate::identity::{
    ChainSettings, HostCredentials, HostEnvironment, HostEnvironmentError, HostIdentity, Imds,
    ImdsError, ImdsSettings, ImdsSettingsError, OnPremises, OnPremisesError,
};
use crate::install;
use crate::metrics::Metrics;
use crate::specification::{SignerCaError, SignerTrust};

/// How the daemon was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The next agent takes up what was at work.
    HandedOver,
    /// What was at work has come to its end.
    Drained,
}

/// The daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The signals.
    #[error("cannot handle signals")]
    Signals(#[source] std::io::Error),
    /// The on-premises file.
    #[error("the on-premises file cannot be used")]
    OnPremises(#[source] OnPremisesError),
    /// `AWS_REGION`, `AWS_HOST_IDENTIFIER`.
    #[error("the environment cannot be used")]
    Environment(#[source] HostEnvironmentError),
    /// How instance metadata is reached.
    #[error("the settings of instance metadata cannot be used")]
    ImdsSettings(#[source] ImdsSettingsError),
    /// Instance metadata.
    #[error("cannot find out who this host is")]
    Imds(#[source] ImdsError),
    /// FIPS outside of its regions.
    #[error("the configuration cannot be used in this region")]
    Region(#[source] ConfigError),
    /// Trusted certificates.
    #[error("cannot tell which certificates to trust")]
    Trust(#[source] TrustError),
    /// The proxy.
    #[error("the proxy cannot be used")]
    Proxy(#[source] ProxyError),
    /// The HTTP client for credentials.
    #[error("cannot set up the way to the services")]
    Http(#[source] FetchError),
    /// Settings of the command service's client.
    #[error("the command service cannot be reached with these settings")]
    Settings(#[source] SettingsError),
    /// The command service's client.
    #[error("cannot set up the client of the command service")]
    Client(#[source] ClientError),
    /// `signer_ca_file`.
    #[error("signer_ca_file cannot be used")]
    Signers(#[source] SignerCaError),
    /// The runner.
    #[error("the path of this program cannot be found out, so it cannot start hooks")]
    Program(#[source] std::io::Error),
    /// Which boot this is.
    #[error("cannot tell this boot of the host from others")]
    Boot(#[source] std::io::Error),
}

impl ServiceError {
    /// Whether somebody has to change a setting: starting again will not help.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::OnPremises(_)
            | Self::Environment(_)
            | Self::ImdsSettings(_)
            | Self::Imds(_)
            | Self::Region(_)
            | Self::Trust(_)
            | Self::Proxy(_)
            | Self::Settings(_)
            | Self::Signers(_) => true,
            Self::Signals(_)
            | Self::Http(_)
            | Self::Client(_)
            | Self::Program(_)
            | Self::Boot(_) => false,
        }
    }
}

/// Runs the daemon until a signal stops it. The caller holds the pid file.
///
/// # Errors
/// When it cannot begin.
pub async fn run(
    config: &Config,
    variable: impl Fn(&str) -> Option<OsString> + Copy,
) -> Result<Stopped, ServiceError> {
    let signals = signals::listen().map_err(ServiceError::Signals)?;
    // The configuration is valid and signals are handled; who the host is may take longer.
    notify(&[
        NotifyState::Ready,
        NotifyState::Status("finding out who this host is"),
    ]);
    tokio::spawn(watchdog());
    tokio::spawn(orphans::collect());
    let metrics = Metrics::new();
    let exposed = Exposed::begin(config, &metrics);
    let workshop = tokio::select! {
        workshop = prepare(config, variable, &signals, metrics) => workshop.map(Some),
        () = signals.reached(Stopping::Draining) => Ok(None),
    };
    let ended = match workshop {
        Ok(Some(workshop)) => {
            LocalSet::new().run_until(serve(config, workshop)).await;
            Ok(())
        }
        Ok(None) => {
            notify(&[NotifyState::Stopping]);
            Ok(())
        }
        Err(error) => Err(error),
    };
    tokio::select! {
        () = exposed.end() => {}
        () = signals.reached(Stopping::AtOnce) => {}
    }
    ended?;
    Ok(match signals.stopping() {
        Stopping::Draining => Stopped::Drained,
        Stopping::No | Stopping::HandingOver | Stopping::AtOnce => Stopped::HandedOver,
    })
}

/// The command service as the daemon calls it.
type Service = Counting<Renewing<Client>>;

async fn prepare(
    config: &Config,
    variable: impl Fn(&str) -> Option<OsString> + Copy,
    signals: &Signals,
    metrics: Metrics,
) -> Result<Workshop<Service>, ServiceError> {
    let text = |name: &str| variable(name).and_then(|value| value.into_string().ok());
    let (on_premises, warnings) =
        OnPremises::read(&config.on_premises_config_file).map_err(ServiceError::OnPremises)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let on_premises = on_premises.as_ref();
    let environment = HostEnvironment::new(text).map_err(ServiceError::Environment)?;
    let settings =
        ImdsSettings::new(text, config.disable_imds_v1).map_err(ServiceError::ImdsSettings)?;
    let imds = Imds::new(settings).map_err(ServiceError::Imds)?;
    let identity = HostIdentity::wait(on_premises, &environment, &imds, |error, pause| {
        tracing::warn!(
            again_in_seconds = pause.as_secs_f64(),
            "cannot find out who this host is: {}",
            chain(error)
        );
    })
    .await
    .map_err(ServiceError::Imds)?;
    config
        .check_fips_region(identity.region.as_str())
        .map_err(ServiceError::Region)?;
    tracing::info!(
        region = identity.region.as_str(),
        host = identity.host_identifier,
        "this host is known by {}",
        identity.source
    );
    let mut sources = source_settings(config, on_premises, Credentials::OrdinaryChain, variable)
        .map_err(ServiceError::Proxy)?;
    sources.region = Some(identity.region.as_str().to_owned());
    let trust = TrustRoots::load(&sources.trust).map_err(ServiceError::Trust)?;
    let credentials = match on_premises {
        Some(on_premises) => HostCredentials::on_premises(&on_premises.credentials),
        None => HostCredentials::chain(ChainSettings::new(
            text,
            identity.region.clone(),
            config.use_fips_mode,
            sources.https_client(&trust).map_err(ServiceError::Http)?,
            imds,
        )),
    };
    sources.credentials =
        Credentials::Provider(SharedCredentialsProvider::new(credentials.clone()));
    let settings = Settings::new(
        config,
        &identity.region,
        Some(identity.domain.as_str()),
        on_premises.is_some(),
        variable,
    )
    .map_err(ServiceError::Settings)?;
    let client = Client::new(
        settings,
        &trust,
        SharedCredentialsProvider::new(credentials.clone()),
    )
    .map_err(ServiceError::Client)?;
    let client = Arc::new(Counting {
        inner: Renewing {
            client,
            credentials,
        },
        metrics: metrics.clone(),
    });
    let signers = match &config.signer_ca_file {
        Some(path) => SignerTrust::from_file(path).map_err(ServiceError::Signers)?,
        None => SignerTrust::any_signer(),
    };
    let runner = runner_program().map_err(ServiceError::Program)?;
    let base = hook_base(config).await;
    let gate = Gate::new();
    notify(&[NotifyState::Status(&format!(
        "polling in {} as {}",
        identity.region.as_str(),
        identity.host_identifier
    ))]);
    let host = Host::new(config, on_premises, base, runner, Sources::new(sources));
    let journal = host.root.commands_journal();
    Ok(Workshop {
        client: Arc::clone(&client),
        gate: gate.clone(),
        desk: Desk::new(metrics.clone()),
        tracking: Tracking::new(host.root.tracking_directory(), host.state_file_mode),
        host,
        host_identifier: identity.host_identifier,
        signers,
        reports: Reports::new(client, gate, signals.clone(), metrics.clone()),
        signals: signals.clone(),
        journal: JournalFile {
            path: journal,
            boot_id: hooks_runner::boot_id().map_err(ServiceError::Boot)?,
            opened: OnceLock::new(),
        },
        metrics,
    })
}

async fn hook_base(config: &Config) -> HookBase {
    let own = HookBase {
        variables: std::env::vars_os().collect(),
        umask: 0o022,
    };
    if !config.profile_environment {
        return own;
    }
    match profile_environment(Path::new("/etc/profile"), &own.variables).await {
        Ok(base) => {
            if let Some(found) = ProfileOnly::find(config, &own.variables, &base) {
                tracing::warn!("{found}; {}", ProfileOnly::REMEDY);
            }
            base
        }
        Err(error) => {
            tracing::warn!("{}; hooks do without it", chain(&error));
            own
        }
    }
}

/// Serves until told to stop, and returns when what is at work is where it is to be.
async fn serve(config: &Config, workshop: Workshop<Service>) {
    let workshop = Arc::new(workshop);
    let (desk, signals) = (workshop.desk.clone(), workshop.signals.clone());
    recover_installs(&workshop.host);
    if let Err(error) = workshop.journal() {
        tracing::error!(
            "no command can be carried out before this is mended: {}",
            chain(&error)
        );
    }
    let poller = Poller {
        client: Arc::clone(&workshop.client),
        gate: workshop.gate.clone(),
        desk: desk.clone(),
        host_identifier: workshop.host_identifier.clone(),
        wait_between_runs: config.wait_between_runs,
        signals: signals.clone(),
    };
    poller
        .run(|command, place| workshop.carry_out(command, place))
        .await;
    notify(&[NotifyState::Stopping]);
    tokio::select! {
        () = desk.quiet() => tracing::info!("stopped"),
        () = signals.reached(Stopping::AtOnce) => {
            tracing::warn!("stopped at once, with {} commands at work", desk.at_work());
        }
    }
}

/// Brings what killed Installs left to one revision or the other, beside all else: an Install of
/// the same group waits for it, or has done it itself.
fn recover_installs(host: &Host) {
    let (root, tools) = (host.root.clone(), host.install.selinux.clone());
    tokio::task::spawn_blocking(move || match install::recover_all(&root, &tools) {
        Err(error) => tracing::error!("cannot look for Installs that were killed: {error}"),
        Ok(groups) => {
            for (group, recovered) in groups {
                match recovered {
                    Ok(recovered) => {
                        for told in recovered.told() {
                            tracing::warn!(%group, "{told}");
                        }
                    }
                    Err(error) => tracing::error!(%group, "{}", chain(&error)),
                }
            }
        }
    });
}
