//! Deployments in words.

use crate::cli::terminal::{Colour, one_line};
use crate::history::{DeploymentResult, PastDeployment};

/// What a deployment came to, in a few words, and the colour of such an end.
pub(super) fn result(past: &PastDeployment) -> (String, Colour) {
    let in_event = |word: &str, event: &Option<String>| match event {
        Some(event) => format!("{word} in {}", one_line(event)),
        None => word.to_owned(),
    };
    match &past.result {
        DeploymentResult::Succeeded => ("succeeded".to_owned(), Colour::Green),
        DeploymentResult::Failed { event, code, .. } => {
            let code = code.map(|code| format!(" (code {})", code.number()));
            let words = format!("failed in {}{}", one_line(event), code.unwrap_or_default());
            (words, Colour::Red)
        }
        DeploymentResult::Running { event } => (in_event("running", event), Colour::Yellow),
        DeploymentResult::Cancelled => ("cancelled".to_owned(), Colour::Yellow),
        DeploymentResult::Killed { event } => (in_event("killed", event), Colour::Red),
        DeploymentResult::Unknown => ("unknown".to_owned(), Colour::Dim),
    }
}

/// The same with all that is known about it.
pub(in crate::cli) fn whole_result(past: &PastDeployment) -> (String, Colour) {
    let (words, colour) = result(past);
    let more = match &past.result {
        DeploymentResult::Failed { message, .. } => {
            let message = one_line(message);
            match message.trim() {
                "" => None,
                message => Some(message.to_owned()),
            }
        }
        DeploymentResult::Killed { .. } => {
            Some("its process was killed, or the host went down".to_owned())
        }
        DeploymentResult::Unknown if past.events.is_empty() => {
            Some("only its directory is known".to_owned())
        }
        DeploymentResult::Unknown => Some("the service sent no more commands for it".to_owned()),
        _ => None,
    };
    match more {
        Some(more) => (format!("{words}: {more}"), colour),
        None => (words, colour),
    }
}

/// The revision, as far as it is known.
pub(in crate::cli) fn revision(past: &PastDeployment) -> String {
    one_line(past.revision.as_deref().unwrap_or("-"))
}
