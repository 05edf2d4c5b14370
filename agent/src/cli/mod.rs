//! The command line: arguments, one file a subcommand, output, exit codes.

mod arguments;
mod exit;
mod run;
mod run_bundle;
mod state_directory;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub use arguments::{Arguments, Command, RunArguments, RunBundleArguments};
use clap::Parser as _;
pub use exit::Exit;

/// Runs the program under the name that it was called by.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    // First of all: the runner closes what it did not open itself.
    if hooks_runner::is_called_as_runner(arguments.first()) {
        return hooks_runner::main();
    }
    // v1's name for what is now a subcommand.
    if arguments
        .first()
        .is_some_and(|name| Path::new(name).ends_with("codedeploy-local"))
    {
        arguments.insert(1, "run-bundle".into());
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match arguments.command {
        Command::Run(arguments) => run::main(&arguments).into(),
        Command::RunBundle(arguments) => run_bundle::main(&arguments).into(),
    }
}
