//! `agent validate`, `explain` and `schema` as processes: the corpus, the outputs, hostile input.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure fails the test"
)]

mod bad_input;
mod bundles;
mod corpus;
mod mending;
mod outputs;
mod schemas;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use integration_tests::agent_command;

/// How a run ended.
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// The findings of `--output json`.
    fn findings(&self) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }

    fn rules(&self) -> Vec<String> {
        let rule = |finding: &serde_json::Value| finding["rule"].as_str().unwrap().to_owned();
        self.findings().iter().map(rule).collect()
    }
}

/// Runs `agent` with `arguments` in `directory`.
fn run(directory: &Path, arguments: &[&str]) -> Ran {
    run_with_input(directory, arguments, b"")
}

fn run_with_input(directory: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = agent_command()
        .args(arguments)
        .current_dir(directory)
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may stop reading early.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `agent validate --output json` on a path.
fn validate(directory: &Path, path: &str) -> Ran {
    run(directory, &["validate", "--output", "json", path])
}

/// The corpus.
fn appspecs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("appspecs")
}

/// The documentation.
fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Compares with a file that is checked in; with `UPDATE_EXPECTED=1`, writes it.
fn assert_is_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs_err::write(path, text).unwrap();
    }
    let expected = fs_err::read_to_string(path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; UPDATE_EXPECTED=1 writes it anew. It is now:\n{text}",
        path.display()
    );
}

/// A small AppSpec without faults.
const GOOD: &str = "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /srv/app\n";
