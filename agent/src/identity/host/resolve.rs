//! Finding out who the host is.

use std::fmt;
use std::time::Duration;

use super::super::imds::{Imds, ImdsError, Partition, ServiceDomain};
use super::super::{OnPremises, Region};
use super::HostEnvironment;

/// How long instance metadata is waited for where the host is known without it. On an EC2 instance
/// it answers within milliseconds.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Who the host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIdentity {
    /// The region of the service.
    pub region: Region,
    /// The name under which the service knows the host, an ARN.
    pub host_identifier: String,
    /// The partition of the region.
    pub partition: Partition,
    /// The domain of the services there.
    pub domain: ServiceDomain,
    /// Where the region comes from.
    pub region_source: IdentitySource,
    /// Where the host identifier comes from.
    pub source: IdentitySource,
}

/// Who has said who the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// The on-premises file.
    OnPremisesFile,
    /// `AWS_REGION`, `AWS_HOST_IDENTIFIER`.
    Environment,
    /// The instance metadata service.
    InstanceMetadata,
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnPremisesFile => "the on-premises file",
            Self::Environment => "the environment",
            Self::InstanceMetadata => "instance metadata",
        })
    }
}

impl HostIdentity {
    /// Tries once to find out who the host is.
    ///
    /// # Errors
    /// When instance metadata has to tell and does not. Never on premises.
    pub async fn resolve(
        on_premises: Option<&OnPremises>,
        environment: &HostEnvironment,
        imds: &Imds,
    ) -> Result<Self, ImdsError> {
        Self::resolve_within(AT_ONCE, on_premises, environment, imds).await
    }

    /// The same, with another idea of what is at once.
    pub(super) async fn resolve_within(
        at_once: Duration,
        on_premises: Option<&OnPremises>,
        environment: &HostEnvironment,
        imds: &Imds,
    ) -> Result<Self, ImdsError> {
        use IdentitySource::{Environment, InstanceMetadata, OnPremisesFile};
        if let Some(OnPremises {
            region,
            host_identifier,
            ..
        }) = on_premises
        {
            let identifier = (host_identifier.clone(), OnPremisesFile);
            return Ok(
                Self::known((region.clone(), OnPremisesFile), identifier, imds, at_once).await,
            );
        }
        let region = environment
            .region
            .clone()
            .map(|region| (region, Environment));
        let identifier = environment
            .host_identifier
            .clone()
            .map(|id| (id, Environment));
        if let (Some(region), Some(identifier)) = (&region, &identifier) {
            return Ok(Self::known(region.clone(), identifier.clone(), imds, at_once).await);
        }
        let instance = imds.instance_identity().await?;
        let partition = imds.partition().await?;
        let domain = imds.domain().await?;
        // The ARN is the instance's, in its own region, whatever region is asked for.
        let own_partition = partition
            .clone()
            .unwrap_or_else(|| Partition::of_region(&instance.region));
        let arn = instance.arn(&own_partition);
        let (region, region_source) = region.unwrap_or((instance.region, InstanceMetadata));
        let (host_identifier, source) = identifier.unwrap_or((arn, InstanceMetadata));
        Ok(Self {
            partition: partition.unwrap_or_else(|| Partition::of_region(&region)),
            domain: domain.unwrap_or_else(|| ServiceDomain::of_region(&region)),
            region,
            host_identifier,
            region_source,
            source,
        })
    }

    /// A host that is known without instance metadata; that is asked for the domain only, and only
    /// if it answers at once.
    async fn known(
        (region, region_source): (Region, IdentitySource),
        (host_identifier, source): (String, IdentitySource),
        imds: &Imds,
        at_once: Duration,
    ) -> Self {
        // Off EC2, anybody on the same network may be the one who answers.
        let on_ec2 = source == IdentitySource::Environment
            && host_identifier.starts_with("arn:")
            && host_identifier.contains(":ec2:");
        let domain = match tokio::time::timeout(at_once, imds.domain()).await {
            Ok(Ok(Some(domain))) if on_ec2 || domain.is_known() => Some(domain),
            Ok(Ok(Some(domain))) => {
                tracing::warn!(
                    %domain,
                    "instance metadata names a domain that is none of AWS's public ones; it is \
                     ignored, because this is no EC2 instance"
                );
                None
            }
            Ok(Ok(None) | Err(_)) | Err(_) => None,
        };
        Self {
            partition: Partition::of_arn(&host_identifier)
                .unwrap_or_else(|| Partition::of_region(&region)),
            domain: domain.unwrap_or_else(|| ServiceDomain::of_region(&region)),
            region,
            host_identifier,
            region_source,
            source,
        }
    }
}
