//! Commands for those who write AppSpecs: check, explain, schema.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `agent validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// AppSpec files, `-` for standard input, or bundles (a directory, zip, tar or tgz), which are
    /// checked with their content
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,

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
