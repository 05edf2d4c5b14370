//! The SDK's chain of providers, without the keys in the environment.
//!
//! The order is the SDK's: profile, web identity, container, instance profile. A provider that is
//! not configured passes on to the next; one that is and fails ends the search, because another
//! identity is not what the operator has asked for.

use std::fmt;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::config::{Region as SdkRegion, SharedHttpClient};

use super::super::Region;
use super::super::imds::{Imds, InstanceProfile};
use super::CredentialSource;
use crate::error::chain;

/// What the chain is made of. Where profile, web identity and container are configured is read from
/// the environment of the process by the AWS crates, when credentials are wanted.
#[derive(Debug, Clone)]
pub struct ChainSettings {
    region: Region,
    use_fips: bool,
    https: SharedHttpClient,
    container: SharedHttpClient,
    imds: Imds,
    /// Variables that are set and not used.
    pub(super) ignored: Vec<&'static str>,
}

impl ChainSettings {
    /// A chain in the environment that `variable` looks up in. `region` is that of STS, `use_fips`
    /// chooses its endpoint, and `https` reaches it: with the proxy and the trust roots that are
    /// configured. `imds` is for the instance profile.
    #[must_use]
    pub fn new(
        variable: impl Fn(&str) -> Option<String>,
        region: Region,
        use_fips: bool,
        https: SharedHttpClient,
        imds: Imds,
    ) -> Self {
        let container = if container_is_remote(&variable) {
            https.clone()
        } else {
            // On this host, or on its link: never through a proxy.
            aws_smithy_http_client::Builder::new().build_http()
        };
        let set = |name: &&str| variable(name).is_some_and(|value| !value.is_empty());
        let ignored = IGNORED.into_iter().filter(set).collect();
        Self {
            region,
            use_fips,
            https,
            container,
            imds,
            ignored,
        }
    }
}

/// Keys that AWS's agent removes from its environment, so that what was meant for another program
/// does not become the daemon's identity.
const IGNORED: [&str; 3] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_CREDENTIAL_FILE",
];

/// Whether the container's endpoint is an https one. The relative form, which goes first, is not.
fn container_is_remote(variable: &impl Fn(&str) -> Option<String>) -> bool {
    variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_none()
        && variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            .is_some_and(|uri| uri.to_ascii_lowercase().starts_with("https:"))
}

/// One provider of a chain.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) source: CredentialSource,
    pub(super) provider: SharedCredentialsProvider,
}

/// Why no provider has credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChainError {
    /// The one that is configured fails.
    #[error("no credentials from {link}")]
    Failed {
        link: CredentialSource,
        #[source]
        source: CredentialsError,
    },
    /// None is configured.
    #[error("no provider has credentials for this host ({})", Reasons(.reasons))]
    Nothing {
        reasons: Vec<(CredentialSource, String)>,
    },
}

struct Reasons<'a>(&'a [(CredentialSource, String)]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (source, reason)) in self.0.iter().enumerate() {
            let joint = if index == 0 { "" } else { "; " };
            write!(f, "{joint}{source}: {reason}")?;
        }
        Ok(())
    }
}

/// The credentials of the first link that has any.
pub(super) async fn first(links: &[Link]) -> Result<(CredentialSource, Credentials), ChainError> {
    let mut reasons = Vec::new();
    for link in links {
        match link.provider.provide_credentials().await {
            Ok(credentials) => return Ok((link.source, credentials)),
            Err(CredentialsError::CredentialsNotLoaded(reason)) => {
                let error = CredentialsError::CredentialsNotLoaded(reason);
                // What the variant itself says is that the provider is not enabled.
                let reason = std::error::Error::source(&error)
                    .map_or_else(|| "not configured".to_owned(), chain);
                reasons.push((link.source, reason));
            }
            Err(source) => {
                return Err(ChainError::Failed {
                    link: link.source,
                    source,
                });
            }
        }
    }
    Err(ChainError::Nothing { reasons })
}

impl ChainSettings {
    /// The chain.
    pub(super) fn links(self) -> Vec<Link> {
        let link = |source, provider| Link { source, provider };
        let instance_profile = InstanceProfile::new(self.imds.clone());
        vec![
            link(
                CredentialSource::Profile,
                SharedCredentialsProvider::new(Profile(self.clone())),
            ),
            link(
                CredentialSource::WebIdentity,
                SharedCredentialsProvider::new(
                    WebIdentityTokenCredentialsProvider::builder()
                        .configure(&self.configuration())
                        .build(),
                ),
            ),
            link(
                CredentialSource::Container,
                SharedCredentialsProvider::new(Container(self)),
            ),
            link(
                CredentialSource::InstanceProfile,
                SharedCredentialsProvider::new(instance_profile),
            ),
        ]
    }

    fn configuration(&self) -> ProviderConfig {
        ProviderConfig::without_region()
            .with_region(Some(SdkRegion::new(self.region.as_str().to_owned())))
            .with_use_fips(self.use_fips.then_some(true))
            .with_http_client(self.https.clone())
    }
}

/// The profile, read anew each time: the SDK's provider keeps the first state of the files for
/// ever, and a first failure, too.
#[derive(Debug)]
struct Profile(ChainSettings);

impl ProvideCredentials for Profile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&self.0.configuration())
                .with_custom_provider("Environment", NoEnvironment)
                .with_custom_provider("EcsContainer", Container(self.0.clone()))
                .with_custom_provider(
                    "Ec2InstanceMetadata",
                    InstanceProfile::new(self.0.imds.clone()),
                )
                .build();
            provider.provide_credentials().await
        })
    }
}

/// What a profile with `credential_source = Environment` finds.
#[derive(Debug)]
struct NoEnvironment;

impl ProvideCredentials for NoEnvironment {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration(
            "the profile has credential_source = Environment, but the agent does not use the keys \
             in its environment; set another source",
        )))
    }
}

/// The container's endpoint, read from the environment each time.
#[derive(Debug)]
struct Container(ChainSettings);

impl ProvideCredentials for Container {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let configuration = self
                .0
                .configuration()
                .with_http_client(self.0.container.clone());
            let provider = EcsCredentialsProvider::builder()
                .configure(&configuration)
                .build();
            provider.provide_credentials().await
        })
    }
}
