//! The grammar of `agent deployments`.

use clap::{Args, Subcommand};

use crate::cli::arguments::Output;

/// Options of `agent deployments`.
#[derive(Debug, Args)]
pub struct DeploymentsArguments {
    /// What to do; `list` when nothing is said.
    #[command(subcommand)]
    pub command: Option<DeploymentsCommand>,

    /// Options of the list; without a subcommand only, which clap cannot say of some options and
    /// not of --config.
    #[command(flatten)]
    pub list: ListArguments,
}

impl DeploymentsArguments {
    /// Whether an option of the list stands before a subcommand, which would not have it.
    pub(super) fn are_misplaced(&self) -> bool {
        let ListArguments {
            group,
            limit,
            output,
        } = &self.list;
        self.command.is_some() && (group.is_some() || limit.is_some() || output.is_some())
    }
}

/// The subcommands of `agent deployments`.
#[derive(Debug, Subcommand)]
pub enum DeploymentsCommand {
    /// List the deployments, newest first; `*` marks the revision that a group has installed.
    List(ListArguments),
    /// Show all that is known of a deployment: exit status 0, or with --follow 1 when it has not
    /// succeeded.
    Show(ShowDeploymentArguments),
    /// Print the output of a deployment's hooks.
    Logs(LogsArguments),
}

/// Options of `agent deployments list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Only those of the deployment group with this name or id
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,

    /// Only the newest N; 0 for all [default: 20 for people, all for programs]
    #[arg(long, value_name = "N", value_parser = limit)]
    pub limit: Option<usize>,

    /// How to show them [default: human on a terminal, otherwise json]
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Options of `agent deployments show`.
#[derive(Debug, Args)]
pub struct ShowDeploymentArguments {
    /// The deployment's id, or a beginning of it that no other one has
    #[arg(value_name = "ID")]
    pub id: String,

    /// Draw the events as bars
    #[arg(long)]
    pub timeline: bool,

    /// Follow a running deployment to its end; the exit status is 0 when it has succeeded, else 1
    #[arg(short = 'f', long, conflicts_with = "timeline")]
    pub follow: bool,

    /// How to show it [default: human on a terminal, otherwise json]
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<Output>,
}

/// Options of `agent deployments logs`.
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// The deployment's id, or a beginning of it that no other one has
    #[arg(value_name = "ID")]
    pub id: String,

    /// Go on until the deployment has ended
    #[arg(short = 'f', long)]
    pub follow: bool,
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse();
    number.map_err(|_| "write a number, 0 for all".to_owned())
}
