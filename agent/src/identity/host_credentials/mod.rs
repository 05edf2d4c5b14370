//! The daemon's credentials: from the on-premises file, else from the SDK's chain without the keys
//! in the environment (contract: host, identity and credentials).
//!
//! ```text
//! on-premises file ─┐
//! profile ► web identity ► container ► instance profile ─┴─► cache ─► command service, S3
//! ```
//!
//! Invariant: all clients of the daemon take their credentials from one [`HostCredentials`], so that
//! all change at once, and the log says once where they come from.

mod cache;
mod chain;
mod source;
#[cfg(test)]
mod tests;

pub use cache::HostCredentials;
pub use chain::ChainSettings;
pub use source::CredentialSource;
