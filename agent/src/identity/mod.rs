//! Who this host is for the service, and with which credentials it speaks: the on-premises file
//! (contract: host, identity and credentials).
//!
//! Invariant: a secret leaves this module only through a method whose name begins with `expose`
//! or through the AWS crates' own credentials type; no `Debug`, `Display` or error shows one.

mod credentials_file;
mod on_premises;
mod on_premises_error;
mod region;
mod secret;

pub use credentials_file::{CredentialsFile, CredentialsFileError};
pub use on_premises::{OnPremises, OnPremisesCredentials};
pub use on_premises_error::{OnPremisesError, OnPremisesWarning};
pub use region::{InvalidRegion, Region};
pub use secret::Secret;
