//! Install: the revision's files take their places, all of them or none (contract: install).
//!
//! What a killed Install left is recovered first ([`recover`]). Then a [`plan`] is made, as pure
//! data, with everything that stands against it. Then: *stage* (complete copies in our own 0700
//! directories on each volume), *journal* (how each change is undone, on the disk),
//! *commit* (renames only, records included, up to one commit record), and what was replaced goes.
//!
//! Invariants: nothing is touched before a plan without problems; a path in both revisions is
//! whole at every instant, old or new; after a failure, or after a crash and the next start, the
//! set and its records are the old or the new revision's (`journal` tells why); before the first
//! rename `-cleanup` lists old and new together. No path that others can write to is ever resolved
//! by the kernel in one go: directories are opened step by step and no link is followed that others
//! could have planted, because we are root on other people's hosts.

mod acl;
mod apply;
mod attributes;
mod cleanup;
mod commit;
mod compare;
mod descriptors;
mod entry;
mod error;
mod instructions;
mod journal;
mod left_areas;
mod metadata;
pub(crate) mod pattern;
mod permissions;
mod place;
mod plan;
mod planner;
mod preview;
mod previous;
mod problem;
mod records;
mod recover;
mod request;
mod room;
mod selinux;
mod sources;
mod stage;
mod staging;
mod survey;
#[cfg(test)]
mod tests;
mod tree;
mod undo;
mod workers;

pub use apply::{Installed, install};
pub use error::{InstallError, PlanError, Problems, StepError};
pub use journal::JournalError;
pub use left_areas::left_areas;
pub use metadata::DirectoryState;
pub use plan::{Action, Existing, Plan, PlannedObject};
pub use planner::plan;
pub use preview::{Change, ObjectKind, Preview, PreviewedObject, Properties, preview};
pub use problem::Problem;
pub use recover::{Outcome, Recovered, recover, recover_all, unfinished};
pub use request::{InstallOptions, InstallRequest, SelinuxTools, SourceForm};
pub use room::Room;
