//! One command of one deployment as a step machine.
//!
//! ```text
//! Received ──► Resolving ──► AwaitingReply ──► Downloading ─┐
//!     │            │               ├─────────► Installing ──┤
//!     │            │               └─► InScript(0..n) ──────┼──► Finished ──► Done
//!     │            └─ cannot be told what to run ───────────┘        ▲
//!     └─ DownloadBundle and Install have nothing to resolve          │
//!                  InScript ──► Sweeping (its end can never be known)┘
//! ```
//!
//! [`State::next`] is a function of state and input. Before an action is carried out its state is
//! what a journal has to hold; after a restart [`Input::Restarted`] says what was found.

use serde::{Deserialize, Serialize};

use super::LifecycleEvent;
use crate::diagnostics::{Diagnostics, SuccessMessage};

/// What the service, or the local command line, asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Fetch and unpack the revision.
    DownloadBundle,
    /// Install the revision's files.
    Install,
    /// Run the scripts of an event.
    Hooks(LifecycleEvent),
}

impl Command {
    /// The command's name, which is its event's.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::DownloadBundle => LifecycleEvent::DownloadBundle.as_str(),
            Self::Install => LifecycleEvent::Install.as_str(),
            Self::Hooks(event) => event.as_str(),
        }
    }
}

impl From<LifecycleEvent> for Command {
    fn from(event: LifecycleEvent) -> Self {
        match event {
            LifecycleEvent::DownloadBundle => Self::DownloadBundle,
            LifecycleEvent::Install => Self::Install,
            event => Self::Hooks(event),
        }
    }
}

/// What an event turns out to consist of on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resolution {
    /// No script, no AppSpec or no earlier deployment: nothing to do.
    Noop,
    /// So many scripts (at least one).
    Scripts(usize),
    /// Work of the agent itself.
    AgentsOwn,
    /// A command that means nothing to the daemon, custom events among them: acknowledged as a
    /// noop, failed when the service wants it run all the same.
    Unsupported,
    /// A command that this agent refuses on purpose: acknowledged as something to do, then failed.
    Refused,
}

/// What the service answered to the acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acknowledgement {
    /// Run it; also when there was no answer, and always in local deployments.
    Run,
    /// The service holds the command for succeeded.
    AlreadySucceeded,
    /// The service holds the command for failed.
    AlreadyFailed,
}

/// How a command ended. Code 0 is success.
pub type Verdict = Diagnostics;

/// Where a command is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing has been done.
    Received,
    /// Finding out which scripts there are.
    Resolving,
    /// The acknowledgement is on its way.
    AwaitingReply(Resolution),
    /// DownloadBundle is being carried out.
    Downloading,
    /// Install is being carried out.
    Installing,
    /// The script with this index, of so many, has been or is about to be handed to the runner.
    InScript {
        /// Counted from 0.
        index: usize,
        /// How many there are.
        of: usize,
    },
    /// The runner is gone without an outcome: what is left of the hook is being ended.
    Sweeping {
        /// Counted from 0.
        index: usize,
    },
    /// The end is known and is to be reported.
    Finished(Verdict),
    /// Nothing remains to be done.
    Done,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Start with a command just received.
    Begin,
    /// What the event consists of, or why that cannot be told.
    Resolved(Result<Resolution, Diagnostics>),
    /// The answer to the acknowledgement, or why there can be none.
    Acknowledged(Result<Acknowledgement, Diagnostics>),
    /// DownloadBundle or Install has ended.
    WorkEnded(Result<SuccessMessage, Diagnostics>),
    /// The current script has ended.
    ScriptEnded(Result<(), Diagnostics>),
    /// Nothing of the hook whose runner was lost is left.
    Swept,
    /// The result is where it belongs.
    Reported,
    /// The agent was started anew and has found this in the state's place.
    Restarted(Evidence),
}

/// What a restarted agent finds of the script that was running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The state is not [`State::InScript`]: there is nothing to find.
    NotInScript,
    /// The runner lives.
    RunnerAlive,
    /// The runner has left an outcome.
    Outcome(Result<(), Diagnostics>),
    /// The script was never started.
    NeverRan,
    /// Started, and neither runner nor outcome is there: its end can never be known.
    Lost,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Find out what the event consists of; answer with [`Input::Resolved`].
    Resolve,
    /// Tell the service; answer with [`Input::Acknowledged`].
    Acknowledge {
        /// Whether there is nothing to run.
        noop: bool,
    },
    /// Fetch and unpack; answer with [`Input::WorkEnded`].
    Download,
    /// Install; answer with [`Input::WorkEnded`].
    Install {
        /// An earlier attempt was interrupted: put its traces in order first.
        recover: bool,
    },
    /// Run the script with this index; answer with [`Input::ScriptEnded`].
    RunScript(usize),
    /// Take over the runner of the script with this index; answer with [`Input::ScriptEnded`].
    AwaitScript(usize),
    /// End what is left of the script with this index; answer with [`Input::Swept`].
    Sweep(usize),
    /// Report the verdict; answer with [`Input::Reported`].
    Report(Verdict),
    /// The command is over; drop what is kept about it.
    Forget,
}

/// An input that cannot happen in a state: a defect in the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "input {input} in state {state} of a command; this is a defect of the agent, please report it"
)]
pub struct Unexpected {
    state: String,
    input: String,
}

impl State {
    /// The state that follows, and the action that it demands.
    ///
    /// # Errors
    /// When the input cannot follow this state.
    pub fn next(self, command: &Command, input: Input) -> Result<(Self, Action), Unexpected> {
        let step = match (self, input) {
            (Self::Received, Input::Begin)
            | (
                Self::Received | Self::Resolving | Self::AwaitingReply(_),
                Input::Restarted(Evidence::NotInScript),
            ) => begin(command),
            (Self::Resolving, Input::Resolved(Ok(resolution))) => acknowledge(resolution),
            (Self::Resolving, Input::Resolved(Err(diagnostics))) => finish(diagnostics),
            (Self::AwaitingReply(resolution), Input::Acknowledged(Ok(reply))) => {
                acknowledged(command, resolution, reply)
            }
            (Self::AwaitingReply(_), Input::Acknowledged(Err(diagnostics))) => finish(diagnostics),
            (Self::Downloading | Self::Installing, Input::WorkEnded(Ok(message))) => {
                finish(Diagnostics::succeeded(message))
            }
            (Self::Downloading | Self::Installing, Input::WorkEnded(Err(diagnostics))) => {
                finish(diagnostics)
            }
            (Self::Downloading, Input::Restarted(Evidence::NotInScript)) => {
                (Self::Downloading, Action::Download)
            }
            (Self::Installing, Input::Restarted(Evidence::NotInScript)) => {
                (Self::Installing, Action::Install { recover: true })
            }
            (
                Self::InScript { index, of },
                Input::ScriptEnded(result) | Input::Restarted(Evidence::Outcome(result)),
            ) => script_ended(index, of, result),
            (Self::InScript { index, of }, Input::Restarted(Evidence::RunnerAlive)) => {
                (Self::InScript { index, of }, Action::AwaitScript(index))
            }
            (Self::InScript { index, of }, Input::Restarted(Evidence::NeverRan)) => {
                (Self::InScript { index, of }, Action::RunScript(index))
            }
            (Self::InScript { index, .. }, Input::Restarted(Evidence::Lost))
            | (Self::Sweeping { index }, Input::Restarted(Evidence::NotInScript)) => {
                (Self::Sweeping { index }, Action::Sweep(index))
            }
            (Self::Sweeping { .. }, Input::Swept) => finish(Diagnostics::agent_restarted()),
            (Self::Finished(verdict), Input::Restarted(Evidence::NotInScript)) => finish(verdict),
            (Self::Finished(_), Input::Reported)
            | (Self::Done, Input::Restarted(Evidence::NotInScript)) => (Self::Done, Action::Forget),
            (state, input) => {
                return Err(Unexpected {
                    state: format!("{state:?}"),
                    input: format!("{input:?}"),
                });
            }
        };
        Ok(step)
    }
}

fn begin(command: &Command) -> (State, Action) {
    match command {
        Command::DownloadBundle | Command::Install => acknowledge(Resolution::AgentsOwn),
        Command::Hooks(_) => (State::Resolving, Action::Resolve),
    }
}

fn acknowledge(resolution: Resolution) -> (State, Action) {
    let noop = matches!(resolution, Resolution::Noop | Resolution::Unsupported);
    (
        State::AwaitingReply(resolution),
        Action::Acknowledge { noop },
    )
}

fn acknowledged(
    command: &Command,
    resolution: Resolution,
    reply: Acknowledgement,
) -> (State, Action) {
    match (reply, resolution) {
        // The service has closed the command; only a noop that it holds for failed is set right.
        (Acknowledgement::AlreadySucceeded, _)
        | (
            Acknowledgement::AlreadyFailed,
            Resolution::Scripts(_) | Resolution::AgentsOwn | Resolution::Refused,
        ) => (State::Done, Action::Forget),
        (Acknowledgement::AlreadyFailed, Resolution::Noop | Resolution::Unsupported)
        | (Acknowledgement::Run, Resolution::Noop) => {
            finish(Diagnostics::succeeded(SuccessMessage::Noop))
        }
        (Acknowledgement::Run, Resolution::Refused) => finish(Diagnostics::update_refused()),
        (Acknowledgement::Run, Resolution::Unsupported) => {
            finish(Diagnostics::unsupported_command(command.name()))
        }
        (Acknowledgement::Run, Resolution::Scripts(of)) => {
            (State::InScript { index: 0, of }, Action::RunScript(0))
        }
        (Acknowledgement::Run, Resolution::AgentsOwn) => match command {
            Command::Install => (State::Installing, Action::Install { recover: false }),
            Command::DownloadBundle | Command::Hooks(_) => (State::Downloading, Action::Download),
        },
    }
}

fn script_ended(index: usize, of: usize, result: Result<(), Diagnostics>) -> (State, Action) {
    match result {
        Err(diagnostics) => finish(diagnostics),
        Ok(()) if index + 1 < of => (
            State::InScript {
                index: index + 1,
                of,
            },
            Action::RunScript(index + 1),
        ),
        Ok(()) => finish(Diagnostics::succeeded(SuccessMessage::Plain)),
    }
}

fn finish(verdict: Verdict) -> (State, Action) {
    (State::Finished(verdict.clone()), Action::Report(verdict))
}
