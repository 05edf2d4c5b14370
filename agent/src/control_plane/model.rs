//! What goes over the wire, as plain data.

use std::fmt;

/// A command that the service has for this host. Everything is as received: whose command it is,
/// and whether its name is empty, is for the caller to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostCommand {
    /// The host that the command is for.
    pub host_identifier: String,
    /// Names the command in the calls about it.
    pub host_command_identifier: String,
    /// Names its deployment.
    pub deployment_execution_id: String,
    /// What to do: a lifecycle event, `DownloadBundle`, `Install`.
    pub command_name: String,
    /// A number of the service's own.
    pub nonce: Option<i64>,
}

/// A payload and the name of its format. `Debug` hides the payload: a specification may carry a
/// GitHub token, diagnostics carry the output of scripts.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Such as `PKCS7/JSON` or `JSON`.
    pub format: String,
    /// In that format.
    pub payload: String,
}

impl Envelope {
    /// Diagnostics as every operation takes them.
    #[must_use]
    pub fn json(payload: String) -> Self {
        Self {
            format: "JSON".to_owned(),
            payload,
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("format", &self.format)
            .field("payload", &format_args!("({} bytes)", self.payload.len()))
            .finish()
    }
}

/// The answer to `GetDeploymentSpecification`, as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecificationReply {
    /// `CodeDeploy`; the caller checks it.
    pub deployment_system: String,
    /// The specification.
    pub generic_envelope: Option<Envelope>,
    /// Not used by any agent so far.
    pub variant_id: Option<String>,
    /// Not used by any agent so far.
    pub variant_envelope: Option<Envelope>,
}

/// How far the service thinks that a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandStatus {
    /// Not begun.
    Pending,
    /// Begun.
    InProgress,
    /// Over, and well.
    Succeeded,
    /// Over.
    Failed,
    /// A word that this agent does not know.
    Other(String),
}

impl CommandStatus {
    pub(super) fn from_word(word: String) -> Self {
        match word.as_str() {
            "Pending" => Self::Pending,
            "InProgress" => Self::InProgress,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            _ => Self::Other(word),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionStatus {
    /// Well.
    Succeeded,
    /// Not well.
    Failed,
}

impl CompletionStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// The answer to `PutHostCommandAcknowledgement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgementReply {
    /// None when the service does not say.
    pub command_status: Option<CommandStatus>,
}

/// The answer to `PostHostCommandUpdate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateReply {
    /// None when the service does not say.
    pub command_status: Option<CommandStatus>,
}
