//! What the journal holds about a command.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::deployment::DeploymentSpec;
use crate::lifecycle::State;

/// A command as it was taken from the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenCommand {
    /// The service's identifier of the command on this host.
    pub host_command_identifier: String,
    /// The host that it was taken for. Absent in what earlier versions wrote; they pass it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_identifier: Option<String>,
    /// The service's identifier of the deployment's execution, with which the specification is
    /// asked for.
    pub deployment_execution_id: String,
    /// The command's name.
    pub command_name: String,
    /// The deployment's specification, without the GitHub token; none when it could not be had.
    pub spec: Option<DeploymentSpec>,
    /// Names the directories of the command's runs of scripts.
    pub run_key: String,
}

/// A command that was at work, or whose result had not been settled, when the journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The command. When the record of its taking was damaged and its result is known all the
    /// same, only the identifier is there and the rest is empty.
    pub taken: TakenCommand,
    /// How far it had come.
    pub state: State,
    /// Of the boot during which it came there.
    pub boot_id: String,
    /// When it came there.
    pub since: SystemTime,
    /// A try to report the result was made whose answer never came.
    pub may_have_been_accepted: bool,
}

/// How a command was disposed of with the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The service has accepted the result.
    Accepted,
    /// The service has refused the result for good.
    Refused,
    /// The result could not be delivered for so long that nobody waits for it any more, or it was
    /// another host's.
    GivenUp,
    /// The service held the command for finished before anything was run.
    OverAlready,
}
