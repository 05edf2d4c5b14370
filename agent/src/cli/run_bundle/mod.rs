//! `agent run-bundle`: a deployment on this machine, without the service.

mod deployment;
mod display;
pub(super) mod interrupt;
mod location;
mod record;
pub(super) mod settings;

use std::sync::Arc;

use deployment::LocalDeployment;
use display::{Ending, Heading, display};
use settings::{Intent, Prepared, SettingsError, prepare};

use super::arguments::{Output, RunBundleArguments};
use super::{Exit, complain, runtime};
use crate::error::chain;

/// Runs the subcommand.
pub(super) fn main(arguments: &RunBundleArguments) -> Exit {
    run(arguments.output, prepare(&arguments.bundle, Intent::Deploy))
}

/// Runs a local deployment, once it is prepared, and shows it.
pub(super) fn run(
    output: Output,
    preparing: impl Future<Output = Result<Prepared, SettingsError>>,
) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot start: {error}"), Exit::Failed),
    };
    let prepared = match runtime.block_on(preparing) {
        Ok(prepared) => prepared,
        Err(error) => return complain(&chain(&error), error.exit()),
    };
    runtime.block_on(deploy(prepared, output))
}

async fn deploy(prepared: Prepared, output: Output) -> Exit {
    let Prepared {
        host,
        spec,
        events,
        warnings,
        bundle,
    } = prepared;
    let mut display = display(output);
    display.begin(&Heading {
        deployment_id: spec.deployment_id.to_string(),
        bundle,
        group: spec.deployment_group_id.to_string(),
        warnings,
    });
    let interrupt = match interrupt::Interrupt::listen() {
        Ok(interrupt) => Arc::new(interrupt),
        Err(error) => return complain(&format!("cannot handle signals: {error}"), Exit::Failed),
    };
    let deployment = LocalDeployment {
        host: &host,
        spec: &spec,
        events: &events,
        interruption: interrupt.interruption(),
    };
    // On the heap: the compiler does not follow futures that are nested any deeper.
    match Box::pin(deployment.run(display.as_mut())).await {
        Ending::Succeeded => Exit::Deployed,
        Ending::Failed => Exit::Failed,
        Ending::Cancelled => Exit::Signal(interrupt.signal()),
    }
}
