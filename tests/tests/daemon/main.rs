//! `agent run` against the fakes, over the real protocol.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

mod commands;
mod credentials;
mod deployments;
mod faults;
mod flow;
mod footprint;
mod process;
mod reporting;
mod specifications;
