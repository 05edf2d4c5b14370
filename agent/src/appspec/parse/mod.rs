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

pub use document::{MAX_BYTES, Parsed, parse, parse_scripts};
pub(crate) use document::{read, too_large, version};

/// The shapes of an EC2 AppSpec's mappings, from which its schema is made.
pub(crate) mod shapes {
    pub(crate) use super::document::TOP;
    pub(crate) use super::files::ENTRY as FILE;
    pub(crate) use super::hooks::SCRIPT;
    pub(crate) use super::permissions::RULE as PERMISSION;
    pub(crate) use super::selinux::CONTEXT;
}
