//! Who this host is for the service, and with which credentials it speaks: the on-premises file,
//! the environment, or instance metadata (contract: host, identity and credentials).
//!
//! Invariant: a secret leaves this module only through a method whose name begins with `expose`
//! or through the AWS crates' own credentials type; no `Debug`, `Display` or error shows one.

mod credentials_file;
mod host;
mod host_credentials;
mod iam_arn;
mod imds;
mod on_premises;
mod on_premises_error;
mod on_premises_text;
mod region;
mod secret;

pub use credentials_file::{CredentialsFile, CredentialsFileError};
pub use host::{HostEnvironment, HostEnvironmentError, HostIdentity, IdentitySource};
pub use host_credentials::{ChainSettings, CredentialSource, HostCredentials};
pub use iam_arn::{IamArn, InvalidArn};
pub use imds::{
    Imds, ImdsError, ImdsSettings, ImdsSettingsError, InstanceIdentity, InstanceProfile,
    InvalidDomain, InvalidPartition, Partition, ServiceDomain,
};
pub use on_premises::{OnPremises, OnPremisesCredentials};
pub use on_premises_error::{OnPremisesError, OnPremisesWarning};
pub use region::{InvalidRegion, Region};
pub use secret::Secret;
