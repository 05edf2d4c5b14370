//! `agent schema`: JSON Schemas of AppSpecs.

use super::Exit;
use super::arguments::{PlatformName, SchemaArguments};
use super::terminal::say;
use crate::lint::{self, Platform};

/// Runs the subcommand.
pub(super) fn main(arguments: &SchemaArguments) -> Exit {
    let schema = lint::schema(arguments.platform.into());
    say(&format!("{schema:#}"));
    Exit::Success
}

impl From<PlatformName> for Platform {
    fn from(name: PlatformName) -> Self {
        match name {
            PlatformName::Ec2 => Self::Ec2,
            PlatformName::Ecs => Self::Ecs,
            PlatformName::Lambda => Self::Lambda,
        }
    }
}
