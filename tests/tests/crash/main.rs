//! The programs killed, stopped and failed at every step that matters: whatever happens, the
//! deployment goes on and is reported with its real result, no script is run twice and none of
//! their files are half.
//!
//! One deployment, an update of an earlier one, is run undisturbed; then again for each place that
//! [`Failpoint::ALL`](failpoints::Failpoint::ALL) lists, disturbed there, and what comes of it is
//! compared.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure fails the test"
)]

mod agent_killed;
mod both_killed;
mod case;
mod damage;
mod end_state;
mod errors;
mod handed_over;
mod hook_daemons;
mod journal_lines;
mod pool;
mod random;
mod runner_killed;
mod scenario;
mod trace;
mod upgrade;
