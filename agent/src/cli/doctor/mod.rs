//! `agent doctor`: what keeps the agent from working on this host.
//!
//! Invariants: nothing is changed, on the host or at the service, and above all nothing is polled:
//! a poll would take a command away from the agent that runs. Each check ends within seconds. No
//! secret is shown.
//!
//! One check a file. A check that needs what another could not find out is skipped and says why;
//! all others go on.

mod clock;
mod configuration;
mod credentials;
mod directories;
mod disk;
mod examination;
mod finding;
mod identity;
mod name_resolution;
mod other_agent;
mod permission;
mod profile;
mod proxy;
mod report;
mod runner;
mod s3;
mod tcp;
mod time_limit;
mod tls;
mod way;

pub(super) use examination::{examine_candidate, main};
