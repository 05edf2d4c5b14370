//! Where this agent is installed, seen from outside: the version file that AWS's users read, and
//! directories that are closed to others on request.
//!
//! Invariant: what is here only informs or tightens. A failure is a warning, never a reason not to
//! run: deployments do not need it.

mod closing;
mod version_file;

pub use closing::{close_agent_directories, close_log_directory};
pub use version_file::{VersionFileError, keep_version_file};
