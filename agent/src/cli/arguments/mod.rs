//! The command line's grammar (contract: host, "Command line").

mod appspecs;
mod host;
mod local;

use std::path::PathBuf;

pub use appspecs::{
    ExplainArguments, PlatformName, SchemaArguments, ValidateArguments, ValidateOutput,
};
use clap::{Parser, Subcommand, ValueEnum};
pub use host::{
    CleanArguments, ConfigCommand, DeregisterArguments, DoctorArguments, RegisterArguments,
    RunArguments, ShowArguments, StatusArguments, StopArguments,
};
pub use local::{BundleArguments, LocalTool, PlanArguments, RollbackArguments, RunBundleArguments};

use super::deployments::DeploymentsArguments;

/// An on-instance host agent compatible with AWS CodeDeploy.
#[derive(Debug, Parser)]
#[command(name = "agent", version, arg_required_else_help = true)]
pub struct Arguments {
    /// The configuration file [default: /etc/codedeploy-agent/conf/codedeployagent.yml, else
    /// /opt/codedeploy-agent/conf/codedeployagent.yml]
    #[arg(long, alias = "config_file", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent in the foreground: poll the CodeDeploy service and carry out its commands.
    Run(RunArguments),
    /// Deploy a bundle on this machine, without the CodeDeploy service.
    #[command(version, disable_version_flag = true)]
    RunBundle(Box<RunBundleArguments>),
    /// Deploy an earlier revision again on this machine, from its archive.
    ///
    /// It is the last one that succeeded before the current one, unless --to names another. The
    /// archive is taken as it is now, with what hooks may have changed in it.
    Rollback(RollbackArguments),
    /// Show what `run-bundle` would do on this host, and do none of it.
    ///
    /// The options are those of run-bundle. Exit status 0 when it would work, 3 when it would fail, 2
    /// and 78 as run-bundle.
    Plan(Box<PlanArguments>),
    /// Start the agent in the background, through systemd where it has the agent's unit.
    Start,
    /// Stop the agent; hooks go on, and the next agent takes up what was at work.
    Stop(StopArguments),
    /// Stop the agent and start it again; the new one takes up what was at work.
    Restart,
    /// Say whether the agent runs, and what is at work.
    ///
    /// Exit status 0 when it runs, 3 when not, 4 when unknown.
    Status(StatusArguments),
    /// Show what this host has deployed, and what it is deploying.
    ///
    /// That is by the service, by hand or by AWS's agents.
    Deployments(DeploymentsArguments),
    /// Print the agent's metrics, in the OpenMetrics text format.
    ///
    /// They are of now; metrics_file in the configuration keeps a file of them. Exit status 0 also
    /// when no agent runs (codedeploy_agent_up 0), 4 when one runs and cannot be asked.
    Metrics,
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Find out what keeps the agent from working on this host.
    ///
    /// Looks at configuration, identity, network, credentials and disk. Changes nothing; exit status
    /// 1 when something fails.
    Doctor(DoctorArguments),
    /// Make this host an on-premises instance: write the on-premises file, checked.
    ///
    /// The key pair of an IAM user is read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else
    /// from standard input, never from the command line.
    Register(RegisterArguments),
    /// Remove the on-premises file, so that this host is no on-premises instance any more.
    Deregister(DeregisterArguments),
    /// Remove old deployments, bundles that are unpacked, leftovers.
    ///
    /// Works beside an agent that runs; exit status 1 when something could not be removed.
    Clean(CleanArguments),
    /// Check AppSpecs, alone or with their bundles.
    ///
    /// Exit status 0 without errors, 1 with errors, 2 when one cannot be read.
    Validate(ValidateArguments),
    /// Explain a rule of `agent validate`, or list them all.
    Explain(ExplainArguments),
    /// Print the JSON Schema of an AppSpec, for editors.
    Schema(SchemaArguments),
}

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Human,
    /// For programs: JSON.
    Json,
}

impl Output {
    /// What was asked for, else what suits standard output.
    pub(in crate::cli) fn or_what_suits(asked: Option<Self>) -> Self {
        asked.unwrap_or_else(|| {
            if crate::cli::terminal::is_terminal() {
                Self::Human
            } else {
                Self::Json
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::deployment::{BundleType, FileExistsBehavior};

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
        LocalTool::command().debug_assert();
    }

    fn parse(arguments: &[&str]) -> RunBundleArguments {
        let all = ["agent", "run-bundle"].iter().chain(arguments);
        match Arguments::try_parse_from(all).unwrap().command {
            Command::RunBundle(arguments) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_configuration_is_named_before_or_after_the_command_in_v1s_way_and_in_ours() {
        for arguments in [
            &["agent", "--config_file", "f", "status"][..],
            &["agent", "--config", "f", "status"],
            &["agent", "status", "--config", "f"],
            &["agent", "config", "show", "--config=f"],
            &["agent", "run", "--config_file", "f"],
        ] {
            let parsed = Arguments::try_parse_from(arguments).unwrap();
            assert_eq!(parsed.config, Some(PathBuf::from("f")), "{arguments:?}");
        }
    }

    #[test]
    fn every_default_of_codedeploy_local_is_there() {
        let arguments = parse(&[]).bundle;
        assert_eq!(arguments.bundle_location, ".");
        assert_eq!(arguments.file_exists_behavior, FileExistsBehavior::Disallow);
        assert_eq!(arguments.deployment_group, "default-local-deployment-group");
        assert_eq!(arguments.deployment_group_name, "LocalFleet");
        assert_eq!(arguments.appspec_filename, "appspec.yml");
        assert!(arguments.events.is_empty());
    }

    #[test]
    fn every_short_option_of_codedeploy_local_is_there() {
        let arguments = parse(&[
            "-l",
            "x",
            "-t",
            "tgz",
            "-b",
            "OVERWRITE",
            "-g",
            "g",
            "-d",
            "n",
            "-a",
            "app",
            "-e",
            "A,B",
            "-c",
            "conf",
            "-A",
            "other.yml",
        ])
        .bundle;
        assert_eq!(arguments.bundle_location, "x");
        assert_eq!(arguments.bundle_type, Some(BundleType::Tgz));
        assert_eq!(
            arguments.file_exists_behavior,
            FileExistsBehavior::Overwrite
        );
        assert_eq!(arguments.events, ["A", "B"]);
        assert_eq!(
            arguments.agent_configuration_file,
            Some(PathBuf::from("conf"))
        );
    }
}
