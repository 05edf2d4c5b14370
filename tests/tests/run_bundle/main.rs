//! `agent run-bundle` as its users run it.

#![expect(clippy::unwrap_used, reason = "a failure fails the test")]

mod bad_input;
mod bundle_types;
mod concurrency;
mod example;
mod file_exists;
mod github;
mod hooks;
mod install;
mod interrupt;
mod lifecycle;
mod output;
mod permissions;
mod records;
mod retention;
mod runas;
mod s3;
mod usage;
