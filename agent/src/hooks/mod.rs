//! From an event and its AppSpec to what the hooks-runner is asked to do.
//!
//! Pure: the environment and the request are worked out here; the executor hands them over.

mod environment;
mod profile;
mod profile_only;
mod request;

pub use environment::{EnvironmentRules, deployment_variables, hook_environment};
pub use profile::{HookBase, ProfileError, profile_environment};
pub use profile_only::ProfileOnly;
pub use request::{HookSettings, request};
