//! `agent deployments show --follow`: the events of a deployment as they come, to its end.

use serde_json::json;

use super::arguments::ShowDeploymentArguments;
use super::watch::{News, Watch};
use super::{event, json, log};
use crate::cli::arguments::Output;
use crate::cli::past_deployments::PastDeployments;
use crate::cli::terminal::{one_line, say};
use crate::cli::{Exit, complain};
use crate::error::chain;
use crate::history::{DeploymentResult, PastDeployment};

/// Runs the subcommand.
pub(super) fn main(
    history: &PastDeployments,
    found: &PastDeployment,
    arguments: &ShowDeploymentArguments,
) -> Exit {
    let mut told = Told {
        output: Output::or_what_suits(arguments.output),
        begun: 0,
        ended: 0,
    };
    let mut past = found.clone();
    let mut watch = Watch::new(history);
    let mut has_reader = told.tell(&past);
    while is_running(&past) && has_reader {
        match watch.news(&past) {
            Ok(News::Now(now)) => {
                past = *now;
                has_reader = told.tell(&past);
            }
            Ok(News::None) => {}
            Ok(News::Gone) => return complain(&gone(&past), Exit::Failed),
            Err(error) => return complain(&chain(&error), Exit::Failed),
        }
    }
    told.end(&past);
    match past.result {
        DeploymentResult::Succeeded => Exit::Success,
        _ => Exit::Failed,
    }
}

pub(super) fn gone(past: &PastDeployment) -> String {
    format!("the records of {} were taken away", past.id)
}

pub(super) fn is_running(past: &PastDeployment) -> bool {
    matches!(past.result, DeploymentResult::Running { .. })
}

/// What has been told of the deployment.
struct Told {
    output: Output,
    /// So many events have begun, and so many have ended.
    begun: usize,
    ended: usize,
}

impl Told {
    /// Tells what is new; whether somebody listens.
    fn tell(&mut self, past: &PastDeployment) -> bool {
        let mut listens = true;
        for event in past.events.iter().skip(self.ended) {
            let has_ended = event.ended.is_some() || !is_running(past);
            if has_ended {
                self.ended += 1;
                self.begun = self.begun.max(self.ended);
                listens &= self.said(
                    || event::line(past, event),
                    || json!({"type": "event", "event": json::of_event(past, event)}),
                );
            } else if self.begun == self.ended {
                self.begun += 1;
                listens &= self.said(
                    || format!("{}: started", one_line(&event.name)),
                    || json!({"type": "began", "event": json::of_event(past, event)}),
                );
                break;
            }
        }
        listens
    }

    fn end(&self, past: &PastDeployment) {
        let excerpt = log::excerpt(past);
        if self.output == Output::Human {
            for line in &excerpt {
                say(&format!("  {}", one_line(line)));
            }
        }
        self.said(
            || event::last_line(past),
            || json!({"type": "summary", "deployment": json::whole(past, &excerpt)}),
        );
    }

    fn said(
        &self,
        human: impl FnOnce() -> String,
        json: impl FnOnce() -> serde_json::Value,
    ) -> bool {
        match self.output {
            Output::Human => say(&human()),
            Output::Json => say(&json().to_string()),
        }
    }
}
