//! Runs one lifecycle hook script: knows no deployments, network or YAML.
//!
//! The agent never runs a script itself. It starts the program `hooks-runner`, which outlives it,
//! and talks to it through files only, so that an agent that is stopped, upgraded or killed
//! loses nothing: the next one finds the directory and knows what became of the script. What the
//! runner says to its standard error is read only where it has left no outcome.
//!
//! # The run directory
//! Made by the agent for one script, 0700, on one file system:
//!
//! | file | by | what |
//! |---|---|---|
//! | `request.json` | agent | [`Request`], 0600, before the runner starts |
//! | `lock` | agent | locked (`flock`) before the fork; the open file description goes to the runner as its standard input, so there is no instant at which nobody holds it |
//! | `started` | runner | [`Started`], before the script executes its first instruction |
//! | `outcome.json` | runner | [`Outcome`], durable before the lock is released |
//!
//! All but the lock are written to a temporary file and renamed, so that they are whole or not
//! there; all have a format version, and another version is refused by name. The script's
//! environment is the runner's own environment and on no disk.
//!
//! Only the outcome is fsynced, before the rename, and then the directory. The other files have to
//! survive the death of processes, which needs no disk: after a crash of the host no script runs
//! any more, and whether one was handed to a runner is in the agent's own, fsynced records. So
//! **the states below hold within one boot of the host**. The caller records [`boot_id`] before it
//! launches; where that differs and no outcome can be read, the script may or may not have begun,
//! whatever else the directory shows, and must not be started again.
//!
//! | `outcome.json` | `lock` | `started` | state |
//! |---|---|---|---|
//! | there | any | any | [`RunState::Finished`] |
//! | no | held | any | [`RunState::Alive`] |
//! | no | free | no | [`RunState::NeverRan`]: it may be launched (again) |
//! | no | free | there | [`RunState::Unknown`]: the runner was killed, or the host went down |
//!
//! # What holds
//! - A script is started at most once for a run directory.
//! - The lock is held by the runner alone: neither the script nor what it starts inherits it,
//!   nor does the process that reads on what background processes print after the outcome.
//! - After a script has ended by itself, nothing that it started is ever signalled.
//! - After a runner was killed, [`sweep`] ends what is left of its script, and nothing else.
//! - SIGINT to the runner ends the script as [`ScriptResult::Cancelled`], SIGTERM as
//!   [`ScriptResult::HostShutdown`].

mod account;
mod ansi;
mod capture;
mod elevation;
mod environment;
mod error;
mod foresight;
mod format;
mod kin;
mod launch;
mod lines;
mod log_file;
mod logs;
mod outcome;
mod processes;
mod program;
mod request;
mod run_dir;
mod script;
mod start;
mod supervise;
mod sweep;
mod sys;
mod tail;

pub use capture::log_entry;
pub use foresight::{Foresight, Place, foresee};
pub use format::{FORMAT_VERSION, FormatError};
pub use launch::{
    Interrupter, LaunchError, Program, RunState, Running, adopt, inspect, launch, requested,
};
pub use logs::surplus_log_files;
pub use outcome::{Holder, Outcome, ScriptResult, Signal, Stream};
pub use processes::boot_id;
pub use program::{PROGRAM_NAME, is_called_as_runner, main};
pub use request::{DeploymentsLog, OutputsLeftOpen, Request, RunasVia};
pub use run_dir::{RunDirError, Started};
pub use sweep::{LeftOver, Swept, sweep};
