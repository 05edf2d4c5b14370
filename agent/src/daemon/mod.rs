//! The daemon: polls the command service, carries out its commands, reports their results.
//!
//! Invariants: a command that the service hands out twice is run once; the commands of one
//! deployment run one after the other; each step of a command is in the journal before it is
//! carried out, and its result stays there until the service has accepted it or refused it for
//! good, so that whatever ends this process, the next one goes on; whatever goes wrong with one
//! command is reported, and the loop goes on.
//!
//! ```text
//! poller --HostCommand--┐
//! journal ----Entry-----┼─> desk (who is at work on what) --> command (step machine, executor)
//! tracking files -------┘                                        └─verdict─> reports --> service
//! ```

mod command;
mod desk;
mod errand;
mod guarded;
mod metrics;
mod orphans;
mod pid_file;
mod poller;
mod privileges;
mod renewing;
mod reports;
mod retry;
mod service;
mod service_manager;
mod signals;
mod taking_up;
mod tracking;
mod workshop;

pub use metrics::{AskError, ask};
pub use pid_file::{PidFile, PidFileError};
pub use privileges::{
    PrivilegeError, become_configured_user, configured_user, limits_without_root,
};
pub use service::{ServiceError, Stopped, run};
pub use service_manager::tell_why_not;
