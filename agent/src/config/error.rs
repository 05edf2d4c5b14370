//! Why the agent does not start with this configuration.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::document::DocumentError;
use super::fips;
use super::load::Loaded;

/// A configuration that cannot be used. The agent exits with 78.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is absent or unreadable. The source names it.
    #[error("cannot read the configuration; {}", remedy(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is not a YAML mapping.
    #[error("cannot understand the configuration file {}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// Settings have values that mean nothing, or that AWS's agents refused too.
    #[error("{}: {}", path.display(), list(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every such setting, in the order of the file.
        problems: Vec<Problem>,
        /// What the file says otherwise: these settings have their defaults.
        otherwise: Box<Loaded>,
    },
    /// FIPS mode where the service has no FIPS endpoint.
    #[error(
        "use_fips_mode is true, but the region is {region:?}; allowed: {}, or use_fips_mode: false",
        fips::REGIONS.join(", ")
    )]
    FipsRegion {
        /// The host's region.
        region: String,
    },
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting.
    pub key: &'static str,
    /// Its line, counted from 1.
    pub line: u32,
    /// What the file has, shortened, secrets hidden.
    pub value: String,
    /// What it may have.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            line,
            value,
            allowed,
        } = self;
        write!(f, "line {line}: {key} is {value}; allowed: {allowed}")
    }
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "create the file, or name another with --config",
        io::ErrorKind::PermissionDenied => {
            "let this user read the file (also pass the directories above it), run this as root, or \
             name another file with --config"
        }
        _ => "name another file with --config",
    }
}

fn list(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join(" | ")
}
