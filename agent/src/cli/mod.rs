//! The command line: arguments, one file a subcommand, output, exit codes.

mod arguments;
mod clean;
mod config_check;
mod config_show;
mod configuration;
mod deployments;
mod deregister;
mod doctor;
mod exit;
mod explain;
mod group_labels;
mod groups;
mod local_configuration;
mod log_errors;
mod metrics;
mod on_premises_hints;
mod past_deployments;
mod plan;
mod readiness;
mod register;
mod restart;
mod rollback;
mod run;
mod run_bundle;
mod schema;
mod sizes;
mod start;
mod state_directory;
mod status;
mod stop;
mod systemd;
mod terminal;
mod times;
mod validate;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub use arguments::{
    Arguments, BundleArguments, CleanArguments, Command, ConfigCommand, DeregisterArguments,
    DoctorArguments, ExplainArguments, LocalTool, Output, PlanArguments, PlatformName,
    RegisterArguments, RollbackArguments, RunArguments, RunBundleArguments, SchemaArguments,
    ShowArguments, StatusArguments, StopArguments, ValidateArguments, ValidateOutput,
};
use clap::Parser as _;
pub use deployments::{
    DeploymentsArguments, DeploymentsCommand, ListArguments, LogsArguments, ShowDeploymentArguments,
};
pub use exit::Exit;

/// Runs the program under the name that it was called by.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // First of all: the runner closes what it did not open itself.
    if hooks_runner::is_called_as_runner(arguments.first()) {
        return hooks_runner::main();
    }
    // v1's name for what is now a subcommand.
    let is_local_tool = arguments
        .first()
        .is_some_and(|name| Path::new(name).ends_with("codedeploy-local"));
    let parsed = if is_local_tool {
        LocalTool::try_parse_from(arguments).map(Arguments::from)
    } else {
        Arguments::try_parse_from(arguments)
    };
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let config = arguments.config.as_deref();
    let exit = match arguments.command {
        Command::Run(arguments) => run::main(config, &arguments),
        Command::RunBundle(mut arguments) => {
            match name_configuration(&mut arguments.bundle, config) {
                Ok(()) => run_bundle::main(&arguments),
                Err(exit) => exit,
            }
        }
        Command::Rollback(arguments) => rollback::main(config, &arguments),
        Command::Plan(mut arguments) => match name_configuration(&mut arguments.bundle, config) {
            Ok(()) => plan::main(&arguments),
            Err(exit) => exit,
        },
        Command::Start => start::main(config),
        Command::Stop(arguments) => stop::main(config, &arguments),
        Command::Restart => restart::main(config),
        Command::Status(arguments) => status::main(config, &arguments),
        Command::Deployments(arguments) => deployments::main(config, &arguments),
        Command::Metrics => metrics::main(config),
        Command::Doctor(arguments) => doctor::main(config, &arguments),
        Command::Register(arguments) => register::main(config, &arguments),
        Command::Deregister(arguments) => deregister::main(config, &arguments),
        Command::Clean(arguments) => clean::main(config, &arguments),
        Command::Config(ConfigCommand::Check) => config_check::main(config),
        Command::Config(ConfigCommand::Show(arguments)) => config_show::main(config, &arguments),
        Command::Validate(arguments) => validate::main(&arguments),
        Command::Explain(arguments) => explain::main(&arguments),
        Command::Schema(arguments) => schema::main(&arguments),
    };
    terminal::end(exit).into()
}

/// `--config` where `-c` is not given. Given both, neither is the one that was meant.
fn name_configuration(arguments: &mut BundleArguments, config: Option<&Path>) -> Result<(), Exit> {
    match (&arguments.agent_configuration_file, config) {
        (Some(_), Some(_)) => {
            let message = "-c and --config both name a configuration file; leave one out";
            return Err(complain(message, Exit::Usage));
        }
        (None, Some(path)) => arguments.agent_configuration_file = Some(path.to_owned()),
        (_, None) => {}
    }
    Ok(())
}

/// Says on standard error why it does not go on.
fn complain(message: &str, exit: Exit) -> Exit {
    terminal::say_aside(&format!("error: {message}"));
    exit
}

/// What everything asynchronous runs on: one thread, and threads for what blocks.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
