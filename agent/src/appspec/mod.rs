//! AppSpec files: bytes to a typed [`AppSpec`], pure.
//!
//! Nothing here reads or writes a file. Whatever the bytes are, the answer is an AppSpec whose
//! every value has been checked, or all the problems of the file at once, each with its place.
//! The YAML layer and [`Problems`] know nothing of the EC2 rules, so that other AppSpecs can be
//! checked with them.

pub(crate) mod findings;
mod model;
mod parse;
mod places;
mod problem;
mod render;
pub(crate) mod suggest;
pub(crate) mod text_path;
pub(crate) mod yaml;

pub use model::{
    AclEntry, AclTag, AppSpec, EventHooks, FileMapping, Mode, Pattern, Permission, Script,
    SelinuxContext,
};
pub use parse::{MAX_BYTES, Parsed, parse, parse_scripts};
pub(crate) use parse::{read, shapes, too_large, version};
pub(crate) use places::Places;
pub use problem::{Problem, Problems, Severity, Span};
pub(crate) use problem::{printable, quoted, unprintable};
pub(crate) use render::SECRET;
#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod round_trip_tests;
