//! Running `agent run-bundle`, and `agent plan` with the same arguments.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::{Outcome, agent_command};

/// One `agent run-bundle --output json`, to be refined and run.
#[derive(Debug)]
pub struct Deployment {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Deployment {
    pub(crate) fn new(configuration: &Path, location: &Path) -> Self {
        let mut arguments: Vec<OsString> = ["run-bundle", "--output", "json", "-c"]
            .map(OsString::from)
            .to_vec();
        arguments.extend([configuration.into(), "-l".into(), location.into()]);
        Self {
            arguments,
            environment: Vec::new(),
        }
    }

    /// More arguments.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// The same for `agent plan`, which tells what it would do.
    #[must_use]
    pub fn planned(mut self) -> Self {
        if let Some(subcommand) = self.arguments.first_mut() {
            *subcommand = "plan".into();
        }
        self
    }

    /// The lifecycle events to run.
    #[must_use]
    pub fn events(self, events: &str) -> Self {
        self.arguments(["-e", events])
    }

    /// An environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn run(&self) -> Outcome {
        self.start().wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(&self) -> Started {
        let mut command = agent_command();
        let child = command
            .args(&self.arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/nonexistent")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Started { child }
    }
}

/// A deployment that is running.
#[derive(Debug)]
pub struct Started {
    child: Child,
}

impl Started {
    /// The agent's process.
    ///
    /// # Panics
    /// Never: process ids fit.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends a signal to the agent.
    ///
    /// # Panics
    /// When the agent is gone.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When its output cannot be read.
    #[must_use]
    pub fn wait(self) -> Outcome {
        Outcome::new(&self.child.wait_with_output().unwrap())
    }
}
