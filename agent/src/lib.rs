//! The CodeDeploy host agent. `ARCHITECTURE.md` tells how the modules fit together.

#![forbid(unsafe_code)]

pub mod appspec;
pub mod config;
pub mod deployment;
pub mod deployment_root;
pub mod diagnostics;
pub mod error;
pub mod files;
pub mod hooks;
pub mod identity;
pub mod lifecycle;
pub mod logging;
pub mod specification;
