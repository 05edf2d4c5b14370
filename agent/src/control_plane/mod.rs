//! The command service: five operations behind a trait, a signing client, and the rules of trying
//! again (contract: protocol).
//!
//! Invariant: what comes from the network is bounded before it is kept, is never followed
//! elsewhere, and never decides a host name; what leaves is signed with credentials that were
//! fetched for this very attempt; no error, `Debug` or log shows a credential, a token or the
//! payload of an envelope. An answer counts only when it is whole, in the service's own form: a
//! captive portal's page is no accepted completion.
//!
//! The trait is the network's edge: the daemon is written against [`ControlPlane`], so that what
//! it does with answers can be tested without a network, and the [`Client`] without a daemon.

mod answer;
mod backoff;
mod body;
mod client;
mod clock;
mod disposition;
mod endpoint;
mod error;
mod failure;
mod gate;
mod hygiene;
mod model;
mod operations;
mod reach;
mod request;
mod service_error;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod wire_log;

pub use backoff::{error_backoff, idle_wait};
pub use client::{Client, ClientError};
pub use clock::ClockSkew;
pub use disposition::{Disposition, disposition};
pub use endpoint::{EndpointError, EndpointQuestion, endpoint};
pub use error::Error;
pub use failure::{ConnectFailure, Route};
pub use gate::{Gate, Pass};
pub use model::{
    AcknowledgementReply, CommandStatus, CompletionStatus, Envelope, HostCommand,
    SpecificationReply, UpdateReply,
};
pub use operations::{ControlPlane, Operation};
pub use reach::{ReachError, Reached, reach};
pub use service_error::{ServiceError, ServiceErrorKind};
pub use settings::{Settings, SettingsError};
pub use wire_log::{WireLog, WireLogError};
