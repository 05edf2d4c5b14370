//! Deployments for programs. The keys are documented in `docs/history.md` and stay as they are;
//! what is not known is null.

use serde_json::{Value, json};

use super::event;
use crate::cli::times::{milliseconds, rfc3339};
use crate::diagnostics::Code;
use crate::history::{DeploymentResult, PastDeployment, PastEvent, Requester};
use crate::journal::Settlement;

/// A deployment without its events.
pub(in crate::cli) fn summary(past: &PastDeployment) -> Value {
    let (at, code, message) = match &past.result {
        DeploymentResult::Failed {
            event,
            code,
            message,
        } => (Some(event), *code, Some(message)),
        DeploymentResult::Running { event } | DeploymentResult::Killed { event } => {
            (event.as_ref(), None, None)
        }
        DeploymentResult::Succeeded | DeploymentResult::Cancelled | DeploymentResult::Unknown => {
            (None, None, None)
        }
    };
    let held = past.held.as_ref();
    json!({
        "id": past.id.as_str(),
        "group_id": past.group_id.as_ref().map(ToString::to_string),
        "group_name": past.group_name,
        "application": past.application,
        "revision": past.revision,
        "requester": match past.requester {
            Requester::Service => "service",
            Requester::Local => "local",
        },
        "began": rfc3339(past.began),
        "ended": past.ended.and_then(rfc3339),
        "result": past.result.word(),
        "event": at,
        "code": code.map(Code::number),
        "message": message,
        "directory": held.map(|held| held.directory.display().to_string()),
        "has_archive": held.is_some_and(|held| held.has_archive),
        "most_recent": past.is_most_recent,
        "last_successful": past.is_last_successful,
    })
}

/// A deployment with its events, and what its log ends with.
pub(super) fn whole(past: &PastDeployment, log: &[String]) -> Value {
    let mut whole = summary(past);
    let events = past.events.iter().map(|event| of_event(past, event));
    whole["events"] = events.collect();
    whole["log"] = log.into();
    whole
}

/// An event of a deployment.
pub(super) fn of_event(past: &PastDeployment, event: &PastEvent) -> Value {
    json!({
        "name": event.name,
        "began": rfc3339(event.began),
        "ended": event.ended.and_then(rfc3339),
        "duration_ms": event.duration().map(milliseconds),
        "result": event::result(past, event),
        "code": event.code.map(Code::number),
        "message": event.message,
        "settlement": event.settlement.map(|settlement| match settlement {
            Settlement::Accepted => "accepted",
            Settlement::Refused => "refused",
            Settlement::GivenUp => "given_up",
            Settlement::OverAlready => "over_already",
        }),
    })
}
