//! `agent deployments`: what this host has deployed, and what it is deploying.
//!
//! Everything is read, nothing changed, and no daemon is asked: so it works the same while one runs,
//! while none does, and after AWS's agents.

mod arguments;
mod command;
mod event;
mod follow;
mod json;
mod list;
mod log;
mod logs;
mod show;
mod table;
mod timeline;
mod watch;
mod words;

pub use arguments::{
    DeploymentsArguments, DeploymentsCommand, ListArguments, LogsArguments, ShowDeploymentArguments,
};
pub(super) use command::main;
pub(super) use json::summary;
pub(super) use words::{revision, whole_result};
