//! The command service, speaking the real protocol over HTTP: signed AWS JSON 1.1, long polls, the
//! flow of one command; scripted, and with faults on demand.
//!
//! What a client may send is checked in `check` for every request of every test. A request that
//! breaks the protocol gets the answer that the service would give, and is kept: see
//! [`FakeCommandService::violations`].

mod answer;
mod call;
mod check;
mod fault;
mod flow;
mod script;
mod service;

pub use call::{Call, Ending, Operation};
pub use fault::{Fault, When};
pub use flow::{Again, DeploymentEnd};
pub use script::{HostCommand, ScriptedDeployment, Specification, s3_revision, specification};
pub use service::FakeCommandService;

/// A key that the service knows from the start.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// Its secret.
pub const SECRET_KEY: &str = "a-secret-for-tests-only";
