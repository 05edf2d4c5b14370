//! The record of local deployments: which `agent run-bundle` has made, or is making.
//!
//! Invariants: each line is a record with a checksum, so a damaged one takes no other with it; a
//! record is appended in one write, under a lock, because several deployments may run at once; the
//! file is bounded. Nothing but people and what is shown to them relies on it: a deployment goes on
//! when it cannot be written, and nothing is synced, because a deployment that the host's going down
//! has cut off is told by its directory all the same. No secret is in the file.
//!
//! ```text
//! <root>/local-deployments.history      one line a record: <CRC-32 of the JSON> <JSON>
//!     header                            what this file is, and its format
//!     began, event_began, event_ended ..., ended
//! ```

mod appending;
mod compaction;
mod error;
mod ledger;
mod reading;
mod record;
mod recorder;

pub use error::LocalRecordError;
pub(super) use reading::read;
pub use record::LocalEnding;
pub use recorder::LocalRecorder;
