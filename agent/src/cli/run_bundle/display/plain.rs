//! Plain lines, for pipes, files and CI logs: nothing is ever overwritten.

use super::{Display, EventEnd, Heading, Summary, text};
use crate::cli::terminal::say;
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
            say(&format!("{event}: started"));
        }
    }
}

impl Display for Plain {
    fn begin(&mut self, heading: &Heading) {
        for warning in &heading.warnings {
            say(&format!("warning: {warning}"));
        }
        say(&text::heading(heading));
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
        let shown = match progress {
            Progress::ScriptStarted { location } => format!("  {location}"),
            Progress::Output {
                stream: Stream::Stdout,
                line,
            } => format!("    {line}"),
            Progress::Output {
                stream: Stream::Stderr,
                line,
            } => format!("    [stderr] {line}"),
            Progress::Warning(text) => format!("  warning: {text}"),
            Progress::Note(text) => format!("  {text}"),
            // The event's own line tells.
            Progress::ScriptEnded { .. } | Progress::Downloaded { .. } => return,
        };
        say(&shown);
    }

    fn event_ended(&mut self, end: &EventEnd<'_>) {
        self.unannounced = None;
        let event = end.event;
        let duration = times::duration(end.duration);
        if end.cancelled {
            say(&format!(
                "{event}: cancelled after {duration}: {}",
                end.verdict.message()
            ));
        } else if !end.verdict.is_success() {
            say(&format!(
                "{event}: failed after {duration} (code {})",
                end.verdict.code().number()
            ));
            for part in text::failure(end) {
                say(&format!("  {part}"));
            }
        } else if end.noop {
            say(&format!("{event}: nothing to run"));
        } else {
            say(&format!("{event}: succeeded in {duration}"));
        }
    }

    fn end(&mut self, summary: &Summary) {
        say(&text::directory(summary));
        if let Some(log) = text::log(summary) {
            say(&log);
        }
        say(&text::last_line(summary));
    }
}
