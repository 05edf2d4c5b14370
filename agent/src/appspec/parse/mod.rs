//! The rules of an AppSpec (contract: appspec), one section a file.

mod acl;
mod document;
mod files;
mod hooks;
mod mode;
mod paths;
mod permissions;
mod section;
mod selinux;

pub use document::{MAX_BYTES, Parsed, parse};
