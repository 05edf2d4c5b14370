//! What a deployment would do on this host, told without doing it: each event goes the executor's
//! way, with the same parts, as far as that only reads.
//!
//! Invariant: nothing is written but in the [`Workspace`], which is the caller's and private.

mod download;
mod previewer;
mod scripts;
mod workspace;

use std::path::PathBuf;
use std::time::Duration;

use crate::install::{self, Outcome, Room};
use crate::lifecycle::LifecycleEvent;
pub use previewer::preview;
pub use workspace::{Workspace, WorkspaceError};

/// What a deployment would do.
#[derive(Debug, Default)]
pub struct Preview {
    /// Its events, in order.
    pub events: Vec<EventPreview>,
    /// What DownloadBundle would bring; none when it would fail.
    pub download: Option<DownloadPreview>,
    /// What Install would do; none when it would not come to that.
    pub install: Option<install::Preview>,
    /// What the Install would first recover, because an earlier one was killed.
    pub unfinished: Option<Outcome>,
    /// Everything that would make it fail, in the order of the events; the first one would.
    pub reasons: Vec<Reason>,
    /// What should be known although it stops nothing.
    pub warnings: Vec<String>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
}

/// Why an event would fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The event.
    pub event: String,
    /// What is wrong and what to do.
    pub message: String,
    /// The destination that it is about, if it is about one.
    pub path: Option<PathBuf>,
}

/// What an event would do.
#[derive(Debug, PartialEq, Eq)]
pub struct EventPreview {
    /// Its name.
    pub event: LifecycleEvent,
    /// What it would do.
    pub work: EventWork,
}

/// What an event consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum EventWork {
    /// DownloadBundle or Install.
    Own,
    /// Nothing, with the reason when it is not the ordinary one.
    Nothing(Option<String>),
    /// Scripts, in order.
    Scripts {
        /// Whose archive they come from.
        from: ScriptsFrom,
        /// The scripts.
        scripts: Vec<ScriptPreview>,
    },
    /// It cannot be told: what it depends on would fail.
    Unknown,
}

/// Whose archive scripts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptsFrom {
    /// The revision that is being deployed.
    ThisRevision,
    /// An earlier deployment, in this directory.
    Earlier(PathBuf),
}

/// One script of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptPreview {
    /// As the AppSpec has it.
    pub location: String,
    /// The account that it runs as; none: the agent's own.
    pub runas: Option<String>,
    /// Whether it goes through sudo.
    pub sudo: bool,
    /// When it is ended.
    pub timeout: Duration,
}

/// What DownloadBundle would bring.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DownloadPreview {
    /// Bytes of the bundle; none for a directory.
    pub bundle_bytes: Option<u64>,
    /// Files, directories and links in it.
    pub entries: u64,
    /// Bytes of the files' content.
    pub bytes: u64,
    /// The room for it in the deployment root.
    pub room: Option<Room>,
    /// Old deployments that go first.
    pub removed: Vec<PathBuf>,
}

/// No preview could be made; this says nothing about the deployment.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// Somebody wanted the end.
    #[error("the plan was given up")]
    Interrupted,
    /// The workspace was of no use.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}
