//! Deployments by hand: the options of v1's `codedeploy-local`, and what goes with them.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, Parser};

use super::{Arguments, Command, Output};
use crate::deployment::{BundleType, FileExistsBehavior};

/// What is deployed and how: the options of v1's `codedeploy-local`, which `agent run-bundle` and
/// `agent plan` have.
#[derive(Debug, Args)]
pub struct BundleArguments {
    /// The bundle: a directory, a file, `s3://BUCKET/KEY[?versionId=V&etag=E]`,
    /// `https://github.com/OWNER/REPO` or
    /// `https://api.github.com/repos/OWNER/REPO/{zipball|tarball}/REF`
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

    /// The agent's configuration file. Without it, root takes
    /// /etc/codedeploy-agent/conf/codedeployagent.yml, else
    /// /opt/codedeploy-agent/conf/codedeployagent.yml, where there is one; otherwise deployments and
    /// logs go below $XDG_STATE_HOME/codedeploy-agent, else ~/.local/state/codedeploy-agent (root:
    /// /var/lib/codedeploy-agent)
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

/// The program under the name of v1's local tool, which has no subcommands.
#[derive(Debug, Parser)]
#[command(
    name = "codedeploy-local",
    about = "Deploy a bundle on this machine, without the CodeDeploy service",
    version,
    disable_version_flag = true
)]
pub struct LocalTool {
    /// As `-c`.
    #[arg(long, alias = "config_file", value_name = "FILE", hide = true)]
    pub config: Option<PathBuf>,

    /// All the others.
    #[command(flatten)]
    pub run_bundle: RunBundleArguments,
}

impl From<LocalTool> for Arguments {
    fn from(tool: LocalTool) -> Self {
        Self {
            config: tool.config,
            command: Command::RunBundle(Box::new(tool.run_bundle)),
        }
    }
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
    pub output: Output,
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
