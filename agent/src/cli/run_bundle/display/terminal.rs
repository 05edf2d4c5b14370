//! For a person at a terminal: a line an event; below the running one, its latest output.

use std::collections::VecDeque;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Display, Ending, EventEnd, Heading, Summary, text};
use crate::cli::terminal::{Colour, Paint, say};
use crate::cli::times;
use crate::executor::Progress;
use crate::lifecycle::LifecycleEvent;

/// How many lines of a running script's output are shown.
const SHOWN_LINES: usize = 6;

/// Columns for an event's name; the longest standard one has eighteen.
const NAME_COLUMNS: usize = 19;

pub(super) struct Terminal {
    paint: Paint,
    running: Option<Running>,
}

struct Running {
    bar: ProgressBar,
    output: VecDeque<String>,
}

impl Terminal {
    pub(super) fn new() -> Self {
        Self {
            paint: Paint::of_standard_output(),
            running: None,
        }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        self.paint.text(colour, text)
    }

    /// Prints a line that stays, above the running event.
    fn line(&self, line: &str) {
        match &self.running {
            Some(running) => running.bar.println(line),
            None => {
                say(line);
            }
        }
    }
}

impl Display for Terminal {
    fn begin(&mut self, heading: &Heading) {
        for warning in &heading.warnings {
            self.line(&format!(
                "{} {warning}",
                self.paint(Colour::Yellow, "warning:")
            ));
        }
        self.line(&text::heading(heading));
    }

    fn event_began(&mut self, event: &LifecycleEvent) {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        // The template is a constant; without it the bar would merely look different.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed}{msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{event:<NAME_COLUMNS$}", event = event.as_str()));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running = Some(Running {
            bar,
            output: VecDeque::new(),
        });
    }

    fn progress(&mut self, progress: &Progress) {
        if let Progress::Warning(warning) = progress {
            self.line(&format!(
                "  {} {warning}",
                self.paint(Colour::Yellow, "warning:")
            ));
            return;
        }
        let shown = match progress {
            Progress::Output { line, .. } => format!("    {}", line.replace('\t', "    ")),
            Progress::ScriptStarted { location } => format!("  {location}"),
            Progress::Note(note) | Progress::Warning(note) => format!("  {note}"),
            // The event's own line tells.
            Progress::ScriptEnded { .. } | Progress::Downloaded { .. } => return,
        };
        let dim = self.paint(Colour::Dim, &shown);
        let Some(running) = &mut self.running else {
            // Before the first event.
            self.line(&dim);
            return;
        };
        running.output.push_back(dim);
        if running.output.len() > SHOWN_LINES {
            running.output.pop_front();
        }
        let message: String = running
            .output
            .iter()
            .map(|line| format!("\n{line}"))
            .collect();
        running.bar.set_message(message);
    }

    fn event_ended(&mut self, end: &EventEnd<'_>) {
        if let Some(running) = self.running.take() {
            running.bar.finish_and_clear();
        }
        let name = format!("{:<NAME_COLUMNS$}", end.event.as_str());
        let duration = times::duration(end.duration);
        if end.cancelled {
            self.line(&format!(
                "{} {name} cancelled: {}",
                self.paint(Colour::Yellow, "■"),
                end.verdict.message()
            ));
        } else if !end.verdict.is_success() {
            self.line(&format!(
                "{} {name} {duration}  failed (code {})",
                self.paint(Colour::Red, "✗"),
                end.verdict.code().number()
            ));
            for part in text::failure(end) {
                self.line(&format!("    {part}"));
            }
        } else if end.noop {
            self.line(&self.paint(Colour::Dim, &format!("· {name} nothing to run")));
        } else {
            self.line(&format!(
                "{} {name} {duration}",
                self.paint(Colour::Green, "✓")
            ));
        }
    }

    fn end(&mut self, summary: &Summary) {
        self.line(&text::directory(summary));
        if let Some(log) = text::log(summary) {
            self.line(&log);
        }
        let colour = match summary.ending {
            Ending::Succeeded => Colour::Green,
            Ending::Failed => Colour::Red,
            Ending::Cancelled => Colour::Yellow,
        };
        self.line(&self.paint(colour, &text::last_line(summary)));
    }
}
