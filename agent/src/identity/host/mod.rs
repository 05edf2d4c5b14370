//! Who this host is for the service: region, host identifier, domain (contract: host, identity and
//! credentials).
//!
//! Each of the two, region and host identifier, comes from the first that has it: the on-premises
//! file, the environment, instance metadata. Invariant: where the first two have both, nothing
//! waits for instance metadata, which off EC2 is an address that swallows packets.

mod environment;
mod resolve;
#[cfg(test)]
mod tests;
mod wait;

pub use environment::{HostEnvironment, HostEnvironmentError};
pub use resolve::{HostIdentity, IdentitySource};
