//! Small file primitives that several modules need: whole-file replacement, locks between
//! processes, opening directories that others could have tampered with, and copying of file
//! contents.

mod atomic;
mod copy;
pub mod directory;
mod lock;
mod published;

pub use atomic::{write_atomically, write_for_this_boot};
pub use copy::{copy_contents, copy_end_first};
pub use lock::{Lock, LockError};
pub use published::{PublishError, publish};
