//! Small file primitives that several modules need: whole-file replacement, locks between
//! processes, and copying of file contents.

mod atomic;
mod copy;
mod lock;
mod umask;

pub use atomic::{write_atomically, write_for_this_boot};
pub use copy::{copy_contents, copy_end_first};
pub use lock::{Lock, LockError};
pub use umask::umask;
