//! The directories on the host that AWS's agents and ours share (contract: deployment,
//! "Directories on the host"): where things are, what is there, the two pointers of a group, which
//! old deployments go, how, and what they occupy.

mod layout;
mod listing;
mod meter;
mod pointer;
mod removal;
mod retention;
mod usage;

pub use layout::{
    DEFAULT_TRACKING_DIRECTORY, DeploymentDirectory, DeploymentRoot, InstructionFiles,
};
pub use listing::{GroupListing, ListedDeployment, list_group, list_groups};
pub use meter::{DiskUsage, DiskUsageMeter, Pace};
pub use pointer::{PointerError, read_pointer, write_pointer};
pub use removal::{set_deployment_aside, set_parts_aside};
pub use retention::{RetentionError, Surplus, remove_old_deployments, surplus};
pub use usage::{Usage, usage};
