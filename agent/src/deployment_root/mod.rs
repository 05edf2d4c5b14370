//! The directories on the host that AWS's agents and ours share (contract: deployment,
//! "Directories on the host").

mod layout;

pub use layout::{DeploymentDirectory, DeploymentRoot, InstructionFiles};
