//! What an EC2 instance is told about itself: the instance metadata service (contract: host,
//! identity and credentials).
//!
//! Invariant: nothing that the service says is used unchecked. Region, partition, account and
//! domain are spliced into host names and ARNs, and off EC2 anybody on the same network may answer
//! on the link-local address; so each is a type of its own that only a value of its form becomes.
//!
//! The client keeps no connection open (the service is asked a few times an hour), never uses a
//! proxy, follows no redirect, and bounds the time and the size of every answer.

mod client;
mod domain;
mod error;
mod instance;
mod partition;
mod role;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use client::Imds;
pub use domain::{InvalidDomain, ServiceDomain};
pub use error::ImdsError;
pub use instance::InstanceIdentity;
pub use partition::{InvalidPartition, Partition};
pub use role::InstanceProfile;
pub use settings::{ImdsSettings, ImdsSettingsError};
