//! Running the doctor.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Output;

use integration_tests::fakes::command_service::Operation;
use integration_tests::{DaemonHost, agent, command};
use serde_json::Value;

/// One examination, to be refined and run.
pub(crate) struct Examination<'a> {
    daemon: &'a DaemonHost,
    program: PathBuf,
    variables: Vec<(String, String)>,
    user: Option<u32>,
}

/// What the doctor said.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) exit: Option<i32>,
    pub(crate) said: Value,
}

impl<'a> Examination<'a> {
    pub(crate) fn of(daemon: &'a DaemonHost) -> Self {
        Self {
            daemon,
            program: agent(),
            variables: vec![("AWS_EC2_METADATA_DISABLED".into(), "true".into())],
            user: None,
        }
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn program(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    pub(crate) fn user(self, user: u32) -> Self {
        Self {
            user: Some(user),
            ..self
        }
    }

    pub(crate) fn output<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Output {
        let mut command = command(&self.program);
        command
            .args(["doctor", "--config"])
            .arg(self.daemon.host.configuration())
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.output().unwrap()
    }

    /// Runs it. Whatever is wrong, nothing is polled, and no secret is shown.
    pub(crate) fn run(&self) -> Examined {
        let polls = |calls: Vec<integration_tests::fakes::command_service::Call>| {
            let is_poll = |call: &&_| is_poll(call);
            calls.iter().filter(is_poll).count()
        };
        let before = polls(self.daemon.service.calls());
        let output = self.output(&["--output", "json"]);
        assert_eq!(polls(self.daemon.service.calls()), before, "polled");
        let text = String::from_utf8(output.stdout).unwrap();
        for secret in ["a-secret-for-tests-only", "hush-hush"] {
            assert!(!text.contains(secret), "{text}");
        }
        Examined {
            exit: output.status.code(),
            said: serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{error}: {text} {:?}", output.stderr)),
        }
    }
}

fn is_poll(call: &integration_tests::fakes::command_service::Call) -> bool {
    call.operation == Some(Operation::Poll)
}

impl Examined {
    pub(crate) fn check(&self, name: &str) -> &Value {
        let checks = self.said["checks"].as_array().unwrap();
        checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no check {name}: {:#}", self.said))
    }

    pub(crate) fn status(&self, name: &str) -> &str {
        self.check(name)["status"].as_str().unwrap()
    }

    pub(crate) fn names_with(&self, status: &str) -> Vec<&str> {
        let checks = self.said["checks"].as_array().unwrap();
        let with = checks.iter().filter(|check| check["status"] == status);
        with.map(|check| check["name"].as_str().unwrap()).collect()
    }

    /// Asserts that nothing has failed.
    #[track_caller]
    pub(crate) fn assert_healthy(&self) {
        assert_eq!(self.exit, Some(0), "{:#}", self.said);
        assert_eq!(self.said["result"], "healthy");
        assert_eq!(self.names_with("failed"), Vec::<&str>::new());
    }

    /// Asserts that these checks have failed and no others, the first with this in what it says
    /// or advises.
    #[track_caller]
    pub(crate) fn assert_failed(&self, names: &[&str], says: &str, advises: &str) {
        assert_eq!(self.names_with("failed"), names, "{:#}", self.said);
        assert_eq!(self.exit, Some(1));
        assert_eq!(self.said["result"], "failed");
        let check = self.check(names[0]);
        assert!(
            check["detail"].as_str().unwrap().contains(says),
            "{check:#}"
        );
        assert!(
            check["remedy"].as_str().unwrap().contains(advises),
            "{check:#}"
        );
        // Nothing is skipped without a reason, and nothing fails without a remedy.
        for check in self.said["checks"].as_array().unwrap() {
            assert_ne!(check["detail"], "", "{check:#}");
            let needs_remedy = ["failed", "warning"].contains(&check["status"].as_str().unwrap());
            assert!(!needs_remedy || check["remedy"].is_string(), "{check:#}");
        }
    }
}
