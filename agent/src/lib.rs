//! The CodeDeploy host agent. `ARCHITECTURE.md` tells how the modules fit together.

#![forbid(unsafe_code)]

pub mod appspec;
pub mod bundle;
pub mod deployment;
pub mod deployment_root;
pub mod error;
pub mod files;
