//! What the integration tests share: a host in a temporary directory, bundles written in a few
//! lines, and the real `agent` run on them with its whole outcome kept.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test support: a failure here fails the test"
)]

mod bundle;
mod daemon;
mod deployment;
pub mod fakes;
mod footprint;
mod host;
pub mod objects;
pub mod openmetrics;
mod outcome;
mod privilege;
mod processes;
pub mod s3;
mod snapshot;
mod syncs;

pub use bundle::Bundle;
pub use daemon::{DaemonHost, RunningDaemon, accepted};
pub use deployment::{Deployment, Started};
pub use footprint::Footprint;
pub use host::TestHost;
pub use outcome::{Event, Outcome};
pub use privilege::{running_as_root, take_umask};
pub use processes::{eventually, is_alive};
pub use snapshot::{Entry, Kind, snapshot};
pub use syncs::SyncCounter;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// The `agent` program that this test run has built.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn agent() -> PathBuf {
    // target/<profile>/deps/<this test> -> target/<profile>/agent
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let agent = path.join("agent");
    assert!(
        agent.is_file() && path.join("hooks-runner").is_file(),
        "the programs under test are not built; run `cargo test --workspace`"
    );
    agent
}

/// [`agent`], ready to be given its arguments.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn agent_command() -> Command {
    command(agent())
}

/// A program that a test starts: another build of the agent, or a tool of the host.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the tests start programs, as users start them"
)]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}
