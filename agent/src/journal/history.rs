//! The journal as people look at it: what this host has done lately.

use std::path::Path;
use std::time::SystemTime;

use super::entry::Settlement;
use super::error::JournalError;
use super::ledger::Live;
use super::milliseconds::time;
use super::reading;
use super::record::Closed;
use crate::deployment::DeploymentType;
use crate::diagnostics::Code;
use crate::files::{Found, read_state_file};
use crate::lifecycle::State;

/// A command that is or was on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCommand {
    /// The service's identifier of the command on this host.
    pub host_command_identifier: String,
    /// The command's name; empty when its record was damaged.
    pub command_name: String,
    /// The deployment's id, when its specification could be had; so the next five.
    pub deployment_id: Option<String>,
    /// The deployment group's id. Agents before this one did not keep it of what is over.
    pub deployment_group_id: Option<String>,
    /// In place or blue/green; kept since the group's id is.
    pub deployment_type: Option<DeploymentType>,
    /// The deployment group's name.
    pub deployment_group_name: Option<String>,
    /// The application's name.
    pub application_name: Option<String>,
    /// What was deployed, in words.
    pub revision: Option<String>,
    /// When it was taken.
    pub began: SystemTime,
    /// When its result was known (while that is on its way to the service) or settled; none while
    /// it is at work.
    pub ended: Option<SystemTime>,
    /// The code of its result; none when it has none yet, or was never run.
    pub code: Option<Code>,
    /// The message of its result, its beginning.
    pub message: String,
    /// What became of it with the service; none while that is open.
    pub settlement: Option<Settlement>,
    /// There was nothing to run, and the service was told so instead of a result. Kept since the
    /// group's id is.
    pub noop: bool,
}

/// The commands in the journal at `path`, oldest first: the newest 512 that are settled, then
/// those that are not. None when there is no journal. Reads only, also while an agent writes.
///
/// # Errors
/// When there is something that cannot be read as a journal.
pub fn read_history(path: &Path) -> Result<Vec<PastCommand>, JournalError> {
    let unusable = |reason| JournalError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let found = read_state_file(path, false).map_err(|source| JournalError::Open {
        path: path.to_owned(),
        source,
    })?;
    let content = match found {
        Found::Nothing => return Ok(Vec::new()),
        Found::Denied => {
            return Err(JournalError::Denied {
                path: path.to_owned(),
            });
        }
        Found::Unusable(reason) => return Err(unusable(reason)),
        Found::Ours((_, content)) => content,
    };
    let ledger = reading::read(path, &content).map_err(unusable)?.ledger;
    let closed = ledger.closed().iter().map(of_closed);
    Ok(closed.chain(ledger.live().iter().map(of_live)).collect())
}

fn of_closed(closed: &Closed) -> PastCommand {
    let closed = closed.clone();
    PastCommand {
        host_command_identifier: closed.command,
        command_name: closed.name,
        deployment_id: closed.deployment,
        deployment_group_id: closed.group_id,
        deployment_type: closed.deployment_type,
        deployment_group_name: closed.group,
        application_name: closed.application,
        revision: closed.revision,
        began: time(closed.began),
        ended: Some(time(closed.ended)),
        code: closed.code,
        message: closed.message,
        settlement: Some(closed.settlement),
        noop: closed.noop,
    }
}

fn of_live(live: &Live) -> PastCommand {
    // As it would be kept if it were settled, which it is not.
    let as_closed = of_closed(&live.closed(live.since, Settlement::Accepted));
    PastCommand {
        ended: match live.state {
            State::Finished(_) | State::Done => Some(time(live.since)),
            _ => None,
        },
        settlement: None,
        ..as_closed
    }
}
