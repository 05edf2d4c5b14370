//! The fakes themselves: what they take for right, and that their faults are faults.

#![expect(clippy::unwrap_used, reason = "tests")]

mod client;
mod command_flow;
mod faults;
mod imds;
mod requests;
mod signer;
