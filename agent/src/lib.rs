//! The CodeDeploy host agent. `ARCHITECTURE.md` tells how the modules fit together.

#![forbid(unsafe_code)]

pub mod appspec;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod control_plane;
pub mod daemon;
pub mod deployment;
pub mod deployment_root;
pub mod diagnostics;
pub mod error;
pub mod executor;
pub mod files;
pub mod history;
pub mod hooks;
pub mod http;
pub mod identity;
pub mod install;
pub mod install_root;
pub mod journal;
pub mod lifecycle;
pub mod lint;
pub mod logging;
pub mod metrics;
pub mod specification;
mod yaml_parser;
