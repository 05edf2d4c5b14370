//! The daemon: polls the command service, carries out its commands, reports their results.
//!
//! Invariants: a command that the service hands out twice is run once; the commands of one
//! deployment run one after the other; a result is on disk before it is sent, and stays there
//! until the service has accepted it or refused it for good; whatever goes wrong with one command
//! is reported, and the loop goes on.
//!
//! ```text
//! poller --HostCommand--> desk (who is at work on what) --> command (step machine, executor)
//!                                                              └─verdict─> completions --> service
//! ```

mod command;
mod completions;
mod desk;
mod pid_file;
mod poller;
mod privileges;
mod renewing;
mod retry;
mod service;
mod signals;
mod tracking;

pub use pid_file::{PidFile, PidFileError};
pub use privileges::{PrivilegeError, become_configured_user, configured_user};
pub use service::{ServiceError, run};
