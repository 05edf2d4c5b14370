//! `agent run` against the fakes, over the real protocol.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

mod commands;
mod credentials;
mod deployments;
mod disk;
mod draining;
mod faults;
mod flow;
mod handover;
mod process;
mod reporting;
mod scene;
mod slow_s3;
mod specifications;
mod storm;
mod taking_up;
