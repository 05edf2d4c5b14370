//! `agent run`: the daemon in the foreground.

use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};

use super::arguments::RunArguments;
use super::readiness::Teller;
use super::terminal::say_aside;
use super::{Exit, complain, runtime};
use crate::config::{Config, LogFormat, Purpose, default_path};
use crate::daemon::{self, PidFile, Stopped};
use crate::error::chain;
use crate::install_root::{close_agent_directories, close_log_directory, keep_version_file};
use crate::logging;

/// Runs the subcommand.
pub(super) fn main(config: Option<&Path>, arguments: &RunArguments) -> Exit {
    if arguments.own_session {
        // The same daemon whichever shell it was started from: what an Install makes is less the
        // umask, and 022 is what service managers give.
        umask(Mode::from_bits_truncate(0o022));
        if let Err(error) = nix::unistd::setsid() {
            return refuse(&format!("cannot make a session: {error}"), Exit::Failed);
        }
    }
    let path = config.map_or_else(default_path, PathBuf::from);
    let loaded = match Config::load(&path, Purpose::Service) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(&chain(&error), Exit::Configuration),
    };
    let config = loaded.config;
    if let Err(error) = daemon::become_configured_user(&config) {
        return refuse(&chain(&error), Exit::Configuration);
    }
    let program = config.program_name.as_str();
    let pid_file = match PidFile::take(&config.pid_dir, program) {
        Ok(pid_file) => pid_file,
        Err(error) => return refuse(&chain(&error), Exit::Failed),
    };
    let _teller = match arguments
        .own_session
        .then(|| Teller::start(&config))
        .transpose()
    {
        Ok(teller) => teller,
        Err(error) => {
            let why = format!("cannot tell agent start when it is ready: {error}");
            return refuse(&why, Exit::Failed);
        }
    };
    let log = logging::Log {
        directory: &config.log_dir,
        program,
        verbose: config.verbose,
        mode: if config.restrict_log_dir_permissions {
            0o640
        } else {
            0o644
        },
        json: config.log_format == LogFormat::Json,
        // Nobody reads or empties what `agent start` keeps of standard error.
        standard_error: !arguments.own_session,
    };
    if let Err(error) = log.start() {
        return refuse(
            &format!("cannot open the log: {error}; correct log_dir or its permissions"),
            Exit::Failed,
        );
    }
    if config.disable_core_dumps
        && let Err(error) = nix::sys::prctl::set_dumpable(false)
    {
        tracing::warn!("core dumps cannot be turned off: {error}");
    }
    tracing::info!(
        configuration = %path.display(),
        "agent {} started as process {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id()
    );
    for warning in &loaded.warnings {
        tracing::warn!(configuration = %path.display(), "{warning}");
    }
    if let Some(limits) = daemon::limits_without_root() {
        tracing::warn!("{limits}");
    }
    close_agent_directories(&config, |error| tracing::warn!("{error}"));
    close_log_directory(&config, |error| tracing::warn!("{error}"));
    if let Ok(program) = std::env::current_exe()
        && let Err(error) = keep_version_file(&program)
    {
        tracing::warn!("{}", chain(&error));
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot start: {error}"), Exit::Failed),
    };
    let ended = runtime.block_on(daemon::run(&config, |name| std::env::var_os(name)));
    // Work that blocks must not hold the process: waiting for a hook does for as long as it runs.
    runtime.shutdown_background();
    pid_file.keep_locked();
    match ended {
        Ok(Stopped::Drained) if is_managed() => Exit::Drained,
        Ok(Stopped::Drained | Stopped::HandedOver) => Exit::Success,
        Err(error) => {
            let exit = if error.is_configuration() {
                Exit::Configuration
            } else {
                Exit::Failed
            };
            tracing::error!("{}", chain(&error));
            daemon::tell_why_not(&chain(&error), exit.number());
            if arguments.own_session {
                say_aside(&format!("error: {}", chain(&error)));
            }
            exit
        }
    }
}

/// Says why the daemon does not run, to the service manager, too.
fn refuse(message: &str, exit: Exit) -> Exit {
    daemon::tell_why_not(message, exit.number());
    complain(message, exit)
}

/// Whether a service manager has started us, which would start us again.
fn is_managed() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}
