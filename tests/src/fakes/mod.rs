//! Fakes of the services that the agent speaks to, in this process and over real HTTP.
//!
//! Invariant: a fake never sleeps to let something happen, and no test has to: every request and
//! its end are in a transcript that can be waited on. What a client sends is checked here once, for
//! all tests: what breaks the protocol is answered as the service would and kept as a violation.
//!
//! They share no code with the agent, so that one mistake cannot be on both sides.

mod certificate;
pub mod command_service;
mod der;
mod forward_proxy;
pub mod imds;
mod server;
mod signature;
mod signer;
mod tls_front;
mod transcript;

use std::net::{Ipv4Addr, SocketAddr};

pub use command_service::FakeCommandService;
pub use forward_proxy::{Asked, ForwardProxy, Manner};
pub use imds::FakeImds;
pub use signature::Key;
pub use signer::{Signer, replaced_in_pem};
pub use tls_front::TlsFront;

/// A port of the system's choice, on this machine.
pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
