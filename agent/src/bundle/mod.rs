//! Bringing a revision to the host: fetching the bundle, and unpacking it.
//!
//! Invariants: a bundle gets its name only when all of it has arrived and it is the object that
//! the revision names; an archive gets its name only when all of the bundle is unpacked; and
//! nothing that a bundle holds is made outside of its archive. A bundle is untrusted input to a
//! process that may be root.

mod ahead;
mod bring;
mod checksum;
mod content;
mod decompress;
mod directory;
mod entry_path;
mod fetch;
mod fetch_error;
mod format;
mod github;
mod growing;
mod http;
mod inflate;
mod limits;
mod listing;
mod local;
mod network;
mod parts;
mod pax;
mod record;
mod replace;
mod s3;
mod s3_client;
mod s3_error;
mod s3_transfer;
mod s3_whole;
mod settings;
mod space;
mod sparse;
mod store;
mod tar;
mod tar_entry;
mod tar_header;
mod tree;
mod unpack;
mod unpack_error;
mod window;
mod zip;

#[cfg(test)]
mod tests;

pub use bring::{BringError, Destination, bring, give_up, make_durable};
pub use directory::{copy_archive, copy_directory, examine_directory};
pub use fetch::{Fetched, Sources};
pub use fetch_error::{FetchError, GitHubRefusal, S3Refusal};
pub use format::Format;
pub use limits::{Limits, UnpackOptions, Unpacked};
pub use listing::{Listed, ListedKind, list, type_of};
pub use network::{Cause, NetworkProblem};
pub use settings::{Credentials, Imds, SourceSettings, Timing};
pub use space::free_space;
pub use unpack_error::{EntryName, UnpackError};
