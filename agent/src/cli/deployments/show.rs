//! `agent deployments show`.

use super::arguments::ShowDeploymentArguments;
use super::{event, json, log, timeline, words};
use crate::cli::Exit;
use crate::cli::arguments::Output;
use crate::cli::terminal::{Colour, Paint, one_line, say};
use crate::cli::times;
use crate::history::{PastDeployment, PastEvent, Requester};

/// Runs the subcommand.
pub(super) fn main(past: &PastDeployment, arguments: &ShowDeploymentArguments) -> Exit {
    let excerpt = log::excerpt(past);
    if Output::or_what_suits(arguments.output) == Output::Json {
        say(&format!("{:#}", json::whole(past, &excerpt)));
        return Exit::Success;
    }
    let paint = Paint::of_standard_output();
    let (result, colour) = words::whole_result(past);
    for (name, value) in [
        ("Deployment", past.id.to_string()),
        ("Result", paint.text(colour, &result)),
    ]
    .into_iter()
    .chain(facts(past))
    {
        say(&format!("{name:<12} {value}"));
    }
    if past.events.is_empty() {
        return Exit::Success;
    }
    say("");
    let lines = if arguments.timeline {
        timeline::lines(past, paint)
    } else {
        past.events
            .iter()
            .map(|event| line(past, event, paint))
            .collect()
    };
    for line in lines {
        say(&line);
    }
    if !excerpt.is_empty() {
        say("");
        say("Last lines of the log:");
        for line in excerpt {
            say(&format!("  {}", one_line(&line)));
        }
    }
    Exit::Success
}

/// What is known of a deployment.
fn facts(past: &PastDeployment) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let id = past.group_id.as_ref().map(ToString::to_string);
    let group = match (&past.group_name, id) {
        (Some(name), Some(id)) => Some(format!("{} ({id})", one_line(name))),
        (Some(name), None) => Some(one_line(name)),
        (None, id) => id,
    };
    facts.extend(group.map(|group| ("Group", group)));
    if let Some(application) = &past.application {
        facts.push(("Application", one_line(application)));
    }
    if past.revision.is_some() {
        facts.push(("Revision", words::revision(past)));
    }
    let requester = match past.requester {
        Requester::Service => "the CodeDeploy service",
        Requester::Local => "agent run-bundle",
    };
    facts.push(("Asked for by", requester.to_owned()));
    if past.events.is_empty() {
        facts.push(("Changed", times::local(past.began)));
    } else {
        facts.push(("Began", times::local(past.began)));
    }
    if let Some(ended) = past.ended {
        let took = ended.duration_since(past.began).unwrap_or_default();
        let ended = times::local(ended);
        facts.push((
            "Ended",
            format!("{ended} (after {})", times::duration(took)),
        ));
    }
    facts.push(("On the host", held(past)));
    if let Some(log) = log::path(past).filter(|log| log.exists()) {
        facts.push(("Script log", one_line(&log.display().to_string())));
    }
    facts
}

fn held(past: &PastDeployment) -> String {
    let Some(held) = &past.held else {
        return "nothing any more".to_owned();
    };
    let mut parts = vec![one_line(&held.directory.display().to_string())];
    if !held.has_archive {
        parts.push("without its revision".to_owned());
    }
    if past.is_most_recent {
        parts.push("the group's most recent".to_owned());
    }
    if past.is_last_successful {
        parts.push("the group's last successful".to_owned());
    }
    parts.join(", ")
}

fn line(past: &PastDeployment, event: &PastEvent, paint: Paint) -> String {
    let (mark, words, colour) = event::words(past, event);
    let mut line = format!(
        "{} {:<19} {}  {:>10}  {}",
        paint.text(colour, mark),
        one_line(&event.name),
        times::clock(event.began),
        event::duration(event),
        paint.text(colour, &words)
    );
    let message = one_line(&event.message);
    if event.is_failure() && !message.trim().is_empty() {
        line.push_str("\n    ");
        line.push_str(&paint.text(Colour::Dim, message.trim()));
    }
    line
}
