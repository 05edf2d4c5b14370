//! `agent doctor` against the fakes: healthy hosts, and a fault for every check.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure fails the test"
)]

mod examined;
mod faults;
mod healthy;
mod host_faults;
