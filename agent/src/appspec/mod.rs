//! AppSpec files: bytes to a typed [`AppSpec`], pure.

mod model;

pub use model::{
    AclEntry, AclTag, AppSpec, EventHooks, FileMapping, Mode, Pattern, Permission, Script,
    SelinuxContext,
};
