//! Install: the revision's files take their places, all of them or none (contract: install).
//!
//! A [`plan`] is made first, as pure data, with everything that stands against it. Then four
//! phases: *stage* (complete copies in our own 0700 directories on each destination's mount),
//! *commit* (renames only), *remove* what the last revision left, *finish* (the records).
//!
//! Invariants: nothing is touched before a plan without problems; a path in both revisions is
//! whole at every instant, old or new; before the first rename `-cleanup` lists old and new
//! together; every step has its inverse, and a failure undoes all steps. No path that others can
//! write to is ever resolved by the kernel in one go: directories are opened step by step and no
//! link is followed that others could have planted, because we are root on other people's hosts.

mod acl;
mod apply;
mod cleanup;
mod commit;
mod descriptors;
mod error;
mod instructions;
mod metadata;
pub(crate) mod pattern;
mod permissions;
mod place;
mod plan;
mod planner;
mod previous;
mod problem;
mod records;
mod request;
mod selinux;
mod sources;
mod stage;
mod staging;
mod survey;
#[cfg(test)]
mod tests;
mod tree;

pub use apply::{Installed, install};
pub use error::{InstallError, PlanError, Problems, StepError};
pub use metadata::DirectoryState;
pub use plan::{Action, Existing, Plan, PlannedObject};
pub use planner::plan;
pub use problem::Problem;
pub use request::{InstallOptions, InstallRequest, SelinuxTools};
