//! Which lifecycle events there are, in which order they run, from which revision each takes its
//! scripts, and what happens next at any point of a command.
//!
//! Everything here is pure: state and input in, action out, no I/O. The executor carries the
//! actions out and feeds their results back; after a restart it feeds in what it found on disk
//! instead. So every decision, also those that only a crash leads to, has a test of its own.

mod archive_choice;
mod command;
#[cfg(test)]
mod command_tests;
mod event;
mod local_order;
mod possible_events;

pub use archive_choice::{ArchiveChoice, archive_choice};
pub use command::{
    Acknowledgement, Action, Command, Evidence, Input, Resolution, State, Unexpected, Verdict,
};
pub use event::LifecycleEvent;
pub use local_order::{DEFAULT_LOCAL_ORDER, EventOrderError, local_order};
pub use possible_events::{ImpossibleEvents, check_possible_events};
