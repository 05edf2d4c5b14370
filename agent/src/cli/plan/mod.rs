//! `agent plan`: what `agent run-bundle` with the same options would do, without doing it.

mod details;
mod human;
mod json;
mod names;
mod summary;
mod tree;

use std::path::{Path, PathBuf};

use super::arguments::{Output, PlanArguments};
use super::run_bundle::interrupt::Interrupt;
use super::run_bundle::settings::{Intent, Prepared, prepare};
use super::terminal::print;
use super::{Exit, complain, runtime};
use crate::error::chain;
use crate::executor::{Preview, PreviewError, Workspace, preview};

/// What is planned for, and the plan.
struct Planned {
    /// The bundle's location.
    bundle: String,
    group: String,
    preview: Preview,
}

/// Runs the subcommand.
pub(super) fn main(arguments: &PlanArguments) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("cannot start: {error}"), Exit::Failed),
    };
    let prepared = match runtime.block_on(prepare(&arguments.bundle, Intent::Look)) {
        Ok(prepared) => prepared,
        Err(error) => return complain(&chain(&error), error.exit()),
    };
    let workspace = Workspace::below(&temporary_directory());
    let planned = runtime.block_on(look(prepared, &workspace));
    // A thread that still unpacks ends soon, and before its directory goes.
    drop(runtime);
    drop(workspace);
    match planned {
        Ok(planned) => show(&planned, arguments),
        Err(exit) => exit,
    }
}

/// Where large temporary files go: TMPDIR; without it /var/tmp, since /tmp is often in memory.
fn temporary_directory() -> PathBuf {
    let lasting = Path::new("/var/tmp");
    match std::env::var_os("TMPDIR").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None if lasting.is_dir() => lasting.to_owned(),
        None => std::env::temp_dir(),
    }
}

async fn look(prepared: Prepared, workspace: &Workspace) -> Result<Planned, Exit> {
    let Prepared {
        host,
        spec,
        events,
        mut warnings,
        bundle,
    } = prepared;
    let interrupt = Interrupt::listen()
        .map_err(|error| complain(&format!("cannot handle signals: {error}"), Exit::Failed))?;
    let interruption = interrupt.interruption();
    match preview(&host, &spec, &events, workspace, &interruption).await {
        Ok(mut preview) => {
            warnings.append(&mut preview.warnings);
            preview.warnings = warnings;
            Ok(Planned {
                bundle,
                group: spec.deployment_group_id.to_string(),
                preview,
            })
        }
        Err(PreviewError::Interrupted) => Err(Exit::Signal(interrupt.signal())),
        Err(error @ PreviewError::Workspace(_)) => Err(complain(&chain(&error), Exit::Failed)),
    }
}

fn show(planned: &Planned, arguments: &PlanArguments) -> Exit {
    let text = match arguments.output {
        Output::Human => human::show(planned, arguments.all),
        Output::Json => json::show(planned),
    };
    print(text.as_bytes());
    if planned.preview.reasons.is_empty() {
        Exit::Success
    } else {
        Exit::WouldFail
    }
}
