//! One set of credentials for all clients, renewed in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as ProviderResult, future};
use tokio::sync::Mutex as AsyncMutex;

use super::chain::{ChainError, Link, first};
use super::{ChainSettings, CredentialSource};
use crate::error::chain;
use crate::identity::OnPremisesCredentials;

/// How long before their end credentials are renewed.
const MARGIN: Duration = Duration::from_secs(300);
/// How long credentials without an end are used before they are looked up again: someone may have
/// changed the file (contract: host, rotated credentials).
const LONGEST: Duration = Duration::from_secs(1800);
/// After a renewal that failed.
const RETRY: Duration = Duration::from_secs(30);
/// How long the providers may take together.
const PATIENCE: Duration = Duration::from_secs(30);

/// The host's credentials. Clones are the same.
#[derive(Debug, Clone)]
pub struct HostCredentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    links: Vec<Link>,
    held: AsyncMutex<Option<Held>>,
    source: Mutex<Option<CredentialSource>>,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    renew: SystemTime,
    /// The service has said that they are not good any more.
    refused: bool,
}

impl HostCredentials {
    /// Those of the on-premises file.
    #[must_use]
    pub fn on_premises(credentials: &OnPremisesCredentials) -> Self {
        let source = match credentials {
            OnPremisesCredentials::User { .. } => CredentialSource::OnPremisesUser,
            OnPremisesCredentials::Session { .. } => CredentialSource::OnPremisesSession,
        };
        Self::from_links(vec![Link {
            source,
            provider: credentials.provider(),
        }])
    }

    /// Those of the SDK's chain, without the keys in the environment.
    #[must_use]
    pub fn chain(settings: ChainSettings) -> Self {
        if !settings.ignored.is_empty() {
            let ignored = settings.ignored.join(", ");
            tracing::info!("set in the environment, but not used for the agent: {ignored}");
        }
        Self::from_links(settings.links())
    }

    pub(super) fn from_links(links: Vec<Link>) -> Self {
        Self(Arc::new(Inner {
            links,
            held: AsyncMutex::default(),
            source: Mutex::default(),
        }))
    }

    /// Where the credentials came from last. None before the first were found.
    #[must_use]
    pub fn source(&self) -> Option<CredentialSource> {
        *self.0.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service has refused `access_key_id` as expired or unknown: the next request looks for
    /// others. Nothing happens when others are held by now.
    pub async fn refuse(&self, access_key_id: &str) {
        if let Some(held) = self.0.held.lock().await.as_mut()
            && held.credentials.access_key_id() == access_key_id
        {
            held.refused = true;
        }
    }

    /// The credentials at `now`. One request renews them, the others wait for that.
    pub(super) async fn at(&self, now: SystemTime) -> ProviderResult {
        let mut held = self.0.held.lock().await;
        if let Some(held) = held
            .as_ref()
            .filter(|held| !held.refused && now < held.renew)
        {
            return Ok(held.credentials.clone());
        }
        let found = tokio::time::timeout(PATIENCE, first(&self.0.links)).await;
        let error = match found {
            Ok(Ok((source, credentials))) => {
                self.note(source);
                let renew = renewal(&credentials, now);
                *held = Some(Held {
                    credentials: credentials.clone(),
                    renew,
                    refused: false,
                });
                return Ok(credentials);
            }
            Ok(Err(error @ ChainError::Failed { .. })) => CredentialsError::provider_error(error),
            Ok(Err(error @ ChainError::Nothing { .. })) => CredentialsError::not_loaded(error),
            Err(_) => CredentialsError::provider_timed_out(PATIENCE),
        };
        match held.as_mut() {
            // Even past their end: the service decides, and then they are refused.
            Some(held) if !held.refused => {
                tracing::warn!(
                    "the credentials cannot be renewed, the ones at hand are used on: {}",
                    chain(&error)
                );
                held.renew = now + RETRY;
                Ok(held.credentials.clone())
            }
            _ => Err(error),
        }
    }

    /// Says where the credentials come from when that is new.
    fn note(&self, source: CredentialSource) {
        let mut known = self.0.source.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != Some(source) {
            tracing::info!("the credentials come from {source}");
            *known = Some(source);
        }
    }
}

impl ProvideCredentials for HostCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.at(SystemTime::now()))
    }
}

/// When to look for other credentials: well before the end, but not all the time when they live
/// shortly.
fn renewal(credentials: &Credentials, now: SystemTime) -> SystemTime {
    let life = credentials
        .expiry()
        .map(|end| end.duration_since(now).unwrap_or_default());
    let use_for = match life {
        None => LONGEST,
        Some(life) if life > 2 * MARGIN => (life - MARGIN).min(LONGEST),
        Some(life) => life / 2,
    };
    now + use_for
}
