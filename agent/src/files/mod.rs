//! Small file primitives that several modules need: whole-file replacement, files of records,
//! files that grow, locks between processes, making directories, opening those that others could
//! have tampered with, removing whole ones, and copying of file contents.

mod atomic;
pub(crate) mod checked_line;
mod copy;
pub mod directory;
mod follow;
mod header;
mod lock;
mod new_directory;
mod published;
mod removal;
pub(crate) mod small_file;
mod state_file;
mod umask;

pub use atomic::{write_atomically, write_for_this_boot};
pub use copy::{copy_contents, copy_end_first};
pub(crate) use follow::{FileFollower, PIECE, open_regular};
pub(crate) use header::Header;
pub use lock::{Lock, LockError};
pub use new_directory::make_directory;
pub use published::{PublishError, publish};
pub use removal::remove_tree;
pub(crate) use state_file::{Found, open_state_file, read_state_file};
pub use umask::umask;
