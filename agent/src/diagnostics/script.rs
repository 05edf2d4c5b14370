//! From a script's outcome to diagnostics: the one place where outcomes become codes.

use hooks_runner::{Outcome, ScriptResult};

use super::{Code, Diagnostics};
use crate::appspec::Script;

/// What the end of `script` means for its event. `log` is asked for only when it failed.
///
/// # Errors
/// The diagnostics of the failure, when it failed.
pub fn from_outcome(
    script: &Script,
    outcome: &Outcome,
    log: impl FnOnce() -> String,
) -> Result<(), Diagnostics> {
    let location = &script.location;
    let (code, what) = match &outcome.result {
        ScriptResult::Succeeded => return Ok(()),
        ScriptResult::Missing => (
            Code::ScriptMissing,
            "does not exist in the revision; check the location in the AppSpec, also upper and \
             lower case"
                .to_owned(),
        ),
        ScriptResult::NotExecutable { reason } => {
            (Code::ScriptNotExecutable, format!("cannot be made executable: {reason}"))
        }
        ScriptResult::CouldNotStart { reason } => {
            (Code::ScriptFailed, format!("could not be started: {reason}"))
        }
        ScriptResult::Failed { exit_code } => {
            (Code::ScriptFailed, format!("failed with exit code {exit_code}"))
        }
        ScriptResult::Killed { signal } => (Code::ScriptFailed, format!("was killed by {signal}")),
        ScriptResult::TimedOut { seconds } => (
            Code::ScriptTimedOut,
            format!(
                "timed out after {seconds} seconds and was ended with all that it had started; \
                 raise its timeout in the AppSpec if it needs longer"
            ),
        ),
        ScriptResult::OutputLeftOpen { seconds, streams, holders, all_visible } => (
            Code::OutputLeftOpen,
            left_open(*seconds, streams, holders, *all_visible),
        ),
        ScriptResult::HostShutdown => {
            (Code::AgentRestarted, "was stopped because the host went down".to_owned())
        }
        ScriptResult::Cancelled => (Code::ScriptFailed, "was ended by the operator".to_owned()),
        ScriptResult::RunnerFailed { message } => {
            (Code::Other, format!("could not be run: {message}"))
        }
    };
    let user = script.runas.as_ref().map(|user| format!(" (as {user})")).unwrap_or_default();
    // The host's shutdown is not this script's failure: the contract leaves its name out.
    let name = if code == Code::AgentRestarted { "" } else { location };
    Err(Diagnostics::new(code, name, &format!("{location}{user} {what}"), &log()))
}
