//! A deployment that is in the middle of a hook for as long as a test wants.

use std::path::PathBuf;

use integration_tests::fakes::command_service::{
    Call, DeploymentEnd, Operation, ScriptedDeployment,
};
use integration_tests::{DaemonHost, RunningDaemon, accepted, eventually, is_alive};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A host with a revision whose AfterInstall runs two scripts, of which the first does not end
/// before [`Scene::release`].
pub(crate) struct Scene {
    pub(crate) daemon: DaemonHost,
}

impl Scene {
    /// The first script ends well.
    pub(crate) fn new() -> Self {
        Self::with("", "exit 0")
    }

    /// A configuration with these lines as well, and this end of the first script.
    pub(crate) fn with(configuration: &str, end: &str) -> Self {
        let daemon = DaemonHost::with_configuration(configuration);
        let path = |name: &str| daemon.host.path(name).display().to_string();
        let (ran, pids, gate, here) = (path("ran"), path("pids"), path("gate"), path(""));
        let bundle = daemon
            .host
            .bundle()
            .appspec(&format!(
                "files:\n- source: app\n  destination: {}\nhooks:\n  AfterInstall:\n  \
                 - location: one.sh\n  - location: two.sh\n",
                daemon.host.destination().display()
            ))
            .file("app/label", "installed")
            .script(
                "one.sh",
                // It ends with its directory, too, should the test fail.
                &format!(
                    "echo one >>{ran}\necho before\necho $PPID $$ >{pids}.new\nmv {pids}.new \
                     {pids}\nwhile [ ! -e {gate} ] && [ -d {here} ]; do sleep 0.02; done\n\
                     echo after\n{end}"
                ),
            )
            .script("two.sh", &format!("echo two >>{ran}"));
        daemon.publish("b.zip", bundle.path());
        Self { daemon }
    }

    pub(crate) fn deploy(&self) -> ScriptedDeployment {
        self.daemon.deploy("d-1", "b.zip")
    }

    /// Waits until the first script runs; its runner's process, and its own.
    pub(crate) fn in_hook(&self) -> (i32, i32) {
        let path = self.daemon.host.path("pids");
        eventually("the hook to begin", || path.exists());
        let text = fs_err::read_to_string(path).unwrap();
        let pids: Vec<i32> = text
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect();
        (pids[0], pids[1])
    }

    /// Lets the first script end.
    pub(crate) fn release(&self) {
        fs_err::write(self.daemon.host.path("gate"), "").unwrap();
    }

    /// The scripts that have run, in order.
    pub(crate) fn ran(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.daemon.host.path("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The directory of a script's run.
    pub(crate) fn run_directory(&self, index: usize) -> PathBuf {
        let runs = self.daemon.host.root().join("group-1/d-1/hook-runs");
        let found = fs_err::read_dir(runs).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            path.to_str()
                .unwrap()
                .ends_with(&format!("-{index}"))
                .then_some(path)
        });
        found.unwrap()
    }

    /// The identifier of the AfterInstall command.
    pub(crate) fn command(&self) -> String {
        let calls = self.daemon.service.calls();
        let of_command = calls.iter().find(|call| {
            call.text("HostCommandIdentifier")
                .ends_with("-AfterInstall")
        });
        of_command.unwrap().text("HostCommandIdentifier").to_owned()
    }

    /// Waits until an agent has taken up so many commands.
    pub(crate) fn taken_up(&self, times: usize) {
        eventually("a command to be taken up", || {
            self.daemon.log().matches("is taken up that").count() >= times
        });
    }

    /// The deployment has succeeded, and each script has run once.
    pub(crate) fn assert_succeeded(&self, deployment: &ScriptedDeployment) {
        assert_eq!(
            self.daemon.service.wait_for_end(deployment),
            DeploymentEnd::Succeeded,
            "{}",
            self.daemon.log()
        );
        assert_eq!(self.ran(), ["one", "two"]);
        self.assert_each_reported_once();
    }

    /// The deployment has failed with this code; what was said of it.
    pub(crate) fn assert_failed(&self, deployment: &ScriptedDeployment, code: i64) -> Value {
        assert_eq!(
            self.daemon.service.wait_for_end(deployment),
            DeploymentEnd::Failed,
            "{}",
            self.daemon.log()
        );
        self.assert_each_reported_once();
        let calls = self.daemon.service.calls();
        let diagnostics = accepted(&calls).last().unwrap().diagnostics();
        assert_eq!(diagnostics["error_code"], code, "{diagnostics}");
        diagnostics
    }

    fn assert_each_reported_once(&self) {
        let calls = self.daemon.service.calls();
        let mut commands: Vec<&str> = accepted(&calls)
            .iter()
            .map(|call| call.text("HostCommandIdentifier"))
            .collect();
        let all = commands.len();
        commands.sort_unstable();
        commands.dedup();
        assert_eq!(commands.len(), all, "{:?}", self.daemon.completions());
    }
}

/// Ends an agent as a test wants, and waits until it is gone.
pub(crate) fn end_by(running: &mut RunningDaemon, signal: Signal) {
    running.signal(signal);
    let status = running.wait();
    assert_eq!(status.success(), signal != Signal::SIGKILL, "{status}");
}

/// Kills a process that is not the agent, and waits until it is gone.
pub(crate) fn kill_process(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    gone(pid);
}

/// Waits until a process is gone.
pub(crate) fn gone(pid: i32) {
    eventually("a process to be gone", || !is_alive(pid));
}

/// Calls of an operation for a command.
pub(crate) fn calls_for(calls: &[Call], operation: Operation, command: &str) -> usize {
    calls
        .iter()
        .filter(|call| call.operation == Some(operation))
        .filter(|call| call.text("HostCommandIdentifier") == command)
        .count()
}
