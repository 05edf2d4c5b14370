//! Faults on demand.

use std::time::Duration;

use serde_json::json;

use super::Operation;
use super::answer::Answer;
use crate::fakes::server::{Reply, Script};

/// What goes wrong. The first group takes effect instead of the call, the second after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// HTTP 429, `ThrottlingException`.
    Throttled,
    /// HTTP 400, and only the message says `Rate exceeded`.
    ThrottledInText,
    /// HTTP 500, `ServerException`.
    ServerError,
    /// HTTP 503 from something in between, which speaks HTML.
    Unavailable,
    /// HTTP 400, `ClientException` with this message.
    ClientException(String),
    /// HTTP 400, `ExpiredTokenException`.
    ExpiredToken,
    /// HTTP 403, `AccessDeniedException`.
    AccessDenied,
    /// Any other error.
    Error {
        /// HTTP status.
        status: u16,
        /// `__type`
        kind: String,
        /// `message`
        message: String,
    },
    /// The connection is closed before the call.
    Dropped,
    /// Nothing is ever answered.
    Stalled,
    /// HTTP 307 to this URL.
    Redirect(String),

    /// The call takes effect, and the connection is closed without an answer.
    DroppedAfter,
    /// The answer's body comes after this time.
    SlowBody(Duration),
    /// The answer's last byte is missing.
    Truncated,
    /// HTTP 200 with a body that is no JSON.
    Garbage,
    /// HTTP 200 with 64 MiB of blanks.
    Enormous,
    /// HTTP 200 with the right body, called HTML.
    WrongContentType,
    /// HTTP 200 without a body.
    Empty,
}

/// Which calls of an operation a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The n-th call of the operation since the service started, counted from 1. Calls that are
    /// refused (a wrong signature, a violation) do not count.
    Call(u64),
    /// The next n calls.
    Next(u64),
    /// Every one from now on, until [`heal`](super::FakeCommandService::heal).
    Always,
    /// The next n calls for one command, by its `HostCommandIdentifier`.
    ForCommand(String, u64),
}

/// A fault that waits for its call.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) operation: Operation,
    pub(super) when: When,
    pub(super) fault: Fault,
}

impl Planned {
    /// Whether it is for this call, the `number`-th of its operation; used up when it is.
    pub(super) fn strikes(&mut self, operation: Operation, number: u64, command: &str) -> bool {
        if operation != self.operation {
            return false;
        }
        match &mut self.when {
            When::Call(wanted) => *wanted == number,
            When::Next(left) => take_one(left),
            When::Always => true,
            When::ForCommand(wanted, left) => wanted == command && take_one(left),
        }
    }
}

fn take_one(left: &mut u64) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

impl Fault {
    /// Whether the call takes effect all the same. A command is never handed out in an answer that
    /// cannot be understood.
    pub(super) fn comes_after(&self, operation: Operation) -> bool {
        match self {
            Self::SlowBody(_) | Self::DroppedAfter | Self::WrongContentType => true,
            Self::Truncated | Self::Garbage | Self::Enormous | Self::Empty => {
                operation != Operation::Poll
            }
            _ => false,
        }
    }

    /// The reply, given what the answer would have been.
    pub(super) async fn reply(self, answer: Answer) -> Reply {
        let body = answer.text();
        let error =
            |status, kind: &str, message: &str| Answer::error(status, kind, message).reply();
        match self {
            Self::Throttled => error(429, "ThrottlingException", "slow down"),
            Self::ThrottledInText => error(400, "ClientException", "Rate exceeded for the host"),
            Self::ServerError => error(500, "com.amazon.codedeploy#ServerException", "it is us"),
            Self::Unavailable => Reply::new(
                503,
                "text/html",
                Script::whole("<html>Service Unavailable</html>"),
            ),
            Self::ClientException(message) => {
                error(400, "com.amazon.codedeploy#ClientException", &message)
            }
            Self::ExpiredToken => error(400, "ExpiredTokenException", "the token has expired"),
            Self::AccessDenied => error(403, "AccessDeniedException", "not authorized"),
            Self::Error {
                status,
                kind,
                message,
            } => error(status, &kind, &message),
            Self::Dropped | Self::DroppedAfter => Reply::HangUp,
            Self::Stalled => std::future::pending().await,
            Self::Redirect(to) => {
                let reply = Answer::new(307, json!({})).reply();
                reply.with("location", &to)
            }
            Self::SlowBody(time) => Answer::reply_with(answer.status, Script::late(body, time)),
            Self::Truncated => Answer::reply_with(200, Script::truncated(body)),
            Self::Garbage => Answer::reply_with(200, Script::whole(&b"\xff{\"HostCommand\":"[..])),
            Self::Enormous => Answer::reply_with(200, Script::enormous(1024)),
            Self::WrongContentType => Reply::new(200, "text/html", Script::whole(body)),
            Self::Empty => Answer::reply_with(200, Script::whole("")),
        }
    }
}
