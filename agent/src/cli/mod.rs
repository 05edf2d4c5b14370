//! The command line: arguments, one file a subcommand, output, exit codes.

mod arguments;
mod exit;
mod run_bundle;
mod state_directory;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub use arguments::{Arguments, Command, RunBundleArguments};
use clap::Parser as _;
pub use exit::Exit;

/// Runs the program under the name that it was called by.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    match arguments.first().and_then(|program| Path::new(program).file_name()) {
        Some(name) if name == "hooks-runner" => return hooks_runner::main(),
        // v1's name for what is now a subcommand.
        Some(name) if name == "codedeploy-local" => arguments.insert(1, "run-bundle".into()),
        _ => {}
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match arguments.command {
        Command::RunBundle(arguments) => run_bundle::main(&arguments).into(),
    }
}
