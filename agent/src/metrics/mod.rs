//! What the agent counts, and how it is written for Prometheus. Pure: data, and rendering; the
//! daemon feeds it and hands the text out.
//!
//! Invariants: every label has few values, all known beforehand and there from the beginning (with
//! 0), so that the first failure is an increase; no identifier of a host, deployment, group or
//! command is among them, and no secret can be, because no text from outside gets in. Counting is a
//! few additions under a lock that nobody holds for longer.
//!
//! ```text
//! daemon --what happened--> Metrics (a handle) --Numbers--> page(Numbers, Host) --> text
//! ```

mod catalogue;
mod counts;
mod deployments;
mod handle;
mod histogram;
mod labels;
mod numbers;
mod page;
#[cfg(test)]
mod tests;
mod text;

pub use deployments::EventEnd;
pub use handle::{Gauge, InProgress, Metrics};
pub use labels::{CallOutcome, EventName, EventResult, HookResult};
pub use page::{Disk, Moment, is_whole, page};
