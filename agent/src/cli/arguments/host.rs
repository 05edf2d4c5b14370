//! Running the agent and looking after its host.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

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
    pub output: Output,
}

/// The subcommands of `agent config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and the on-premises file: exit status 0, or 78 with all problems.
    Check,
    /// Show the effective settings and where each comes from; secrets are hidden.
    Show(ShowArguments),
}

/// Options of `agent config show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// How to show them
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: Output,
}

/// Options of `agent doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// How to show what was found
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: Output,
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

    /// The session's shared credentials file, whose profile `[default]` something else renews
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
    #[arg(long, value_name = "N", value_parser = revisions)]
    pub keep: Option<NonZeroU32>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: Output,
}

fn revisions(text: &str) -> Result<NonZeroU32, String> {
    let number = text.parse();
    number.map_err(|_| format!("write a number from 1 to {}", u32::MAX))
}
