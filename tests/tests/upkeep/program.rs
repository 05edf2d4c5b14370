//! Running the program with any arguments.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use integration_tests::{TestHost, agent_command};
use serde_json::Value;

/// One run of `agent`, to be refined and run.
pub(crate) struct Program {
    command: Command,
    input: String,
}

/// What a run has left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    /// `agent --config <the host's> <arguments>`.
    pub(crate) fn new<A: AsRef<OsStr>>(
        host: &TestHost,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self::with_configuration(&host.configuration(), arguments)
    }

    pub(crate) fn with_configuration<A: AsRef<OsStr>>(
        configuration: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = agent_command();
        command
            .arg("--config")
            .arg(configuration)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            command,
            input: String::new(),
        }
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(self, input: &str) -> Self {
        Self {
            input: input.to_owned(),
            ..self
        }
    }

    pub(crate) fn start(mut self) -> Child {
        let mut child = self.command.stdin(Stdio::piped()).spawn().unwrap();
        // The program need not read it.
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        child
    }

    pub(crate) fn run(self) -> Run {
        let output = self.start().wait_with_output().unwrap();
        Run {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn assert_exit(self, exit: i32) -> Self {
        assert_eq!(self.exit, Some(exit), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, what: &str) -> &Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(said.contains(what), "{what:?} is not in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
