//! `agent deployments` and `agent status`, on hosts where the real programs have deployed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure fails the test"
)]

mod aws;
mod follow;
mod listed;
mod local;
mod logs;
mod service;
mod shown;
mod status;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use integration_tests::{Bundle, TestHost, agent_command, eventually};
use serde_json::Value;

fn command(host: &TestHost, arguments: &[&str]) -> Command {
    let mut command = agent_command();
    command
        .arg("--config")
        .arg(host.configuration())
        .args(arguments)
        .env_clear()
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Runs the agent to its end.
fn run(host: &TestHost, arguments: &[&str]) -> Output {
    command(host, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs the agent and returns the JSON that it prints.
#[track_caller]
fn json(host: &TestHost, arguments: &[&str]) -> Value {
    let output = run(host, arguments);
    match serde_json::from_slice(&output.stdout) {
        Ok(value) => value,
        Err(error) => panic!("{error}: {output:?}"),
    }
}

/// All deployments, newest first.
fn list(host: &TestHost) -> Vec<Value> {
    json(host, &["deployments"]).as_array().unwrap().clone()
}

/// What is said for people.
fn human(host: &TestHost, arguments: &[&str]) -> String {
    let all: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--output", "human"])
        .collect();
    let output = run(host, &all);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

/// The agent at work, with its output in a file that can be looked at meanwhile.
struct Following {
    child: Child,
    output: PathBuf,
}

impl Following {
    fn start(host: &TestHost, arguments: &[&str]) -> Self {
        let output = host.path("followed");
        let child = command(host, arguments)
            .stdout(fs_err::File::create(&output).unwrap().into_file())
            .spawn()
            .unwrap();
        Self { child, output }
    }

    fn said(&self) -> String {
        fs_err::read_to_string(&self.output).unwrap()
    }

    fn wait_for(&self, words: &str) {
        eventually(words, || self.said().contains(words));
    }

    fn wait(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the follower to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), self.said())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A bundle whose AfterInstall says `before`, waits for [`release`], says `after` and ends so.
fn gated(host: &TestHost, end: &str) -> Bundle {
    let path = |name: &str| host.path(name).display().to_string();
    let (entered, gate, here) = (path("entered"), path("gate"), path(""));
    host.bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
        .script(
            "hook.sh",
            // It ends with its directory, too, should the test fail.
            &format!(
                "echo before\ntouch {entered}\nwhile [ ! -e {gate} ] && [ -d {here} ]; do sleep \
                 0.02; done\necho after\n{end}"
            ),
        )
}

/// Waits until the gated hook runs.
fn in_hook(host: &TestHost) {
    eventually("the hook to run", || host.path("entered").exists());
}

/// Lets it end.
fn release(host: &TestHost) {
    fs_err::write(host.path("gate"), "").unwrap();
}

/// A bundle with a hook of this body.
fn hooked(host: &TestHost, body: &str) -> Bundle {
    host.bundle()
        .appspec("hooks:\n  AfterInstall:\n  - location: hook.sh\n")
        .script("hook.sh", body)
}
