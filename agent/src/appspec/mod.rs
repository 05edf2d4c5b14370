//! AppSpec files: bytes to a typed [`AppSpec`], pure.
//!
//! Nothing here reads or writes a file. Whatever the bytes are, the answer is an AppSpec whose
//! every value has been checked, or all the problems of the file at once, each with its place.

mod model;
mod problem;
mod text_path;
mod yaml;

pub use model::{
    AclEntry, AclTag, AppSpec, EventHooks, FileMapping, Mode, Pattern, Permission, Script,
    SelinuxContext,
};
pub use problem::{Problem, Problems, Severity, Span};
#[expect(unused_imports, reason = "temporary")]
pub(crate) use text_path::{resolve, resolve_within};
