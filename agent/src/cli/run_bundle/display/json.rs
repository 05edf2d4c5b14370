//! One JSON object a line: one an event, then a summary.

use serde::Serialize;

use super::{Display, EventEnd, Heading, Summary};
use crate::cli::terminal::say;
use crate::cli::times::milliseconds;
use crate::executor::Progress;
use crate::lifecycle::{LifecycleEvent, Verdict};

#[derive(Debug, Default)]
pub(super) struct Json {
    /// Warnings since the last object.
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Event {
        event: &'a str,
        result: &'a str,
        duration_ms: u64,
        scripts: &'a [String],
        warnings: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        diagnostics: Option<&'a Verdict>,
    },
    Summary {
        deployment_id: &'a str,
        result: &'a str,
        duration_ms: u64,
        deployment_directory: String,
        script_log: Option<String>,
        warnings: &'a [String],
    },
}

fn print(line: &Line<'_>) {
    if let Ok(text) = serde_json::to_string(line) {
        say(&text);
    }
}

impl Display for Json {
    fn begin(&mut self, heading: &Heading) {
        self.warnings.extend(heading.warnings.iter().cloned());
    }

    fn event_began(&mut self, _: &LifecycleEvent) {}

    fn progress(&mut self, progress: &Progress) {
        if let Progress::Warning(warning) = progress {
            self.warnings.push(warning.clone());
        }
    }

    fn event_ended(&mut self, end: &EventEnd<'_>) {
        let failed = !end.verdict.is_success();
        print(&Line::Event {
            event: end.event.as_str(),
            result: match (end.cancelled, failed, end.noop) {
                (true, ..) => "cancelled",
                (_, true, _) => "failed",
                (_, _, true) => "noop",
                _ => "succeeded",
            },
            duration_ms: milliseconds(end.duration),
            scripts: end.scripts,
            warnings: &std::mem::take(&mut self.warnings),
            diagnostics: failed.then_some(end.verdict),
        });
    }

    fn end(&mut self, summary: &Summary) {
        print(&Line::Summary {
            deployment_id: &summary.deployment_id,
            result: summary.ending.word(),
            duration_ms: milliseconds(summary.duration),
            deployment_directory: summary.directory.display().to_string(),
            script_log: summary.log.as_ref().map(|log| log.display().to_string()),
            warnings: &std::mem::take(&mut self.warnings),
        });
    }
}
