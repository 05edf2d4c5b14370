//! What this host has deployed, from all that is on its disk: the journal of the service's commands,
//! the record of local deployments, and the directories and pointers that AWS's agents leave, too.
//!
//! Invariants: [`History::read`] changes nothing, follows no link and always ends; what is damaged
//! takes nothing else with it and is among the complaints. What is not known is said to be unknown,
//! never guessed.
//!
//! ```text
//! <root>/commands.journal                           the service's commands        -> service
//! <root>/local-deployments.history                  what `agent run-bundle` did   -> local
//! <root>/<group id>/<deployment id>/                what is still on the host     -> directories
//! <root>/deployment-instructions/<group id>_...     most recent, last successful  -> directories
//! ```

mod deployment;
mod directories;
mod error;
mod local;
mod lookup;
mod reading;
mod service;
#[cfg(test)]
mod tests;

pub use deployment::{DeploymentResult, Held, PastDeployment, PastEvent, Requester};
pub use error::HistoryError;
pub use local::{LocalEnding, LocalRecordError, LocalRecorder};
pub use lookup::Lookup;
pub use reading::History;
