//! What a deployment is: the typed form of a deployment specification.
//!
//! Everything here is plain data that has been checked once; ids become path segments, so a
//! value of these types is safe to join to a directory.

mod id;
mod revision;
mod spec;

pub use id::{DeploymentGroupId, DeploymentId, InvalidId};
pub use revision::{BundleType, GitHubToken, Revision};
pub use spec::{DeploymentCreator, DeploymentSpec, DeploymentType, FileExistsBehavior};
