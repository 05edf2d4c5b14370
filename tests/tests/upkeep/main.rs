//! What looks after a host: `agent clean`, `agent register` and `deregister`, `agent rollback`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure fails the test"
)]

mod clean;
mod clean_beside_others;
mod clean_layouts;
mod program;
mod register;
mod rollback;
