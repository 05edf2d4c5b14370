//! How a local deployment is shown: to a person on a terminal, as plain lines, or as JSON.
//!
//! Whoever reads may go away at any time: a closed pipe or a full disk is no reason to leave a
//! deployment half done.

mod json;
mod plain;
mod terminal;
mod text;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::arguments::Output;
use crate::executor::Progress;
use crate::lifecycle::{LifecycleEvent, Verdict};

/// What is deployed where, for the first lines.
#[derive(Debug)]
pub(super) struct Heading {
    pub(super) deployment_id: String,
    pub(super) bundle: String,
    pub(super) group: String,
    /// Things about the configuration that the user should know.
    pub(super) warnings: Vec<String>,
}

/// How one event ended.
#[derive(Debug)]
pub(super) struct EventEnd<'a> {
    pub(super) event: &'a LifecycleEvent,
    pub(super) verdict: &'a Verdict,
    /// There was nothing to run.
    pub(super) noop: bool,
    /// The operator ended it.
    pub(super) cancelled: bool,
    pub(super) duration: Duration,
    /// Locations of the scripts that were started.
    pub(super) scripts: &'a [String],
    /// The script log, when there is one.
    pub(super) log: Option<PathBuf>,
}

/// How the deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Succeeded,
    Failed,
    Cancelled,
}

impl Ending {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The last lines.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) deployment_id: String,
    pub(super) ending: Ending,
    pub(super) duration: Duration,
    pub(super) directory: PathBuf,
    pub(super) log: Option<PathBuf>,
}

/// Shows a deployment while it runs.
pub(super) trait Display: Send {
    /// Before the first event.
    fn begin(&mut self, heading: &Heading);
    /// An event begins.
    fn event_began(&mut self, event: &LifecycleEvent);
    /// Something happened in it.
    fn progress(&mut self, progress: &Progress);
    /// The event is over.
    fn event_ended(&mut self, end: &EventEnd<'_>);
    /// The deployment is over.
    fn end(&mut self, summary: &Summary);
}

/// The display that suits `output` and what standard output is.
pub(super) fn display(output: Output) -> Box<dyn Display> {
    match output {
        Output::Json => Box::new(json::Json::default()),
        Output::Human if std::io::stdout().is_terminal() && !dumb() => {
            Box::new(terminal::Terminal::new())
        }
        Output::Human => Box::new(plain::Plain::default()),
    }
}

/// A terminal that cannot move its cursor.
fn dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}
