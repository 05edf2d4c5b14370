//! Puts the daemon together, runs it, and takes it down in order.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use sd_notify::NotifyState;
use tokio::task::LocalSet;

use super::command::Workshop;
use super::completions::Completions;
use super::desk::Desk;
use super::poller::Poller;
use super::renewing::Renewing;
use super::signals::{self, Signals};
use super::tracking::Tracking;
use crate::bundle::{Credentials, FetchError, Sources};
use crate::config::{Config, ConfigError};
use crate::control_plane::{Client, ClientError, Gate, Settings, SettingsError};
use crate::diagnostics::Diagnostics;
use crate::error::chain;
use crate::executor::{Host, runner_program, source_settings, told};
use crate::hooks::{HookBase, profile_environment};
use crate::http::{ProxyError, TrustError, TrustRoots};
use crate::identity::{
    ChainSettings, HostCredentials, HostEnvironment, HostEnvironmentError, HostIdentity, Imds,
    ImdsError, ImdsSettings, ImdsSettingsError, OnPremises, OnPremisesError,
};
use crate::specification::{SignerCaError, SignerTrust};

/// Directory of results that the service does not have yet, under `root_dir` (ours).
const PENDING: &str = "pending-completions";

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
            Self::Signals(_) | Self::Http(_) | Self::Client(_) | Self::Program(_) => false,
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
) -> Result<(), ServiceError> {
    let signals = signals::listen().map_err(ServiceError::Signals)?;
    // The configuration is valid and signals are handled; who the host is may take longer.
    notify(&[
        NotifyState::Ready,
        NotifyState::Status("finding out who this host is"),
    ]);
    tokio::spawn(watchdog());
    let mut stop = signals.stop.clone();
    let parts = tokio::select! {
        parts = prepare(config, variable, &signals) => parts?,
        () = told(&mut stop) => {
            notify(&[NotifyState::Stopping]);
            return Ok(());
        }
    };
    LocalSet::new()
        .run_until(serve(config, parts, signals))
        .await;
    Ok(())
}

/// The parts that the loop runs on.
struct Parts {
    client: Arc<Renewing<Client>>,
    gate: Gate,
    workshop: Workshop<Renewing<Client>>,
}

async fn prepare(
    config: &Config,
    variable: impl Fn(&str) -> Option<OsString> + Copy,
    signals: &Signals,
) -> Result<Parts, ServiceError> {
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
    let client = Arc::new(Renewing {
        client,
        credentials,
    });
    let signers = match &config.signer_ca_file {
        Some(path) => SignerTrust::from_file(path).map_err(ServiceError::Signers)?,
        None => SignerTrust::any_signer(),
    };
    let runner = runner_program().map_err(ServiceError::Program)?;
    let base = hook_base(config).await;
    let gate = Gate::new();
    let pending = config.root_dir.join(PENDING);
    notify(&[NotifyState::Status(&format!(
        "polling in {} as {}",
        identity.region.as_str(),
        identity.host_identifier
    ))]);
    let workshop = Workshop {
        client: Arc::clone(&client),
        gate: gate.clone(),
        desk: Desk::new(),
        host: Host::new(config, on_premises, base, runner, Sources::new(sources)),
        host_identifier: identity.host_identifier,
        signers,
        tracking: Tracking::new(
            config
                .root_dir
                .join(config.ongoing_deployment_tracking.as_str()),
        ),
        completions: Completions::new(
            pending,
            Arc::clone(&client),
            gate.clone(),
            signals.stop.clone(),
        ),
        give_up: signals.give_up.clone(),
    };
    Ok(Parts {
        client,
        gate,
        workshop,
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
        Ok(base) => base,
        Err(error) => {
            tracing::warn!("{}; hooks do without it", chain(&error));
            own
        }
    }
}

/// Serves until told to stop, then lets the work in progress come to its end.
async fn serve(config: &Config, parts: Parts, signals: Signals) {
    let Parts {
        client,
        gate,
        workshop,
    } = parts;
    let desk = workshop.desk.clone();
    let host_identifier = workshop.host_identifier.clone();
    let workshop = Arc::new(workshop);
    take_up_what_was_left(&workshop);
    let poller = Poller {
        client,
        gate,
        desk: desk.clone(),
        host_identifier,
        wait_between_runs: config.wait_between_runs,
        stop: signals.stop.clone(),
    };
    poller
        .run(|command, place| {
            let workshop = Arc::clone(&workshop);
            tokio::task::spawn_local(async move { workshop.carry_out(command, place).await });
        })
        .await;
    notify(&[NotifyState::Stopping]);
    let at_work = desk.at_work();
    if at_work > 0 {
        tracing::info!("stopping when {at_work} commands at work are over");
    }
    let mut give_up = signals.give_up.clone();
    tokio::select! {
        () = desk.quiet() => tracing::info!("stopped"),
        () = told(&mut give_up) => tracing::warn!("stopped at once, with commands at work"),
    }
}

/// Results that an earlier agent could not send, and commands that it did not finish.
fn take_up_what_was_left(workshop: &Arc<Workshop<Renewing<Client>>>) {
    let mut left = workshop.completions.left_behind();
    let unfinished = workshop.tracking.take_left_behind(|complaint| {
        tracing::error!("a tracking file cannot be used: {complaint}");
    });
    for command in unfinished {
        // Its result may lie beside it: then it had been finished.
        if left.iter().any(|kept| kept.command() == command) {
            continue;
        }
        tracing::error!(
            command,
            "an earlier agent went down while it was at work on a command"
        );
        left.push(
            workshop
                .completions
                .keep(&command, &Diagnostics::agent_restarted()),
        );
    }
    for kept in left {
        let workshop = Arc::clone(workshop);
        tokio::task::spawn_local(async move { workshop.completions.send(kept).await });
    }
}

/// Tells the service manager, where there is one; without, nothing happens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

/// Tells the service manager twice in each interval of its watchdog that we are alive.
async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        tick.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}
