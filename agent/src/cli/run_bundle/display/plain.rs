//! Plain lines, for pipes, files and CI logs: nothing is ever overwritten.

use std::io::{Write as _, stdout};

use super::{Display, EventEnd, Heading, Summary, text};
use crate::cli::times;
use crate::executor::{Progress, Stream};
use crate::lifecycle::LifecycleEvent;

#[derive(Debug, Default)]
pub(super) struct Plain {
    /// An event that has begun and of which nothing has been said yet: most have nothing to run.
    unannounced: Option<String>,
}

impl Plain {
    fn announce(&mut self) {
        if let Some(event) = self.unannounced.take() {
            line(&format!("{event}: started"));
        }
    }
}

fn line(text: &str) {
    // See the module above: a reader that has gone is no error.
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

impl Display for Plain {
    fn begin(&mut self, heading: &Heading) {
        for warning in &heading.warnings {
            line(&format!("warning: {warning}"));
        }
        line(&text::heading(heading));
    }

    fn event_began(&mut self, event: &LifecycleEvent) {
        self.unannounced = Some(event.to_string());
        if event.is_the_agents_own() {
            // These may take long without a word.
            self.announce();
        }
    }

    fn progress(&mut self, progress: &Progress) {
        self.announce();
        match progress {
            Progress::ScriptStarted { location } => line(&format!("  {location}")),
            Progress::Output {
                stream: Stream::Stdout,
                line: text,
            } => line(&format!("    {text}")),
            Progress::Output {
                stream: Stream::Stderr,
                line: text,
            } => {
                line(&format!("    [stderr] {text}"));
            }
            Progress::Warning(text) => line(&format!("  warning: {text}")),
            Progress::Note(text) => line(&format!("  {text}")),
            // The event's own line tells.
            Progress::ScriptEnded { .. } | Progress::Downloaded { .. } => {}
        }
    }

    fn event_ended(&mut self, end: &EventEnd<'_>) {
        self.unannounced = None;
        let event = end.event;
        let duration = times::duration(end.duration);
        if end.cancelled {
            line(&format!(
                "{event}: cancelled after {duration}: {}",
                end.verdict.message()
            ));
        } else if !end.verdict.is_success() {
            line(&format!(
                "{event}: failed after {duration} (code {})",
                end.verdict.code().number()
            ));
            for part in text::failure(end) {
                line(&format!("  {part}"));
            }
        } else if end.noop {
            line(&format!("{event}: nothing to run"));
        } else {
            line(&format!("{event}: succeeded in {duration}"));
        }
    }

    fn end(&mut self, summary: &Summary) {
        line(&text::directory(summary));
        if let Some(log) = text::log(summary) {
            line(&log);
        }
        line(&text::last_line(summary));
    }
}
