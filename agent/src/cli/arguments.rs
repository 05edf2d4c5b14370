//! The command line's grammar (contract: host, "Command line").

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::deployments::{DeploymentsArguments, DeploymentsOutput};
use crate::deployment::{BundleType, FileExistsBehavior};

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
    /// Deploy an earlier revision again on this machine, from its archive, which is still here: the
    /// last one that succeeded before the current one. The archive is taken as it is now, with what
    /// hooks may have changed in it.
    Rollback(RollbackArguments),
    /// Show what `run-bundle` with the same options would do on this host, and do none of it: exit
    /// status 0 when it would work, 3 when it would fail, 2 and 78 as run-bundle.
    Plan(Box<PlanArguments>),
    /// Start the agent in the background, through systemd where it has the agent's unit.
    Start,
    /// Stop the agent; hooks go on, and the next agent takes up what was at work.
    Stop(StopArguments),
    /// Stop the agent and start it again; the new one takes up what was at work.
    Restart,
    /// Say whether the agent runs, and what is at work: exit status 0 when it does, 3 when not, 4
    /// when unknown.
    Status(StatusArguments),
    /// Show what this host has deployed, by the service, by hand or by AWS's agents, and what it is
    /// deploying.
    Deployments(DeploymentsArguments),
    /// Print the agent's metrics as of now, in the OpenMetrics text format; see metrics_file in the
    /// configuration for a file of them. Exit status 0 also when no agent runs
    /// (codedeploy_agent_up 0), 4 when one runs and cannot be asked.
    Metrics,
    /// Check or show the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Find out what keeps the agent from working on this host: configuration, identity, network,
    /// credentials, disk. Changes nothing; exit status 1 when something fails.
    Doctor(DoctorArguments),
    /// Make this host an on-premises instance: check an identity and its credentials, and write the
    /// on-premises file. The key pair of an IAM user is read from AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY, else from standard input, never from the command line.
    Register(RegisterArguments),
    /// Remove the on-premises file, so that this host is no on-premises instance any more.
    Deregister(DeregisterArguments),
    /// Remove what is not needed any more: old deployments, bundles that are unpacked, leftovers.
    /// Works beside an agent that runs; exit status 1 when something could not be removed.
    Clean(CleanArguments),
    /// Check an AppSpec, alone or with its bundle: exit status 0 without errors, 1 with errors, 2
    /// when it cannot be read.
    Validate(ValidateArguments),
    /// Explain a rule of `agent validate`, or list them all.
    Explain(ExplainArguments),
    /// Print the JSON Schema of an AppSpec, for editors.
    Schema(SchemaArguments),
}

/// Options of `agent register`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("identity").required(true)))]
pub struct RegisterArguments {
    /// The IAM user that the host is
    #[arg(long, value_name = "ARN", group = "identity")]
    pub iam_user_arn: Option<String>,

    /// The IAM session that the host is, arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
    #[arg(
        long,
        value_name = "ARN",
        group = "identity",
        requires = "credentials_file"
    )]
    pub iam_session_arn: Option<String>,

    /// The session's shared credentials file, whose profile [default] something else renews
    #[arg(long, value_name = "FILE", requires = "iam_session_arn")]
    pub credentials_file: Option<PathBuf>,

    /// The region that the host is registered in
    #[arg(long)]
    pub region: String,

    /// The on-premises file to write [default: on_premises_config_file of the configuration]
    #[arg(long)]
    pub file: Option<PathBuf>,

    /// Do not ask the service whether it accepts the credentials
    #[arg(long)]
    pub no_check: bool,

    /// Replace the file of another identity; the old file is kept beside it
    #[arg(long)]
    pub force: bool,
}

/// Options of `agent deregister`.
#[derive(Debug, Args)]
pub struct DeregisterArguments {
    /// The on-premises file to remove [default: on_premises_config_file of the configuration]
    #[arg(long)]
    pub file: Option<PathBuf>,

    /// Also while the agent runs, or when the file is not understood
    #[arg(long)]
    pub force: bool,
}

/// Options of `agent clean`.
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// Only show what is there, and what would go
    #[arg(long)]
    pub dry_run: bool,

    /// Only this deployment group, by its name or id
    #[arg(long, value_name = "NAME|ID")]
    pub group: Option<String>,

    /// How many revisions of a group stay [default: max_revisions of the configuration]
    #[arg(long, value_name = "N")]
    pub keep: Option<NonZeroU32>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: CleanOutput,
}

/// How it is shown what is there and what goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CleanOutput {
    /// For people.
    Human,
    /// One JSON object.
    Json,
}

/// Options of `agent validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// An AppSpec file, `-` for standard input, or a bundle (a directory, zip, tar or tgz), which is
    /// checked with its content
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,

    /// What the AppSpec is for; detected when absent
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<PlatformName>,

    /// Check against this host, too: its users, groups and interpreters
    #[arg(long)]
    pub host: bool,

    /// Make errors of the warnings
    #[arg(long)]
    pub strict: bool,

    /// Mend what can be mended without knowing what was meant, in the AppSpec file
    #[arg(long)]
    pub fix: bool,

    /// How to show what is found
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: ValidateOutput,
}

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidateOutput {
    /// For people: the source with a caret.
    Human,
    /// One JSON list.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// A compute platform by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlatformName {
    /// EC2 and on-premises hosts.
    Ec2,
    /// Services of ECS.
    Ecs,
    /// Lambda functions.
    Lambda,
}

/// Options of `agent explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The rule, as it stands in brackets in a finding; without it, all are listed
    #[arg(value_name = "RULE")]
    pub rule: Option<String>,
}

/// Options of `agent schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// What the AppSpec is for
    #[arg(value_name = "PLATFORM", default_value = "ec2")]
    pub platform: PlatformName,
}

/// Options of `agent run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Leave the session of the caller; standard error is for failures only. For `agent start`
    #[arg(long, hide = true)]
    pub own_session: bool,
}

/// Options of `agent stop`.
#[derive(Debug, Args)]
pub struct StopArguments {
    /// Let the commands at work come to their end first, for at most
    /// kill_agent_max_wait_time_seconds
    #[arg(long)]
    pub wait: bool,
}

/// Options of `agent status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: DeploymentsOutput,
}

/// The subcommands of `agent config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and the on-premises file: exit status 0, or 78 with all problems.
    Check,
    /// Show the effective settings and where each comes from; secrets are hidden.
    Show(ShowArguments),
}

/// Options of `agent doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// How to show what was found
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: DoctorOutput,
}

/// How the doctor's findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorOutput {
    /// One line a check, as soon as it is done.
    Human,
    /// One JSON object at the end.
    Json,
}

/// Options of `agent config show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: ShowOutput,
}

/// How settings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowOutput {
    /// YAML, with a comment a line.
    Human,
    /// One JSON object.
    Json,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: one line an event, the scripts' output below it.
    Human,
    /// For pipelines: one JSON object an event, then a summary.
    Json,
}

/// What is deployed and how: the options of v1's `codedeploy-local`, which `agent run-bundle` and
/// `agent plan` have.
#[derive(Debug, Args)]
pub struct BundleArguments {
    /// The bundle: a directory, a file, s3://BUCKET/KEY[?versionId=V&etag=E],
    /// <https://github.com/OWNER/REPO> or
    /// <https://api.github.com/repos/OWNER/REPO/{zipball|tarball}/REF>
    #[arg(short = 'l', long, value_name = "LOCATION", default_value = ".")]
    pub bundle_location: String,

    /// The bundle's type; without it, `directory` for a directory, otherwise what the name says
    #[arg(short = 't', long = "type", value_name = "TYPE", value_parser = bundle_type)]
    pub bundle_type: Option<BundleType>,

    /// What to do with a file that is in the way: DISALLOW fails, OVERWRITE replaces, RETAIN
    /// leaves it
    #[arg(short = 'b', long, value_name = "BEHAVIOR", default_value = "DISALLOW",
          value_parser = behavior)]
    pub file_exists_behavior: FileExistsBehavior,

    /// The deployment group's id; a later run with the same id replaces what this one installed
    #[arg(
        short = 'g',
        long,
        value_name = "ID",
        default_value = "default-local-deployment-group"
    )]
    pub deployment_group: String,

    /// The deployment group's name, for scripts
    #[arg(short = 'd', long, value_name = "NAME", default_value = "LocalFleet")]
    pub deployment_group_name: String,

    /// The application's name, for scripts; without it, the bundle's location
    #[arg(short = 'a', long, value_name = "NAME")]
    pub application_name: Option<String>,

    /// Lifecycle events to run, in order, separated by commas; DownloadBundle and Install are
    /// put in front when absent
    #[arg(short = 'e', long, value_name = "EVENTS", value_delimiter = ',')]
    pub events: Vec<String>,

    /// The agent's configuration file
    #[arg(short = 'c', long, value_name = "FILE")]
    pub agent_configuration_file: Option<PathBuf>,

    /// The AppSpec's file name in the bundle
    #[arg(short = 'A', long, value_name = "NAME", default_value = "appspec.yml")]
    pub appspec_filename: String,

    /// A token for private GitHub repositories; better given as the environment variable
    /// GITHUB_TOKEN, since other users of this machine can read command lines
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GITHUB_TOKEN",
        hide_env_values = true
    )]
    pub github_token: Option<String>,
}

/// Options of `agent run-bundle`.
#[derive(Debug, Args)]
pub struct RunBundleArguments {
    /// What is deployed and how.
    #[command(flatten)]
    pub bundle: BundleArguments,

    /// How to show the run
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: Output,

    /// Print the version
    #[arg(short = 'v', long, action = clap::ArgAction::Version)]
    pub version: Option<bool>,
}

/// Options of `agent rollback`.
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The deployment whose revision is deployed again, by its id or the beginning of it
    #[arg(long, value_name = "ID")]
    pub to: Option<String>,

    /// The deployment group, by its name or id; may be left out where there is one local group only
    #[arg(long, value_name = "NAME|ID")]
    pub group: Option<String>,

    /// Lifecycle events to run, as with run-bundle
    #[arg(short = 'e', long, value_name = "EVENTS", value_delimiter = ',')]
    pub events: Vec<String>,

    /// What to do with a file that is in the way, as with run-bundle
    #[arg(short = 'b', long, value_name = "BEHAVIOR", default_value = "DISALLOW",
          value_parser = behavior)]
    pub file_exists_behavior: FileExistsBehavior,

    /// The AppSpec's file name in the revision, as with run-bundle
    #[arg(short = 'A', long, value_name = "NAME", default_value = "appspec.yml")]
    pub appspec_filename: String,

    /// Also in a group that the service manages, and to a revision that is not known to have
    /// succeeded
    #[arg(long)]
    pub force: bool,

    /// Only say what would be deployed
    #[arg(long)]
    pub dry_run: bool,

    /// How to show the run
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: Output,
}

/// Options of `agent plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// What would be deployed and how.
    #[command(flatten)]
    pub bundle: BundleArguments,

    /// Show every file, also where many have the same in store
    #[arg(long)]
    pub all: bool,

    /// How to show the plan
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: PlanOutput,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// For people: the events, and the files as a tree.
    Human,
    /// One JSON object.
    Json,
}

fn bundle_type(text: &str) -> Result<BundleType, String> {
    match text {
        "tar" => Ok(BundleType::Tar),
        "tgz" => Ok(BundleType::Tgz),
        "zip" => Ok(BundleType::Zip),
        "directory" => Ok(BundleType::Directory),
        _ => Err("use tar, tgz, zip or directory".to_owned()),
    }
}

fn behavior(text: &str) -> Result<FileExistsBehavior, String> {
    match FileExistsBehavior::from_str(&text.to_ascii_uppercase()) {
        Ok(FileExistsBehavior::Invalid(_)) | Err(_) => {
            Err("use DISALLOW, OVERWRITE or RETAIN".to_owned())
        }
        Ok(behavior) => Ok(behavior),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
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
