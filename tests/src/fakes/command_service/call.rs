//! One call in the transcript.

use std::fmt;
use std::time::Instant;

use serde_json::Value;

/// The operations of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `PollHostCommand`
    Poll,
    /// `GetDeploymentSpecification`
    Specification,
    /// `PutHostCommandAcknowledgement`
    Acknowledge,
    /// `PutHostCommandComplete`
    Complete,
    /// `PostHostCommandUpdate`
    Update,
}

impl Operation {
    /// The operation of an `X-Amz-Target`, and whether the target is the one for signed policies.
    pub(super) fn of_target(target: &str) -> Option<(Self, bool)> {
        let (prefix, name) = target.split_once('.')?;
        let secure = match prefix {
            "CodeDeployCommandService_v20141006" => false,
            "CodeDeployCommandService" => true,
            _ => return None,
        };
        let all = [
            Self::Poll,
            Self::Specification,
            Self::Acknowledge,
            Self::Complete,
            Self::Update,
        ];
        let operation = all
            .into_iter()
            .find(|operation| operation.to_string() == name)?;
        Some((operation, secure))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poll => "PollHostCommand",
            Self::Specification => "GetDeploymentSpecification",
            Self::Acknowledge => "PutHostCommandAcknowledgement",
            Self::Complete => "PutHostCommandComplete",
            Self::Update => "PostHostCommandUpdate",
        })
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Not yet.
    Open,
    /// With this status.
    Answered(u16),
    /// The service closed the connection without an answer.
    HungUp,
    /// The client went away before there was an answer.
    Abandoned,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// What was called. None for what the service does not have.
    pub operation: Option<Operation>,
    /// `X-Amz-Target` as it came.
    pub target: String,
    /// The body; null when it is not JSON.
    pub body: Value,
    /// All headers but the signature, by their lower-case names.
    pub headers: Vec<(String, String)>,
    /// The public part of the key that has signed.
    pub access_key: String,
    /// When it came.
    pub at: Instant,
    /// How it ended.
    pub ending: Ending,
    /// What was answered; null when that is not JSON.
    pub response: Value,
}

impl Call {
    /// A member of the body as text; empty when absent.
    #[must_use]
    pub fn text(&self, member: &str) -> &str {
        self.body
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A header; empty when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether it was answered with success.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ending == Ending::Answered(200)
    }

    /// The diagnostics of a completion, as the console would show them.
    #[must_use]
    pub fn diagnostics(&self) -> Value {
        let payload = self
            .body
            .pointer("/Diagnostics/Payload")
            .and_then(Value::as_str);
        payload
            .and_then(|payload| serde_json::from_str(payload).ok())
            .unwrap_or_default()
    }
}

/// One line: what was called, how it ended, and what matters about it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self
            .operation
            .map_or_else(|| self.target.clone(), |known| known.to_string());
        write!(f, "{operation:<30} {:?}", self.ending)?;
        match self.operation {
            Some(Operation::Poll) => {
                let command = &self.response["HostCommand"]["CommandName"];
                write!(f, " {}", command.as_str().unwrap_or("nothing"))
            }
            Some(Operation::Acknowledge) => write!(f, " {}", self.body["Diagnostics"]["Payload"]),
            Some(Operation::Complete) => {
                let diagnostics = self.diagnostics();
                write!(
                    f,
                    " {} {} {}: {}",
                    self.text("HostCommandIdentifier"),
                    self.text("CommandStatus"),
                    diagnostics["error_code"],
                    diagnostics["message"].as_str().unwrap_or_default()
                )
            }
            _ => Ok(()),
        }
    }
}
