//! The directories on the host that AWS's agents and ours share (contract: deployment,
//! "Directories on the host"): where things are, the two pointers of a group, and which old
//! deployments go.

mod layout;
mod pointer;
mod retention;

pub use layout::{DeploymentDirectory, DeploymentRoot, InstructionFiles};
pub use pointer::{PointerError, read_pointer, write_pointer};
pub use retention::{RetentionError, remove_old_deployments, surplus_deployments};
