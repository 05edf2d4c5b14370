//! An event in words.

use super::words;
use crate::cli::terminal::{Colour, one_line};
use crate::cli::times;
use crate::history::{DeploymentResult, PastDeployment, PastEvent};
use crate::journal::Settlement;

/// How an event of a deployment ended, in one word for programs.
pub(super) fn result(past: &PastDeployment, event: &PastEvent) -> &'static str {
    match (event.ended, event.code) {
        (None, _) if matches!(past.result, DeploymentResult::Running { .. }) => "running",
        (None, _) if matches!(past.result, DeploymentResult::Killed { .. }) => "killed",
        (Some(_), Some(_)) if event.is_noop() => "noop",
        (Some(_), Some(_)) if event.is_failure() && is_the_cancelled_one(past, event) => {
            "cancelled"
        }
        (Some(_), Some(_)) if event.is_failure() => "failed",
        (Some(_), Some(_)) => "succeeded",
        _ => "unknown",
    }
}

fn is_the_cancelled_one(past: &PastDeployment, event: &PastEvent) -> bool {
    past.result == DeploymentResult::Cancelled && past.events.last() == Some(event)
}

/// The same for people, with a mark and its colour.
pub(super) fn words(past: &PastDeployment, event: &PastEvent) -> (&'static str, String, Colour) {
    let code = event.code.map_or(0, crate::diagnostics::Code::number);
    let (mark, words, colour) = match result(past, event) {
        "running" => ("▸", "running".to_owned(), Colour::Yellow),
        "killed" => ("✗", "killed".to_owned(), Colour::Red),
        "noop" => ("·", "nothing to run".to_owned(), Colour::Dim),
        "cancelled" => ("■", "cancelled".to_owned(), Colour::Yellow),
        "failed" => ("✗", format!("failed (code {code})"), Colour::Red),
        "succeeded" => ("✓", "succeeded".to_owned(), Colour::Green),
        _ => ("?", "unknown".to_owned(), Colour::Dim),
    };
    let settled = match event.settlement {
        Some(Settlement::Refused) => "; the service refused the result",
        Some(Settlement::GivenUp) => "; the result never reached the service",
        Some(Settlement::OverAlready) => "; over for the service before it began here",
        Some(Settlement::Accepted) | None => "",
    };
    (mark, format!("{words}{settled}"), colour)
}

/// How long it took; `-` while it has not ended.
pub(super) fn duration(event: &PastEvent) -> String {
    event
        .duration()
        .map_or_else(|| "-".to_owned(), times::duration)
}

/// The event as one line of a deployment that is followed.
pub(super) fn line(past: &PastDeployment, event: &PastEvent) -> String {
    let name = one_line(&event.name);
    let (_, words, _) = words(past, event);
    match result(past, event) {
        "noop" => format!("{name}: {words}"),
        "failed" => {
            let message = one_line(&event.message);
            format!("{name}: {words} after {}: {message}", duration(event))
        }
        _ => format!("{name}: {words} in {}", duration(event)),
    }
}

/// The last line of a deployment that was followed.
pub(super) fn last_line(past: &PastDeployment) -> String {
    let (words, _) = words::whole_result(past);
    format!("Deployment {} {words}", past.id)
}
