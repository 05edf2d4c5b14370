//! What the documentation shows is true: its commands are run and print what the page says, its
//! AppSpecs and configurations are checked by the program, its links lead somewhere, and the messages
//! that it explains are in the source.
//!
//! A block's first line (` ```LANGUAGE,ATTRIBUTE,... `) says what it is; `block::Block` has the list.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure fails the test"
)]

mod agent_calls;
mod block;
mod book;
mod commands;
mod comparison;
mod examples;
mod links;
mod messages;
mod page;
mod sandbox;
mod unrunnable;

/// Fails with all complaints at once.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n\n"));
}
