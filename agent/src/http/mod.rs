//! What every HTTP client of the agent shares: which proxy, and whom to trust (contract: host).
//!
//! Invariant: both are decided from the configuration and an environment that is passed in, never
//! from the process's own environment behind our back: the libraries read `SSL_CERT_FILE` as a
//! replacement of the system's roots and `ALL_PROXY` as a proxy, the contract has neither. The
//! metadata service gets a client of its own, without proxies.

mod proxies;
mod trust;

pub use proxies::{Proxies, ProxyError};
pub use trust::{TrustError, TrustPaths, TrustRoots};
