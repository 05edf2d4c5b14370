//! The directories on the host that AWS's agents and ours share (contract: deployment,
//! "Directories on the host"): where things are, the two pointers of a group, which old
//! deployments go, how, and what they occupy.

mod layout;
mod meter;
mod pointer;
mod removal;
mod retention;
mod usage;

pub use layout::{DeploymentDirectory, DeploymentRoot, InstructionFiles};
pub use meter::{DiskUsage, DiskUsageMeter, Pace};
pub use pointer::{PointerError, read_pointer, write_pointer};
pub use removal::{is_aside, left_aside, remove_tree, set_deployment_aside, set_parts_aside};
pub use retention::{RetentionError, Surplus, remove_old_deployments, surplus};
pub use usage::{Usage, usage};
