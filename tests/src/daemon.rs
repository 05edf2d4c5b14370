//! `agent run` as a process, on a host of its own, against the fakes of the services.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use flate2::Crc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::fakes::command_service::{
    ACCESS_KEY, Call, Operation, SECRET_KEY, ScriptedDeployment, Specification, s3_revision,
    specification,
};
use crate::fakes::{FakeCommandService, Signer};
use crate::s3::S3Server;
use crate::{TestHost, agent, command, eventually};

const REGION: &str = "us-east-1";

/// There is none on a test machine, or not the one that a test means.
const WITHOUT_METADATA: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");

/// An on-premises host, with a command service and an S3 of its own.
#[derive(Debug)]
pub struct DaemonHost {
    /// Its directories.
    pub host: TestHost,
    /// The command service.
    pub service: FakeCommandService,
    /// S3, with the bucket `revisions`.
    pub s3: S3Server,
}

impl Default for DaemonHost {
    fn default() -> Self {
        Self::with_configuration("")
    }
}

impl DaemonHost {
    /// The host's ARN.
    pub const IDENTIFIER: &str = "arn:aws:iam::123456789012:user/test-host";

    /// A host whose configuration has these lines as well.
    ///
    /// # Panics
    /// When its files cannot be written.
    #[must_use]
    pub fn with_configuration(lines: &str) -> Self {
        let (service, s3) = (FakeCommandService::start(REGION), S3Server::start());
        let pid_directory = tempfile::tempdir().unwrap();
        let host = TestHost::with_configuration(&format!(
            "deploy_control_endpoint: {}\ns3_endpoint_override: {}\npid_dir: {}/pid\n\
             wait_between_runs: 1\nprofile_environment: false\n{lines}",
            service.endpoint(),
            s3.endpoint(),
            // Below the host's own directory, which is not known before it is made.
            pid_directory.path().display(),
        ));
        let text = fs_err::read_to_string(host.configuration()).unwrap();
        let own = text.replace(
            pid_directory.path().to_str().unwrap(),
            host.path("").to_str().unwrap(),
        );
        fs_err::write(host.configuration(), own).unwrap();
        let identity = format!(
            "region: {REGION}\niam_user_arn: {}\naws_access_key_id: {ACCESS_KEY}\n\
             aws_secret_access_key: {SECRET_KEY}\n",
            Self::IDENTIFIER
        );
        fs_err::write(host.on_premises_file(), identity).unwrap();
        // It holds a key.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs_err::set_permissions(host.on_premises_file(), private).unwrap();
        Self { host, service, s3 }
    }

    /// Starts the daemon.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self) -> RunningDaemon {
        self.start_program(&agent(), &[])
    }

    /// Starts the daemon from another copy of the program, with these environment variables as
    /// well.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_program(&self, program: &Path, environment: &[(&str, String)]) -> RunningDaemon {
        let variables = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        self.spawn(program, variables.chain([WITHOUT_METADATA]))
    }

    /// Starts the daemon with these variables in its environment, beside `PATH`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_with(&self, variables: &[(&str, &str)]) -> RunningDaemon {
        self.spawn(&agent(), variables.iter().copied())
    }

    fn spawn<'v>(
        &self,
        program: &Path,
        variables: impl Iterator<Item = (&'v str, &'v str)>,
    ) -> RunningDaemon {
        let mut command = command(program);
        let errors = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.host.path("standard-error"))
            .unwrap();
        let child = command
            .args(["run", "--config"])
            .arg(self.host.configuration())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.into_file())
            .spawn()
            .unwrap();
        RunningDaemon { child }
    }

    /// Puts a revision into S3: a zip of the bundle's files.
    ///
    /// # Panics
    /// When the bundle cannot be read.
    pub fn publish(&self, key: &str, bundle: &Path) {
        self.s3.put("revisions", key, &crate::s3::zipped(bundle));
    }

    /// The content of a specification for a revision that was published.
    #[must_use]
    pub fn specification(&self, deployment: &str, key: &str) -> Value {
        specification(deployment, "group-1", &s3_revision("revisions", key, "zip"))
    }

    /// Begins an in-place deployment of a revision that was published.
    #[must_use]
    pub fn deploy(&self, deployment: &str, key: &str) -> ScriptedDeployment {
        let content = self.specification(deployment, key);
        let signed = Specification::signed(&Signer::new(), &content);
        let scripted = ScriptedDeployment::in_place(deployment, signed);
        let _ = self.service.deploy(Self::IDENTIFIER, &scripted);
        scripted
    }

    /// The successful completions so far, in order: command and status.
    #[must_use]
    pub fn completions(&self) -> Vec<(String, String)> {
        accepted(&self.service.calls())
            .iter()
            .map(|call| {
                let command = call
                    .text("HostCommandIdentifier")
                    .rsplit('-')
                    .next()
                    .unwrap();
                (command.to_owned(), call.text("CommandStatus").to_owned())
            })
            .collect()
    }

    /// The agent's log.
    #[must_use]
    pub fn log(&self) -> String {
        fs_err::read_to_string(self.host.path("log/codedeploy-agent.log")).unwrap_or_default()
    }

    /// The agent's journal of commands.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.host.root().join("commands.journal")
    }

    /// The commands that the journal has at work, each with its state: the name, or the object
    /// that it is in JSON.
    ///
    /// # Panics
    /// When the journal is not what the agent writes.
    #[must_use]
    pub fn at_work(&self) -> Vec<(String, Value)> {
        let text = fs_err::read_to_string(self.journal()).unwrap_or_default();
        let mut live: Vec<(String, Value)> = Vec::new();
        // A line without an end is being written.
        for line in text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let record: Value = serde_json::from_str(&line[9..]).unwrap();
            if let Some(taken) = record.get("taken") {
                let id = taken["command"]["host_command_identifier"]
                    .as_str()
                    .unwrap();
                live.retain(|(command, _)| command != id);
                live.push((id.to_owned(), Value::Null));
            } else if let Some(state) = record.get("state") {
                let known = live
                    .iter_mut()
                    .find(|(id, _)| state["command"] == *id.as_str());
                known.unwrap().1 = state["state"].clone();
            } else if let Some(settled) = record.get("settled") {
                live.retain(|(id, _)| settled["command"] != *id.as_str());
            }
        }
        live
    }

    /// Changes the JSON of each record of the journal, while no agent has it open.
    ///
    /// # Panics
    /// When there is no journal.
    pub fn rewrite_journal(&self, change: impl Fn(&str) -> String) {
        let path = self.journal();
        let mut changed = String::new();
        for line in fs_err::read_to_string(&path).unwrap().lines() {
            let json = change(&line[9..]);
            let mut crc = Crc::new();
            crc.update(json.as_bytes());
            changed.push_str(&format!("{:08x} {json}\n", crc.sum()));
        }
        fs_err::write(path, changed).unwrap();
    }

    /// Waits until nothing is at work: the service may know before the agent hears of it.
    ///
    /// # Panics
    /// When something stays.
    pub fn wait_until_idle(&self) {
        eventually("nothing to be at work", || self.at_work().is_empty());
    }

    /// Commands whose results the service has not taken yet, as far as the agent knows.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        self.at_work()
            .into_iter()
            .filter(|(_, state)| state.get("Finished").is_some())
            .map(|(command, _)| command)
            .collect()
    }
}

/// Completions that the service has accepted.
#[must_use]
pub fn accepted(calls: &[Call]) -> Vec<&Call> {
    calls
        .iter()
        .filter(|call| call.operation == Some(Operation::Complete) && call.succeeded())
        .collect()
}

/// A daemon at work; killed when dropped.
#[derive(Debug)]
pub struct RunningDaemon {
    child: Child,
}

impl RunningDaemon {
    /// Its process id.
    ///
    /// # Panics
    /// Never: process ids fit.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the daemon is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// How it has ended, when it has.
    ///
    /// # Panics
    /// When that cannot be told.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the daemon to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Stops it with SIGTERM and asserts that it ends well.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "{status}");
    }
}

impl Drop for RunningDaemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
